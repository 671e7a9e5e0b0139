//! Temporary files for compiled code: in a folder, or else in memory.
//! `code_cache` caches code.

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::path::Path;

/// Creates a file without a name in a folder.
pub(crate) fn in_folder(folder: &Path) -> io::Result<File> {
    tempfile::tempfile_in(folder)
}

/// Creates a file in memory: it needs no disk, and takes memory until it is closed.
pub(crate) fn in_memory() -> io::Result<File> {
    let create = |flags| memfd_create("cascade-host code", flags);
    let file = match create(MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 lacks this flag; later systems may require it.
        Err(Errno::INVAL) => create(MemfdFlags::CLOEXEC),
        file => file,
    };
    Ok(file?.into())
}

/// Returns the system's error text without the path of the temporary file, which means nothing to users.
pub(crate) fn os_error_text(error: &dyn std::fmt::Display) -> String {
    error.to_string().split(" at path ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Seek as _, Write as _};

    #[test]
    fn temporary_files_can_be_read_back_and_leave_no_name() {
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
        assert_eq!(os_error_text(&nowhere), "No such file or directory (os error 2)");
    }
}
