//! Paths and patterns of files in the private working directory of a command, relative to it and normalised.
//! `sandbox` has the files; folders of the host are paths of the standard library.

use std::fmt;
use std::sync::Arc;

/// Maximum length of a path in bytes.
pub(crate) const MAX_PATH: usize = 1024;

/// Maximum length of a name in a path in bytes, as guests can write it.
pub(crate) const MAX_FILE_NAME: usize = 255;

/// A relative path without `.`, `..` and empty names; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilePath(Arc<str>);

/// A [`FilePath`] with wildcards: `*` and `?` within a name, and `**` for any number of folders.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FilePattern(Arc<str>);

/// The error of parsing a [`FilePath`] or a [`FilePattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilePathFault {
    /// The path names no file.
    #[error("a path of a file cannot be empty")]
    Empty,
    /// The path is absolute.
    #[error("a path is relative to the command's working directory, and does not start with `/`")]
    Absolute,
    /// The path leads out.
    #[error("a path cannot contain `..`")]
    Parent,
    /// The path ends in a slash.
    #[error("a path of a file cannot end in `/`")]
    Folder,
    /// The path contains a character that no file name has.
    #[error("a path cannot contain a NUL character")]
    Nul,
    /// The path is too long.
    #[error("a path has at most {MAX_PATH} bytes, and each name in it {MAX_FILE_NAME}")]
    Long,
    /// The pattern has brackets.
    #[error("a pattern has the wildcards `*`, `?` and `**`, and no brackets")]
    Bracket,
    /// `**` is a part of a name.
    #[error("`**` stands for folders, between slashes, as in `out/**/*.png`")]
    Folders,
}

impl FilePath {
    /// Parses and normalises a path.
    pub fn parse(text: &str) -> Result<Self, FilePathFault> {
        normalized(text).map(|path| Self(path.into()))
    }

    /// Returns the text of the path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the folders that the path leads through, the innermost first.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        std::iter::successors(parent(&self.0), |path| parent(path))
    }
}

impl FilePattern {
    /// Parses and normalises a pattern.
    pub fn parse(text: &str) -> Result<Self, FilePathFault> {
        if text.contains(['[', ']']) {
            return Err(FilePathFault::Bracket);
        }
        let pattern = normalized(text)?;
        if pattern.split('/').any(|name| name.contains("**") && name != "**") {
            return Err(FilePathFault::Folders);
        }
        Ok(Self(pattern.into()))
    }

    /// Returns the text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('/').map(|(folder, _)| folder)
}

fn normalized(text: &str) -> Result<String, FilePathFault> {
    if text.starts_with('/') {
        return Err(FilePathFault::Absolute);
    }
    if text.contains('\0') {
        return Err(FilePathFault::Nul);
    }
    let names: Vec<&str> = text.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    if names.is_empty() {
        return Err(FilePathFault::Empty);
    }
    if names.contains(&"..") {
        return Err(FilePathFault::Parent);
    }
    if text.ends_with('/') {
        return Err(FilePathFault::Folder);
    }
    if text.len() > MAX_PATH || names.iter().any(|name| name.len() > MAX_FILE_NAME) {
        return Err(FilePathFault::Long);
    }
    Ok(names.join("/"))
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Debug for FilePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised() {
        for (written, expected) in
            [("a", "a"), ("./a//b/./c", "a/b/c"), ("a b/ü.txt", "a b/ü.txt"), ("...", "...")]
        {
            assert_eq!(FilePath::parse(written).unwrap().as_str(), expected);
        }
        let long = FilePath::parse("a/b/c/d").unwrap();
        assert_eq!(long.folders().collect::<Vec<_>>(), ["a/b/c", "a/b", "a"]);
        assert_eq!(FilePath::parse("a").unwrap().folders().count(), 0);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let long = "a/".repeat(512) + "a";
        for (written, fault) in [
            ("", FilePathFault::Empty),
            ("./.", FilePathFault::Empty),
            ("/a", FilePathFault::Absolute),
            ("a/../b", FilePathFault::Parent),
            ("..", FilePathFault::Parent),
            ("a/", FilePathFault::Folder),
            ("a\0", FilePathFault::Nul),
            (&long, FilePathFault::Long),
            (&"a".repeat(256), FilePathFault::Long),
        ] {
            assert_eq!(FilePath::parse(written), Err(fault), "{written}");
        }
    }

    #[test]
    fn patterns_have_three_wildcards() {
        for written in ["*", "out/*.png", "out/**", "**/*.?", "a/**/b"] {
            assert_eq!(FilePattern::parse(written).unwrap().as_str(), written);
        }
        assert_eq!(FilePattern::parse("./out//*").unwrap().as_str(), "out/*");
        for (written, fault) in [
            ("a**", FilePathFault::Folders),
            ("***/a", FilePathFault::Folders),
            ("a[bc]", FilePathFault::Bracket),
            ("/*", FilePathFault::Absolute),
            ("../*", FilePathFault::Parent),
        ] {
            assert_eq!(FilePattern::parse(written), Err(fault), "{written}");
        }
    }
}
