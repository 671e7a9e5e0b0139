//! Waits until files have changed and are left alone again: what is saved together is one change.
//! The caller decides how to pause, and what to do about the change.

use crate::app::watching::WatchList;
use crate::app::watching::snapshot::{Role, Snapshot, saved};
use crate::model::{Clock as _, SystemClock, Timestamp};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// A pause is this many times as long as the look before it: many files must not keep a core busy.
const PATIENCE: u32 = 10;

/// Maximum pause between two looks.
const MAX_LOOK: Duration = Duration::from_secs(2);

/// Time without another change after which files count as saved.
const QUIET: Duration = Duration::from_millis(60);

/// Maximum time to wait for quiet: a file that is written on and on, such as a log, must not hide all changes.
const MAX_QUIET: Duration = Duration::from_secs(2);

/// Maximum time between saving a file and seeing it. An older time of the file system is that of another clock.
const MAX_AGE_MILLIS: i64 = 10_000;

/// Whether to look again after a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Look again.
    Over,
    /// Nobody waits for a change any more.
    Cancelled,
}

/// A change of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FilesChanged {
    /// The files.
    pub(crate) files: Vec<PathBuf>,
    /// When the last of them was saved.
    pub(crate) saved: Timestamp,
    /// Whether what build commands make may differ.
    pub(crate) needs_build: bool,
}

/// Waits until files differ from `base` and no more change. Returns none once `pause` says that nobody waits.
pub(crate) fn wait_for_change(
    list: &WatchList,
    base: &Snapshot,
    mut pause: impl FnMut(Duration) -> Pause,
) -> Option<FilesChanged> {
    loop {
        let start = Instant::now();
        let mut now = list.snapshot();
        let took = start.elapsed();
        if base.differences(&now).is_empty() {
            if pause((took * PATIENCE).clamp(LOOK, MAX_LOOK)) == Pause::Cancelled {
                return None;
            }
            continue;
        }
        let until = Instant::now() + MAX_QUIET;
        loop {
            if pause(QUIET.max(took)) == Pause::Cancelled {
                return None;
            }
            let next = list.snapshot();
            let is_quiet = now.differences(&next).is_empty();
            now = next;
            if is_quiet || Instant::now() >= until {
                break;
            }
        }
        // A file that was gone for a moment may be as before.
        let differences = base.differences(&now);
        if !differences.is_empty() {
            return Some(change(&differences));
        }
    }
}

fn change(differences: &[(&Path, Role)]) -> FilesChanged {
    let now = SystemClock.now();
    let is_recent =
        |saved: &Timestamp| *saved <= now && now.as_millis() - saved.as_millis() <= MAX_AGE_MILLIS;
    let last = differences.iter().filter_map(|(path, _)| saved(path)).filter(is_recent).max();
    FilesChanged {
        files: differences.iter().map(|(path, _)| (*path).to_owned()).collect(),
        saved: last.unwrap_or(now),
        needs_build: differences.iter().any(|(_, role)| match role {
            Role::Manifest | Role::Source | Role::Built => true,
            Role::Input => false,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// Waits for a change of one file, doing one step of `script` in each pause.
    fn changed(script: &[&dyn Fn(&Path)]) -> (Option<FilesChanged>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.toml");
        fs::write(&path, "before").unwrap();
        let list = WatchList::of_manifest(&path);
        let base = list.snapshot();
        let mut steps = script.iter();
        let mut pauses = 0;
        let change = wait_for_change(&list, &base, |_| {
            pauses += 1;
            match steps.next() {
                Some(step) => {
                    step(&path);
                    Pause::Over
                }
                None => Pause::Cancelled,
            }
        });
        (change, pauses)
    }

    fn write(text: &'static str) -> impl Fn(&Path) {
        move |path| fs::write(path, text).unwrap()
    }

    fn nothing(_: &Path) {}

    #[test]
    fn changes_that_follow_each_other_are_one() {
        let (change, pauses) =
            changed(&[&nothing, &write("a"), &write("ab"), &write("abc"), &nothing, &write("never")]);
        let change = change.unwrap();
        assert_eq!((pauses, change.files.len(), change.needs_build), (5, 1, true));
        assert!(change.saved <= SystemClock.now());
    }

    #[test]
    fn a_file_that_is_replaced_is_one_change() {
        let replace = |path: &Path| {
            fs::remove_file(path).unwrap();
        };
        let (change, _) = changed(&[&replace, &write("after"), &nothing, &nothing]);
        assert_eq!(change.unwrap().files.len(), 1);
        let moved = |path: &Path| fs::rename(path, path.with_extension("aside")).unwrap();
        let back = |path: &Path| fs::rename(path.with_extension("aside"), path).unwrap();
        assert_eq!(changed(&[&moved, &back, &nothing]).0, None, "it is as before");
    }
}
