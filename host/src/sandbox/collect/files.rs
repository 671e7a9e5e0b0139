//! Files in the working directory of a program that has ended: by path, and by pattern.
//! `value` makes values of them. The program chose their names and their number.

use crate::model::excerpt;
use crate::sandbox::collect::error::Uncollected;
use crate::sandbox::guest::{Deadline, LastLink, NodeId, NodeKind, TimedOut, Tree, WORK, is_fixed, walk};
use glob::{MatchOptions, Pattern};
use std::ops::ControlFlow;

/// Maximum length of a path that is matched with a pattern, in bytes, as on Linux. Threat: a million folders in each other.
const MAX_PATH: usize = 4096;

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
pub(crate) fn matching(
    tree: &Tree,
    pattern: &str,
    room: usize,
    deadline: Deadline,
) -> Result<Option<Vec<(String, NodeId)>>, Uncollected> {
    let written = pattern;
    let pattern = Pattern::new(written.trim_start_matches("./"))
        .map_err(|error| Uncollected::input(format!("`{written}` is no pattern: {error}")))?;
    let options = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: false,
    };
    let max_depth = if written.contains("**") { usize::MAX } else { pattern.as_str().split('/').count() };
    let (mut files, mut len, mut is_too_long) = (Vec::new(), 0_usize, false);
    visit(tree, max_depth, |path, node| {
        deadline.check()?;
        is_too_long |= path.len() > MAX_PATH;
        if let Some(file) = node
            && pattern.matches_with(path, options)
        {
            len = len.saturating_add(path.len());
            files.push((path.to_owned(), file));
        }
        Ok(if is_too_long || len > room { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    if is_too_long {
        let message =
            format!("the program left a path of more than {MAX_PATH} bytes, which `{written}` cannot match");
        return Err(Uncollected::error(message));
    }
    files.sort();
    Ok((len <= room).then_some(files))
}

/// Returns a name that the program chose, for messages.
pub(crate) fn shown(name: &str) -> String {
    excerpt(name, MAX_SHOWN).escape_debug().to_string()
}

/// Lists some files that are there.
fn files_there(tree: &Tree) -> String {
    let (mut listed, mut count, mut visited) = (Vec::new(), 0_usize, 0_usize);
    let ended = visit(tree, usize::MAX, |path, node| {
        visited += 1;
        if node.is_some() {
            count += 1;
            if listed.len() < MAX_LISTED {
                listed.push(format!("`{}`", shown(path)));
            }
        }
        let is_enough = visited >= MAX_COUNTED || path.len() > MAX_PATH;
        Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    });
    // Nothing here fails; a message does without the list rather than fail too.
    if ended.is_err() || listed.is_empty() {
        return "its working directory has no files".to_owned();
    }
    let more = count.saturating_sub(listed.len());
    let mut text = format!("its working directory has {}", listed.join(", "));
    match (more, visited >= MAX_COUNTED) {
        (0, _) => {}
        (_, true) => text += " and many more",
        (more, false) => text += &format!(" and {more} more"),
    }
    text
}

/// Visits the entries of the working directory to a depth, each folder's in order: with the file, unless it is a folder or
/// leads to none. Without recursion, because the program chose the depth.
fn visit(
    tree: &Tree,
    max_depth: usize,
    mut each: impl FnMut(&str, Option<NodeId>) -> Result<ControlFlow<()>, TimedOut>,
) -> Result<(), TimedOut> {
    let mut path = String::new();
    let Ok(entries) = tree.entries(WORK) else {
        return Ok(());
    };
    let mut open = vec![(WORK, entries.iter(), 0)];
    let mut depth = 1;
    while let Some((folder, entries, len)) = open.last_mut() {
        path.truncate(*len);
        let Some((name, id)) = entries.next() else {
            open.pop();
            depth -= 1;
            continue;
        };
        if is_fixed(*folder, *id) {
            continue;
        }
        if *len > 0 {
            path.push('/');
        }
        path.push_str(name);
        let kind = tree.node(*id).ok().map(|node| &node.kind);
        let file = match kind {
            Some(NodeKind::File(_)) => Some(*id),
            Some(NodeKind::Link(_)) => linked_file(tree, &path),
            Some(NodeKind::Folder(..) | NodeKind::Device(_)) | None => None,
        };
        if each(&path, file)?.is_break() {
            return Ok(());
        }
        if let Some(NodeKind::Folder(entries, _)) = kind
            && depth < max_depth
        {
            open.push((*id, entries.iter(), path.len()));
            depth += 1;
        }
    }
    Ok(())
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
        has_no_other_limits(file!(), &["MAX_LISTED", "MAX_SHOWN", "MAX_COUNTED"]);
    }
}
