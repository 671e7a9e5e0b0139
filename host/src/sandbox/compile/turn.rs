//! Turns at compiling: of the hosts that share a folder of code, one compiles a component and the others wait for its code.
//! `code` takes the turns; `code_cache` has the code.

use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Maximum number of files that are opened for one turn. Each was removed by another host that had the turn before.
const MAX_FILES: u32 = 100;

/// The turn to compile a component for one kind of guest: a lock on a file, which the system releases with the process.
pub(crate) struct Turn {
    path: PathBuf,
    /// Closing it releases the lock. Children do not inherit it.
    _lock: fs::File,
}

impl Turn {
    /// Takes the turn with this file, unless somebody else has it.
    ///
    /// Fails if the file cannot be locked, as on some network file systems.
    pub(crate) fn take(path: &Path) -> io::Result<Option<Self>> {
        for _ in 0..MAX_FILES {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let lock = fs::File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&lock, path) => return Ok(Some(Self { path: path.to_owned(), _lock: lock })),
                Ok(()) => {} // its last holder has removed the file, so that others lock another one
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }
}

/// Removes the file while it is still locked.
impl Drop for Turn {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// Returns whether the path still names the file.
fn is_at(file: &fs::File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(found)) => (ours.dev(), ours.ino()) == (found.dev(), found.ino()),
        (_, Err(_)) | (Err(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let first = Turn::take(&path).unwrap();
        assert!(first.is_some());
        assert!(Turn::take(&path).unwrap().is_none());
        assert!(Turn::take(&folder.path().join("b.lock")).unwrap().is_some());
        drop(first);
        assert!(!path.exists());
        assert!(Turn::take(&path).unwrap().is_some());
    }

    #[test]
    fn file_of_a_killed_host_gives_the_turn_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        fs::write(&path, "").unwrap();
        assert!(Turn::take(&path).unwrap().is_some());
    }

    #[test]
    fn lock_on_a_removed_file_is_no_turn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let removed = fs::File::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&removed, &path));
        fs::write(&path, "").unwrap();
        assert!(!is_at(&removed, &path));
    }

    #[test]
    fn threads_take_turns_without_overlap() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.lock");
        let inside = std::sync::atomic::AtomicU32::new(0);
        let order = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut turns = 0;
                    while turns < 200 {
                        let Some(turn) = Turn::take(&path).unwrap() else { continue };
                        assert_eq!(inside.fetch_add(1, order), 0);
                        inside.fetch_sub(1, order);
                        drop(turn);
                        turns += 1;
                    }
                });
            }
        });
    }
}
