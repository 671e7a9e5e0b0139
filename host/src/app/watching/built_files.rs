//! The files that build commands write beside their sources, so that a build does not start itself again and again.
//! A change of the same file by the user differs in its content.

use crate::app::watching::snapshot::{Role, Snapshot};
use crate::config::read_at_most;
use crate::model::{Digest, Size};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Number of builds in a row that may write a file with another content before its changes are ignored.
const MAX_BUILDS: u32 = 3;

/// Maximum size of a file whose content is compared. Larger ones are no sources.
const MAX_CONTENT: Size = Size::bytes(64 << 20);

/// What build commands have written.
#[derive(Debug, Default)]
pub(crate) struct BuiltFiles {
    /// By path: the last content that came during a build, and in how many builds in a row it was another one.
    seen: BTreeMap<PathBuf, (Option<Digest>, u32)>,
}

impl BuiltFiles {
    /// Accepts what a build has written into `base`, the state from before it. What is left is a change: a source that was
    /// saved during the build, or a file that this build has written for the first time. Another build tells which of the
    /// two it is, since it writes the same content again. Returns the files that are ignored from now on.
    pub(crate) fn accept(&mut self, base: &mut Snapshot, after: &Snapshot) -> Vec<PathBuf> {
        let differences: Vec<(PathBuf, Role)> =
            base.differences(after).into_iter().map(|(path, role)| (path.to_owned(), role)).collect();
        self.seen.retain(|path, _| differences.iter().any(|(changed, _)| changed == path));
        let mut unstable = Vec::new();
        for (path, role) in differences {
            match role {
                Role::Built => base.accept(&path, after),
                Role::Source => {
                    let content = content(&path);
                    let (known, builds) = self.seen.entry(path.clone()).or_insert((None, 0));
                    let is_same = *builds > 0 && *known == content;
                    *known = content;
                    *builds = if is_same { 1 } else { builds.saturating_add(1) };
                    if is_same {
                        base.accept(&path, after);
                    } else if *builds >= MAX_BUILDS {
                        base.accept(&path, after);
                        // Once is enough.
                        unstable.extend((*builds == MAX_BUILDS).then_some(path));
                    }
                }
                // These are no sources. A change of one starts a new run.
                Role::Input | Role::Manifest => {}
            }
        }
        unstable
    }
}

/// Returns the digest of a file's content; none if there is no such file.
fn content(path: &Path) -> Option<Digest> {
    read_at_most(path, MAX_CONTENT).ok().map(|bytes| Digest::of_bytes(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn snapshot(path: &Path) -> Snapshot {
        let mut snapshot = Snapshot::default();
        snapshot.add(path.to_owned(), Role::Source);
        snapshot
    }

    /// Writes these texts in builds that follow each other; returns for each whether another build is needed.
    fn builds(texts: &[&str]) -> Vec<bool> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bindings.rs");
        let mut built = BuiltFiles::default();
        let step = |(build, text): (usize, &&str)| {
            let mut base = snapshot(&path);
            // Replaced, so that the stamp differs also within one tick of the file system's clock.
            let aside = folder.path().join(format!("aside{build}"));
            fs::write(&aside, text).unwrap();
            fs::rename(aside, &path).unwrap();
            let after = snapshot(&path);
            built.accept(&mut base, &after);
            !base.differences(&after).is_empty()
        };
        texts.iter().enumerate().map(step).collect()
    }

    #[test]
    fn a_file_that_each_build_writes_alike_is_no_change() {
        assert_eq!(builds(&["a", "a", "a"]), [true, false, false]);
        assert_eq!(builds(&["a", "a", "b", "b"]), [true, false, true, false]);
    }

    #[test]
    fn a_file_that_each_build_writes_differently_is_ignored_in_the_end() {
        assert_eq!(builds(&["a", "b", "c", "d"]), [true, true, false, false]);
    }
}
