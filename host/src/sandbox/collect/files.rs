//! Files in the working directory of a program that has ended: by path, and by pattern.
//! `value` makes values of them. The program chose their names and their number.

use crate::model::{Matcher, excerpt};
use crate::sandbox::collect::error::Uncollected;
use crate::sandbox::guest::{Deadline, LastLink, NodeId, NodeKind, SharedTree, Tree, WORK, is_fixed, walk};
use std::ops::Bound;

/// Maximum length of a path that is matched with a pattern, in bytes, as on Linux. Threat: a million folders in each other.
const MAX_PATH: usize = 4096;

/// Number of entries that are visited at once.
const BATCH: usize = 64;

/// Number of files that a message lists, and the maximum length of a name in it, in characters.
const MAX_LISTED: usize = 5;
const MAX_SHOWN: usize = 80;

/// Maximum number of files, folders and links that a message counts.
const MAX_COUNTED: usize = 1_000;

/// Returns the file at a path, or the error that there is none.
pub(crate) fn file_at(tree: &Tree, path: &str) -> Result<NodeId, Uncollected> {
    let found = walk(tree, WORK, path, LastLink::Followed).ok().and_then(|place| place.node);
    match found.and_then(|id| Some((id, &tree.node(id).ok()?.kind))) {
        Some((id, NodeKind::File(_))) => Ok(id),
        Some((_, NodeKind::Folder(..))) => {
            Err(Uncollected::error(format!("`{}` is a folder, and no file", shown(path))))
        }
        Some((_, NodeKind::Link(_) | NodeKind::Device(_))) => {
            Err(Uncollected::error(format!("`{}` is no file", shown(path))))
        }
        None => {
            let there = files_there(tree);
            Err(Uncollected::error(format!("the program left no file `{}`; {there}", shown(path))))
        }
    }
}

/// Returns the files whose paths match a pattern, sorted by path; none if their paths have more than `room` bytes.
pub(crate) async fn matching(
    disk: &SharedTree,
    pattern: &str,
    room: usize,
    deadline: Deadline,
) -> Result<Option<Vec<(String, NodeId)>>, Uncollected> {
    let written = pattern;
    let pattern = Matcher::new(written)
        .map_err(|error| Uncollected::input(format!("`{written}` is no pattern: {error}")))?;
    let (mut files, mut len, mut tour) = (Vec::new(), 0_usize, Tour::new(pattern.max_depth()));
    while !tour.has_ended() {
        // Threat: a million files and links. Other tasks run between the batches.
        deadline.check()?;
        tokio::task::yield_now().await;
        let tree = disk.lock();
        for _ in 0..BATCH {
            let Some(entry) = tour.next(&tree) else {
                break;
            };
            if tour.path.len() > MAX_PATH {
                let message = format!(
                    "the program left a path of more than {MAX_PATH} bytes, which `{written}` cannot match"
                );
                return Err(Uncollected::error(message));
            }
            if !pattern.matches(&tour.path) {
                continue;
            }
            let (file, is_slow) = match entry {
                Entry::File(id) => (Some(id), false),
                Entry::Link => (linked_file(&tree, &tour.path), true),
                Entry::Other => (None, false),
            };
            if let Some(file) = file {
                len = len.saturating_add(tour.path.len());
                files.push((tour.path.clone(), file));
            }
            if len > room {
                return Ok(None);
            }
            if is_slow {
                break;
            }
        }
    }
    files.sort();
    Ok(Some(files))
}

/// Returns a name that the program chose, for messages.
pub(crate) fn shown(name: &str) -> String {
    excerpt(name, MAX_SHOWN).escape_debug().to_string()
}

/// Lists some files that are there.
fn files_there(tree: &Tree) -> String {
    let (mut listed, mut count, mut visited, mut tour) = (Vec::new(), 0_usize, 0, Tour::new(usize::MAX));
    while visited < MAX_COUNTED
        && tour.path.len() <= MAX_PATH
        && let Some(entry) = tour.next(tree)
    {
        visited += 1;
        if matches!(entry, Entry::File(_)) {
            count += 1;
            if listed.len() < MAX_LISTED {
                listed.push(format!("`{}`", shown(&tour.path)));
            }
        }
    }
    if listed.is_empty() {
        return "its working directory has no files".to_owned();
    }
    let there = format!("its working directory has {}", listed.join(", "));
    match count.saturating_sub(listed.len()) {
        _ if !tour.has_ended() => format!("{there} and many more"),
        0 => there,
        more => format!("{there} and {more} more"),
    }
}

/// A visit to every entry of the working directory down to a depth, each folder's in order. Without recursion, because
/// the program chose the depth, and without a borrow of the disk, so that it can pause.
struct Tour {
    /// Path of the entry that was visited last.
    path: String,
    open: Vec<OpenFolder>,
    max_depth: usize,
}

/// A folder on the way to the entry that was visited last.
struct OpenFolder {
    id: NodeId,
    /// Length of its path.
    len: usize,
    /// Its entry that was visited last.
    last: Option<String>,
}

/// An entry of a folder.
enum Entry {
    File(NodeId),
    Link,
    Other,
}

impl Tour {
    fn new(max_depth: usize) -> Self {
        Self { path: String::new(), open: vec![OpenFolder { id: WORK, len: 0, last: None }], max_depth }
    }

    const fn has_ended(&self) -> bool {
        self.open.is_empty()
    }

    /// Visits the next entry.
    fn next(&mut self, tree: &Tree) -> Option<Entry> {
        loop {
            let folder = self.open.last_mut()?;
            self.path.truncate(folder.len);
            let after = folder.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
            let entries = tree.entries(folder.id).ok();
            let next = entries.and_then(|entries| entries.range::<str, _>((after, Bound::Unbounded)).next());
            let Some((name, id)) = next else {
                self.open.pop();
                continue;
            };
            folder.last = Some(name.clone());
            if is_fixed(folder.id, *id) {
                continue;
            }
            if folder.len > 0 {
                self.path.push('/');
            }
            self.path.push_str(name);
            return Some(match &tree.node(*id).ok()?.kind {
                NodeKind::File(_) => Entry::File(*id),
                NodeKind::Link(_) => Entry::Link,
                NodeKind::Device(_) => Entry::Other,
                NodeKind::Folder(..) => {
                    if self.open.len() < self.max_depth {
                        self.open.push(OpenFolder { id: *id, len: self.path.len(), last: None });
                    }
                    Entry::Other
                }
            });
        }
    }
}

/// Returns the file that a link leads to.
fn linked_file(tree: &Tree, path: &str) -> Option<NodeId> {
    let id = walk(tree, WORK, path, LastLink::Followed).ok()?.node?;
    matches!(tree.node(id).ok()?.kind, NodeKind::File(_)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, has_no_other_limits};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits").section("How a command counts").says(&format!("at most {MAX_PATH} bytes"));
        // What messages show is no limit of a program.
        has_no_other_limits(file!(), &["BATCH", "MAX_LISTED", "MAX_SHOWN", "MAX_COUNTED"]);
    }
}
