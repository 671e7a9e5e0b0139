//! Files for code that is being made, which nobody keeps: in a folder for what is temporary, else in memory.
//! Where code is kept is for `code_cache`.

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::Path;

/// A file without a name in a folder.
pub(crate) fn in_folder(folder: &Path) -> io::Result<File> {
    tempfile::tempfile_in(folder)
}

/// A file in memory: it needs no disk, and counts as memory until it is closed.
pub(crate) fn in_memory() -> io::Result<File> {
    let create = |flags| memfd_create("cascade-host code", flags);
    let made = match create(MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3 there is no such flag; where there is, a system may ask for it.
        Err(Errno::INVAL) => create(MemfdFlags::CLOEXEC),
        made => made,
    };
    Ok(made?.into())
}

/// What the system said of a file, without the name that it was to have, which nobody knows.
pub(crate) fn said(error: &dyn std::fmt::Display) -> String {
    error.to_string().split(" at path ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _, Write as _};

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for mut file in [in_folder(folder.path()).unwrap(), in_memory().unwrap()] {
            let mut text = String::new();
            file.write_all(b"code").unwrap();
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, "code");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let nowhere = in_folder(&folder.path().join("none")).unwrap_err();
        assert_eq!(said(&nowhere), "No such file or directory (os error 2)");
    }
}
