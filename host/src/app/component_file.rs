//! Reads a component's file up to the maximum size of a component.
//! `sandbox` interprets the bytes.

use crate::config::read_at_most;
use crate::model::Size;
use crate::sandbox::Exceeded;
use bytes::Bytes;
use std::io;
use std::path::Path;

/// Reads a component of at most `max` bytes. A larger file is an error of kind [`io::ErrorKind::FileTooLarge`].
pub(crate) fn read_component(path: &Path, max: Size) -> io::Result<Bytes> {
    read_at_most(path, max).map(Bytes::from).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => io::Error::new(io::ErrorKind::FileTooLarge, Exceeded::Component(max)),
        _ => error, // all other messages are complete already
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_and_endless_files_are_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.wasm");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(*read_component(&path, Size::bytes(10)).unwrap(), [7; 10]);
        for (path, max) in [(path.as_path(), 9), (Path::new("/dev/zero"), 1 << 20)] {
            let error = read_component(path, Size::bytes(max)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
            assert!(error.to_string().contains("`component-size`"), "{error}");
        }
    }
}
