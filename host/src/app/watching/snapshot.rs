//! Stamps of files at one moment, and which of them differ at another.
//! `watch_list` decides which files, `settled` when to look.

use crate::model::Timestamp;
use std::collections::BTreeMap;
use std::fs;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What a file is to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A run reads it.
    Input,
    /// A manifest: with another build command, what is built may differ too.
    Manifest,
    /// A build command may read it.
    Source,
    /// A build command writes it, and a run reads it.
    Built,
}

/// A file at one moment: which one it is, how long, and when its content was written. Polling these needs no support of
/// the file system, sees files that are replaced by a rename, and does not see files that are only touched by a new link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: (u64, u64),
    len: u64,
    written: (i64, i64),
    /// Whether it is anything else than a file.
    is_other: bool,
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        let is_other = !found.is_file();
        // Of a folder or a device only the kind counts.
        let (len, written) =
            if is_other { (0, (0, 0)) } else { (found.len(), (found.mtime(), found.mtime_nsec())) };
        Self { file: (found.dev(), found.ino()), len, written, is_other }
    }
}

/// The stamps of files, by path. A file that is not there has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, (Role, Option<Stamp>)>);

impl Snapshot {
    /// Adds a file as it is now. A later role of the same file wins.
    pub(crate) fn add(&mut self, path: PathBuf, role: Role) {
        let stamp = fs::metadata(&path).ok().map(|found| Stamp::of(&found));
        self.0.insert(path, (role, stamp));
    }

    /// Returns the number of files.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the stamps of the files that both have as they were in `earlier`: what was written since is then a change.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        for (path, (_, stamp)) in &mut self.0 {
            if let Some((_, before)) = earlier.0.get(path) {
                *stamp = *before;
            }
        }
        self
    }

    /// Returns the files that differ, or that only one of the two has.
    pub(crate) fn differences<'s>(&'s self, now: &'s Self) -> Vec<(&'s Path, Role)> {
        let (before, now) = (&self.0, &now.0);
        let stamp_now = |path: &PathBuf| now.get(path).and_then(|(_, stamp)| *stamp);
        let changed = before.iter().filter(|(path, (_, stamp))| stamp_now(path) != *stamp);
        let added = now.iter().filter(|(path, (_, stamp))| !before.contains_key(*path) && stamp.is_some());
        changed.chain(added).map(|(path, (role, _))| (path.as_path(), *role)).collect()
    }

    /// Takes over the stamp of one file from another moment.
    pub(crate) fn accept(&mut self, path: &Path, from: &Self) {
        match from.0.get(path) {
            Some(found) => drop(self.0.insert(path.to_owned(), *found)),
            None => drop(self.0.remove(path)),
        }
    }
}

/// Returns when a file was last saved, renamed into its place included; none if it is not there.
pub(crate) fn saved(path: &Path) -> Option<Timestamp> {
    let found = fs::metadata(path).ok()?;
    let millis = found.ctime().checked_mul(1_000)?.checked_add(found.ctime_nsec() / 1_000_000)?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(folder: &Path, names: &[&str]) -> Snapshot {
        let mut snapshot = Snapshot::default();
        names.iter().for_each(|name| snapshot.add(folder.join(name), Role::Input));
        snapshot
    }

    fn names(differences: &[(&Path, Role)]) -> Vec<String> {
        differences.iter().map(|(path, _)| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn written_replaced_removed_and_new_files_differ() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        for name in ["same", "longer", "replaced", "removed"] {
            write(name, "text");
        }
        let all = ["same", "longer", "replaced", "removed", "missing"];
        let before = snapshot(folder.path(), &all);
        assert_eq!(before.differences(&snapshot(folder.path(), &all)), []);
        write("longer", "longer text");
        write("aside", "text");
        fs::rename(folder.path().join("aside"), folder.path().join("replaced")).unwrap();
        fs::remove_file(folder.path().join("removed")).unwrap();
        write("new", "text");
        let now = snapshot(folder.path(), &[&all[..], &["new"]].concat());
        assert_eq!(names(&before.differences(&now)), ["longer", "removed", "replaced", "new"]);
        assert_eq!(names(&now.clone().since(&before).differences(&now)), ["longer", "removed", "replaced"]);
        let mut accepted = before.clone();
        accepted.accept(&folder.path().join("longer"), &now);
        assert_eq!(names(&accepted.differences(&now)), ["removed", "replaced", "new"]);
    }

    #[test]
    fn a_new_link_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("one"), "text").unwrap();
        let before = snapshot(folder.path(), &["one"]);
        fs::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
        assert_eq!(before.differences(&snapshot(folder.path(), &["one"])), []);
    }
}
