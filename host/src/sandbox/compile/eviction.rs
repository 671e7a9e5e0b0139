//! Eviction from the folder of compiled code and fetched components, least recently used first.
//! `code_cache` and `kept_components` read and write the files. Processes need no coordination: a process that misses a file compiles or
//! fetches again, and a process that has mapped a file keeps its copy.

use crate::model::Clock;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Maximum size of all cached code and components, in bytes: a hundred interpreters, or thousands of small components.
const MAX_CACHE_BYTES: u64 = 4 << 30;

/// Age in seconds after which an unfinished file belongs to a process that was killed.
const ABANDONED: i64 = 24 * 60 * 60;

/// A file of the folder, with its size and last use.
struct CachedFile {
    used: i64,
    bytes: u64,
    path: PathBuf,
}

/// The extensions of what is evicted. A seal goes with its code.
const EVICTED: [&str; 3] = ["code", "wasm", "note"];

/// Removes abandoned drafts and locks, then the least recently used files until the rest fits the bound.
pub(crate) fn prune(folder: &Path, clock: &dyn Clock) -> io::Result<()> {
    prune_to(folder, clock, MAX_CACHE_BYTES)
}

fn prune_to(folder: &Path, clock: &dyn Clock, max_bytes: u64) -> io::Result<()> {
    let now = clock.now().as_millis() / 1000;
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // Another process may evict at the same time.
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let found = CachedFile { used: metadata.mtime(), bytes: metadata.len(), path };
        if is_unfinished(&found.path) {
            if found.used.saturating_add(ABANDONED) < now {
                remove(&found.path)?;
            }
        } else if is_evicted(&found.path) {
            kept.push(found);
        }
    }
    let mut bytes: u64 = kept.iter().map(|found| found.bytes).sum();
    kept.sort_by_key(|found| found.used);
    for found in kept {
        if bytes <= max_bytes {
            break;
        }
        // The seal goes first: code without a seal is never used.
        remove(&found.path.with_extension("seal"))?;
        remove(&found.path)?;
        bytes = bytes.saturating_sub(found.bytes);
    }
    Ok(())
}

fn is_evicted(path: &Path) -> bool {
    path.extension().is_some_and(|extension| EVICTED.iter().any(|evicted| extension == *evicted))
}

/// Returns whether the name is one that `tempfile` generates, or that of a turn at compiling.
fn is_unfinished(path: &Path) -> bool {
    let is_draft = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".tmp"));
    is_draft || path.extension().is_some_and(|extension| extension == "lock")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()), // another process removed it first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};
    use crate::model::ManualClock;
    use rustix::fs::{Timespec, Timestamps};

    fn file(folder: &Path, name: &str, used: i64) {
        fs::write(folder.join(name), [0; 100]).unwrap();
        let time = Timespec { tv_sec: used, tv_nsec: 0 };
        let times = Timestamps { last_access: time, last_modification: time };
        rustix::fs::futimens(fs::File::open(folder.join(name)).unwrap(), &times).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn least_recently_used_code_is_evicted_and_drafts_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        clock.set(1_000_000_000);
        for (name, used) in [
            ("a.code", 30),
            ("a.seal", 30),
            ("b.code", 10),
            ("b.seal", 10),
            ("c.code", 20),
            ("d.wasm", 15),
            ("e.note", 5),
            ("secret", 0),
            (".tmpOld", 900_000),
            (".tmpNew", 999_999_999),
            ("old.lock", 900_000),
            ("new.lock", 999_999_999),
        ] {
            file(folder.path(), name, used);
        }
        prune_to(folder.path(), &clock, 400).unwrap();
        assert_eq!(
            names(folder.path()),
            [".tmpNew", "a.code", "a.seal", "b.code", "b.seal", "c.code", "d.wasm", "new.lock", "secret"]
        );
        prune_to(folder.path(), &clock, 200).unwrap();
        assert_eq!(names(folder.path()), [".tmpNew", "a.code", "a.seal", "c.code", "new.lock", "secret"]);
        prune_to(folder.path(), &clock, 0).unwrap();
        assert_eq!(names(folder.path()), [".tmpNew", "new.lock", "secret"]);
    }

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits")
            .section("Limits of a host")
            .line("folder of compiled code")
            .cell(1)
            .says(&size(MAX_CACHE_BYTES));
    }
}
