//! Opens what a path leads to below a folder, in a way that neither leaves the folder nor waits for anybody.
//! Whether a guest may is for `opening`; where the system has no such call, wasmtime walks the path.

use rustix::fs::{FileType, Mode, OFlags, RawMode, ResolveFlags, fstat, openat2};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::OwnedFd;

/// How often a path is followed again whose folders were renamed meanwhile.
const TRIES: usize = 4;

/// The rights of a file that is made, before the mask of the process.
const NEW_FILE: RawMode = 0o666;

/// Why nothing was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// The system said so.
    Error(Errno),
    /// The path leads out of the folder.
    Outside,
    /// It is neither a file nor a folder: opening such a thing may wait for ever, or do something.
    Kind(FileType),
    /// This system cannot open in this way.
    NoCall,
}

/// Opens a file or a folder. The system may take its time, as it may for any file.
pub(crate) fn open(folder: &File, path: &str, flags: OFlags) -> Result<(File, FileType), Unopened> {
    // One that must be new is no other thing. All else is looked at first, without opening it.
    if !flags.contains(OFlags::EXCL) {
        let seen = follow(folder, path, OFlags::PATH | OFlags::CLOEXEC | flags & OFlags::NOFOLLOW);
        match seen.and_then(|seen| kind(&seen)) {
            // Opening a link that is not to be followed fails as it should.
            Ok(FileType::RegularFile | FileType::Directory | FileType::Symlink) => {}
            Ok(other) => return Err(Unopened::Kind(other)),
            Err(Unopened::NoCall) => return Err(Unopened::NoCall),
            // The error of opening it says more than that of looking at it; and it may be made now.
            Err(_) => {}
        }
    }
    // Something else may stand there by now: not even then is anybody waited for.
    let opened = follow(folder, path, flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC)?;
    match kind(&opened)? {
        kind @ (FileType::RegularFile | FileType::Directory) => Ok((opened.into(), kind)),
        other => Err(Unopened::Kind(other)),
    }
}

/// The text of a link, whatever bytes it has.
pub(crate) fn link_text(folder: &File, path: &str) -> Result<Vec<u8>, Unopened> {
    let link = follow(folder, path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC)?;
    let text = rustix::fs::readlinkat(link, "", Vec::new()).map_err(Unopened::Error)?;
    Ok(text.into_bytes())
}

fn kind(opened: &OwnedFd) -> Result<FileType, Unopened> {
    let found = fstat(opened).map_err(Unopened::Error)?;
    Ok(FileType::from_raw_mode(found.st_mode))
}

fn follow(folder: &File, path: &str, flags: OFlags) -> Result<OwnedFd, Unopened> {
    let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(NEW_FILE) } else { Mode::empty() };
    for _ in 0..TRIES {
        match openat2(folder, path, flags, mode, ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS) {
            Ok(opened) => return Ok(opened),
            Err(Errno::AGAIN) => {}
            // A sandbox around this process may refuse the call by the second.
            Err(Errno::NOSYS | Errno::PERM) => return Err(Unopened::NoCall),
            Err(Errno::XDEV) => return Err(Unopened::Outside),
            Err(error) => return Err(Unopened::Error(error)),
        }
    }
    Err(Unopened::NoCall)
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
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "text").unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        symlink("pipe", at("link")).unwrap();
        symlink("/dev/null", at("away")).unwrap();
        folder
    }

    fn opened(folder: &Path, path: &str, flags: OFlags) -> Result<FileType, Unopened> {
        open(&File::open(folder).unwrap(), path, flags).map(|(_, kind)| kind)
    }

    #[test]
    fn files_and_folders_are_opened_and_nothing_else_is() {
        let folder = folder();
        let folder = folder.path();
        let read = |path: &str| opened(folder, path, OFlags::RDONLY);
        assert_eq!(read("file"), Ok(FileType::RegularFile));
        assert_eq!(read("folder"), Ok(FileType::Directory));
        assert_eq!(read("away"), Err(Unopened::Outside));
        assert_eq!(read("none"), Err(Unopened::Error(Errno::NOENT)));
        for flags in [OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR, OFlags::WRONLY | OFlags::CREATE] {
            for (path, kind) in
                [("pipe", FileType::Fifo), ("link", FileType::Fifo), ("socket", FileType::Socket)]
            {
                assert_eq!(opened(folder, path, flags), Err(Unopened::Kind(kind)), "{path} {flags:?}");
            }
        }
        let links = OFlags::RDONLY | OFlags::NOFOLLOW;
        assert_eq!(opened(folder, "link", links), Err(Unopened::Error(Errno::LOOP)));
        assert_eq!(
            opened(Path::new("/dev"), "null", OFlags::RDWR),
            Err(Unopened::Kind(FileType::CharacterDevice))
        );
        let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        assert_eq!(opened(folder, "pipe", new), Err(Unopened::Error(Errno::EXIST)));
        assert_eq!(opened(folder, "new", new), Ok(FileType::RegularFile));
    }

    /// What stands at a path may change between a look at it and the opening.
    #[test]
    fn a_pipe_that_takes_the_place_of_a_file_is_not_waited_for() {
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
            for seen in [Ok(FileType::RegularFile), Err(Unopened::Kind(FileType::Fifo))] {
                assert!(opened.contains(&seen), "{seen:?} is never met");
            }
            assert!(opened.iter().all(|seen| seen.is_ok() || matches!(seen, Err(Unopened::Kind(_)))));
        });
    }

    #[test]
    fn the_text_of_a_link_is_told_as_it_is() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = folder();
        symlink(std::ffi::OsStr::from_bytes(b"b\xe9d"), folder.path().join("odd")).unwrap();
        let open = File::open(folder.path()).unwrap();
        assert_eq!(link_text(&open, "odd").unwrap(), b"b\xe9d");
        assert!(link_text(&open, "file").is_err());
    }
}
