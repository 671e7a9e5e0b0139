//! Finds the files of this host that match a pattern of the manifest.
//! `inputs` reads them.

use crate::model::{InputPattern, Matcher};
use std::fs;
use std::fs::{DirEntry, FileType};
use std::io;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Maximum number of files of one pattern. Threat: a pattern that matches a whole disk.
const MAX_FILES: usize = 1_000_000;

/// Maximum number of misfits that are reported for one pattern.
const MAX_MISFITS: usize = 5;

/// The reason why the files of a pattern cannot be listed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unlisted {
    /// Nothing matches.
    #[error("no file matches")]
    None,
    /// A folder cannot be read.
    #[error("the folder `{}` cannot be read", .0.display())]
    Folder(PathBuf, #[source] io::Error),
    /// These match and are no files, or have no name that a guest can be given. Each is described.
    #[error("{}", .0.join("; "))]
    Misfits(Vec<String>),
    /// Too many files match.
    #[error("more than {MAX_FILES} files match")]
    TooMany,
}

/// Returns the names of the files that match, relative to `folder`, the manifest's, and sorted.
pub(crate) fn matching_files(folder: &Path, pattern: &InputPattern) -> Result<Vec<String>, Unlisted> {
    // Cannot fail: the pattern was parsed, and glob refuses only what that refuses too.
    let Ok(matcher) = Matcher::new(pattern.pattern().as_str()) else { return Err(Unlisted::None) };
    let prefix = pattern.folder();
    let mut walk = Walk { matcher, prefix, names: Vec::new(), misfits: Vec::new(), open: Vec::new() };
    let top = match (pattern.folder(), folder.as_os_str().is_empty()) {
        ("", true) => PathBuf::from("."),
        (below, _) => folder.join(below),
    };
    walk.open.push(Folder { path: top, name: String::new(), depth: 0, is_text: true });
    while let Some(folder) = walk.open.pop() {
        match walk.visit(&folder) {
            Ok(()) => {}
            // Without the folder of the pattern there is no file either. Others may be removed meanwhile.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(Unlisted::Folder(folder.path, error)),
        }
        if walk.names.len() > MAX_FILES {
            return Err(Unlisted::TooMany);
        }
        if walk.misfits.len() >= MAX_MISFITS {
            break;
        }
    }
    let Walk { mut names, mut misfits, .. } = walk;
    if !misfits.is_empty() {
        misfits.sort_unstable();
        return Err(Unlisted::Misfits(misfits));
    }
    if names.is_empty() {
        return Err(Unlisted::None);
    }
    names.sort_unstable();
    names.iter_mut().for_each(|name| name.insert_str(0, prefix));
    Ok(names)
}

/// A walk through the folders that may hold matching files.
struct Walk<'p> {
    matcher: Matcher,
    /// The pattern's folder as names have it in front.
    prefix: &'p str,
    /// Paths of the files below the pattern's folder.
    names: Vec<String>,
    misfits: Vec<String>,
    open: Vec<Folder>,
}

/// A folder to be visited.
struct Folder {
    path: PathBuf,
    /// Its path below the pattern's folder, with a slash behind it.
    name: String,
    depth: usize,
    /// Whether that path is exact: names that are not UTF-8 are compared as well as possible.
    is_text: bool,
}

impl Walk<'_> {
    fn visit(&mut self, folder: &Folder) -> io::Result<()> {
        for entry in fs::read_dir(&folder.path)? {
            self.entry(folder, &entry?)?;
            if self.names.len() > MAX_FILES || self.misfits.len() >= MAX_MISFITS {
                break;
            }
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Folder, entry: &DirEntry) -> io::Result<()> {
        let own = entry.file_name();
        let shown = own.to_string_lossy();
        let is_text = folder.is_text && own.to_str().is_some();
        let name = format!("{}{shown}", folder.name);
        let is_match = self.matcher.matches(&name);
        let is_entered = self.matcher.may_lie_in(&shown, folder.depth);
        if !is_match && !is_entered {
            return Ok(());
        }
        let written = entry.file_type()?;
        // A link is what it leads to, as for `{ file = … }`.
        let kind = if written.is_symlink() { linked(&entry.path()) } else { Some(written) };
        let is_folder = kind.is_some_and(|kind| kind.is_dir());
        // Behind `**` a link may lead to a folder around itself.
        let is_followed = !written.is_symlink() || self.matcher.has_name(folder.depth);
        if is_folder && is_entered && is_followed {
            let (path, name) = (entry.path(), format!("{name}/"));
            self.open.push(Folder { path, name, depth: folder.depth.saturating_add(1), is_text });
        }
        if !is_match {
            return Ok(());
        }
        let misfit = match kind {
            Some(kind) if kind.is_file() && is_text => {
                self.names.push(name);
                return Ok(());
            }
            // `**` leads through folders and takes what is in them.
            Some(kind) if kind.is_dir() && self.matcher.has_folders() => return Ok(()),
            Some(kind) if kind.is_file() => "has a name that is not UTF-8",
            Some(kind) if kind.is_dir() => "is a folder",
            Some(_) => "is no regular file",
            None => "is a link that leads nowhere",
        };
        self.misfits.push(format!("`{}{}` {misfit}", self.prefix, name.escape_debug()));
        Ok(())
    }
}

/// Returns what a link leads to.
fn linked(path: &Path) -> Option<FileType> {
    fs::metadata(path).ok().map(|found| found.file_type())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count, has_no_other_limits};

    #[test]
    fn manual_states_the_bounds_of_this_file() {
        let files = count(MAX_FILES);
        Page::of("limits")
            .section("Limits of a host")
            .line("files of one `{ files = … }`; together")
            .cell(1)
            .says(&files);
        Page::of("manifest").section("files").says(&files);
        has_no_other_limits(file!(), &["MAX_MISFITS"]);
    }
}
