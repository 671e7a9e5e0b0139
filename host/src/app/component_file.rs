//! Reads the file of a component, and no more of it than a component may have.
//! What its bytes are is for the sandbox.

use crate::config::read_at_most;
use crate::model::Size;
use crate::sandbox::Exceeded;
use bytes::Bytes;
use std::io;
use std::path::Path;

/// Reads a component of at most `most` bytes. A larger one is an error of the kind [`io::ErrorKind::FileTooLarge`].
pub fn read_component(path: &Path, most: Size) -> io::Result<Bytes> {
    read_at_most(path, most).map(Bytes::from).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => io::Error::new(io::ErrorKind::FileTooLarge, Exceeded::Component(most)),
        _ => error, // whatever else is wrong is said already
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_larger_is_refused_and_what_does_not_end_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.wasm");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(*read_component(&path, Size::bytes(10)).unwrap(), [7; 10]);
        for (path, most) in [(path.as_path(), 9), (Path::new("/dev/zero"), 1 << 20)] {
            let error = read_component(path, Size::bytes(most)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            assert!(error.to_string().contains("`component-size`"), "{error}");
        }
    }
}
