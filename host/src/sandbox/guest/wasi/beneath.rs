//! Opens a path beneath a folder, without leaving the folder and without blocking on pipes or devices.
//! `opening` decides what a guest may open. If the system lacks `openat2`, wasmtime walks the path instead.

use rustix::fs::{FileType, Mode, OFlags, RawMode, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;

/// Maximum number of tries to resolve a path whose folders are renamed meanwhile.
const MAX_TRIES: usize = 4;

/// Permissions of a new file, before the umask of the process.
const NEW_FILE: RawMode = 0o666;

/// Reason why nothing was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFailure {
    /// The system reported this error.
    Error(Errno),
    /// The path leads out of the folder.
    Outside,
    /// The path leads to neither a file nor a folder. Opening it could block forever, or have effects.
    Kind(FileType),
    /// The system lacks `openat2`, or forbids it.
    NoCall,
}

/// Opens a file or a folder. May block for as long as the file system takes.
pub(crate) fn open(folder: &File, path: &str, flags: OFlags) -> Result<(File, FileType), OpenFailure> {
    // A file that must be new cannot be a pipe. Anything else is inspected first, without opening it.
    if !flags.contains(OFlags::EXCL) {
        let found = open_beneath(folder, path, OFlags::PATH | OFlags::CLOEXEC | flags & OFlags::NOFOLLOW);
        match found.and_then(|found| kind(&found)) {
            // Opening a link without following it fails with the right error.
            Ok(FileType::RegularFile | FileType::Directory | FileType::Symlink) => {}
            Ok(other) => return Err(OpenFailure::Kind(other)),
            Err(OpenFailure::NoCall) => return Err(OpenFailure::NoCall),
            // Opening reports a better error than this inspection, or creates the file.
            Err(_) => {}
        }
    }
    // The path may lead to something else by now, so the flags avoid blocking in that case too.
    let opened = open_beneath(folder, path, flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC)?;
    match kind(&opened)? {
        kind @ (FileType::RegularFile | FileType::Directory) => Ok((opened.into(), kind)),
        other => Err(OpenFailure::Kind(other)),
    }
}

/// Returns the target of a link as bytes.
pub(crate) fn link_text(folder: &File, path: &str) -> Result<Vec<u8>, OpenFailure> {
    let link = open_beneath(folder, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
    let text = rustix::fs::readlinkat(link, "", Vec::new()).map_err(OpenFailure::Error)?;
    Ok(text.into_bytes())
}

fn kind(opened: &OwnedFd) -> Result<FileType, OpenFailure> {
    let found = fstat(opened).map_err(OpenFailure::Error)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

fn open_beneath(folder: &File, path: &str, flags: OFlags) -> Result<OwnedFd, OpenFailure> {
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(NEW_FILE) } else { Mode::empty() };
    for _ in 0..MAX_TRIES {
        match openat2(folder, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
            Ok(opened) => return Ok(opened),
            Err(Errno::AGAIN) => {}
            // A sandbox around this process may forbid the call with `EPERM`.
            Err(Errno::NOSYS | Errno::PERM) => return Err(OpenFailure::NoCall),
            Err(Errno::XDEV) => return Err(OpenFailure::Outside),
            Err(error) => return Err(OpenFailure::Error(error)),
        }
    }
    Err(OpenFailure::NoCall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{RenameFlags, renameat_with};
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "text").unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        drop(std::os::unix::net::UnixListener::bind(path("socket")).unwrap());
        symlink("pipe", path("link")).unwrap();
        symlink("/dev/null", path("away")).unwrap();
        folder
    }

    fn open_kind(folder: &Path, path: &str, flags: OFlags) -> Result<FileType, OpenFailure> {
        open(&File::open(folder).unwrap(), path, flags).map(|(_, kind)| kind)
    }

    #[test]
    fn only_files_and_folders_are_opened() {
        let folder = folder();
        let folder = folder.path();
        let read = |path: &str| open_kind(folder, path, OFlags::RDONLY);
        assert_eq!(read("file"), Ok(FileType::RegularFile));
        assert_eq!(read("folder"), Ok(FileType::Directory));
        assert_eq!(read("away"), Err(OpenFailure::Outside));
        assert_eq!(read("none"), Err(OpenFailure::Error(Errno::NOENT)));
        for flags in [OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR, OFlags::WRONLY | OFlags::CREATE] {
            for (path, kind) in
                [("pipe", FileType::Fifo), ("link", FileType::Fifo), ("socket", FileType::Socket)]
            {
                assert_eq!(open_kind(folder, path, flags), Err(OpenFailure::Kind(kind)), "{path} {flags:?}");
            }
        }
        let links = OFlags::RDONLY | OFlags::NOFOLLOW;
        assert_eq!(open_kind(folder, "link", links), Err(OpenFailure::Error(Errno::LOOP)));
        assert_eq!(
            open_kind(Path::new("/dev"), "null", OFlags::RDWR),
            Err(OpenFailure::Kind(FileType::CharacterDevice))
        );
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        assert_eq!(open_kind(folder, "pipe", new), Err(OpenFailure::Error(Errno::EXIST)));
        assert_eq!(open_kind(folder, "new", new), Ok(FileType::RegularFile));
    }

    /// The target of a path may change between inspection and opening.
    #[test]
    fn pipe_that_replaces_a_file_does_not_block() {
        let folder = folder();
        let open_folder = File::open(folder.path()).unwrap();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let exchange = RenameFlags::EXCHANGE;
                    renameat_with(&open_folder, "file", &open_folder, "pipe", exchange).unwrap();
                }
            });
            let opened: Vec<_> = (0..20_000)
                .map(|_| open(&open_folder, "file", OFlags::RDONLY).map(|(_, kind)| kind))
                .collect();
            is_over.store(true, Ordering::Relaxed);
            for found in [Ok(FileType::RegularFile), Err(OpenFailure::Kind(FileType::Fifo))] {
                assert!(opened.contains(&found), "{found:?} never occurs");
            }
            assert!(opened.iter().all(|found| found.is_ok() || matches!(found, Err(OpenFailure::Kind(_)))));
        });
    }

    #[test]
    fn link_target_is_returned_as_bytes() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = folder();
        symlink(std::ffi::OsStr::from_bytes(b"b\xe9d"), folder.path().join("odd")).unwrap();
        let open = File::open(folder.path()).unwrap();
        assert_eq!(link_text(&open, "odd").unwrap(), b"b\xe9d");
        assert!(link_text(&open, "file").is_err());
    }
}
