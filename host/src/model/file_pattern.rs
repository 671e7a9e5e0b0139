//! Patterns of files: which paths match, and where the files lie that a run reads by a pattern.
//! `sandbox` walks the private folders of commands, and `app` those of the host.

use crate::model::file_path::{FilePathFault, FilePattern, MAX_PATH};
use glob::{MatchOptions, Pattern, PatternError};
use std::fmt;
use std::sync::Arc;

/// Rules of patterns: `*` and `?` stay within a name.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Wildcard for any number of folders.
const FOLDERS: &str = "**";

/// A pattern, ready to be compared with paths.
pub(crate) struct Matcher {
    whole: Pattern,
    /// Patterns of the names up to the first `**`.
    names: Vec<Pattern>,
    has_folders: bool,
}

impl Matcher {
    /// Prepares a pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, PatternError> {
        let pattern = pattern.trim_start_matches("./");
        let names = pattern.split('/').take_while(|name| *name != FOLDERS).map(Pattern::new);
        Ok(Self {
            whole: Pattern::new(pattern)?,
            names: names.collect::<Result<_, _>>()?,
            has_folders: pattern.split('/').any(|name| name == FOLDERS),
        })
    }

    /// Returns whether a path matches, without a folder in front of it.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.whole.matches_with(path, OPTIONS)
    }

    /// Returns whether the pattern has `**`, so that it leads through folders of any depth.
    pub(crate) const fn has_folders(&self) -> bool {
        self.has_folders
    }

    /// Returns the maximum number of names in a path that matches.
    pub(crate) const fn max_depth(&self) -> usize {
        if self.has_folders { usize::MAX } else { self.names.len() }
    }

    /// Returns whether the pattern gives the name of a folder at this depth, the outermost being 0.
    pub(crate) const fn has_name(&self, depth: usize) -> bool {
        depth < self.names.len()
    }

    /// Returns whether paths may match that lie in a folder of this name, at this depth.
    pub(crate) fn may_lie_in(&self, name: &str, depth: usize) -> bool {
        match self.names.get(depth) {
            Some(pattern) => {
                depth.saturating_add(1) < self.max_depth() && pattern.matches_with(name, OPTIONS)
            }
            None => self.has_folders,
        }
    }
}

/// A pattern of files that a run reads: a [`FilePattern`] below a folder, which may lead out of the manifest's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InputPattern {
    /// Names of folders without wildcards, each with a slash behind it; empty for the manifest's folder.
    folder: Arc<str>,
    pattern: FilePattern,
}

impl InputPattern {
    /// Parses and normalises a pattern. `..` and a leading slash are allowed before the first wildcard.
    pub fn parse(text: &str) -> Result<Self, FilePathFault> {
        if text.contains(['[', ']']) {
            return Err(FilePathFault::Bracket);
        }
        if text.len() > MAX_PATH {
            return Err(FilePathFault::Long);
        }
        let mut rest = text.trim_start_matches('/');
        let mut folder = if rest.len() < text.len() { "/".to_owned() } else { String::new() };
        while let Some((name, after)) = rest.split_once('/').filter(|(name, _)| !name.contains(['*', '?'])) {
            if !matches!(name, "" | ".") {
                folder.push_str(name);
                folder.push('/');
            }
            rest = after;
        }
        let pattern = match FilePattern::parse(rest) {
            Err(FilePathFault::Empty) if text.ends_with('/') => Err(FilePathFault::Folder),
            parsed => parsed,
        };
        Ok(Self { folder: folder.into(), pattern: pattern? })
    }

    /// Returns the folder below which the files lie: relative to the manifest's, and empty for that one.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Returns the pattern of paths in that folder.
    #[must_use]
    pub const fn pattern(&self) -> &FilePattern {
        &self.pattern
    }
}

impl fmt::Display for InputPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.folder, self.pattern.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_names_but_for_folders() {
        let matches = |pattern: &str, path: &str| Matcher::new(pattern).unwrap().matches(path);
        for (pattern, path) in [
            ("*.csv", "a.csv"),
            ("a/?.b", "a/x.b"),
            ("**/x", "x"),
            ("**/x", "a/b/x"),
            ("a/**", "a/b/c"),
            ("*", ".a"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("*.csv", "a/b.csv"), ("*.csv", "a.CSV"), ("a/?", "a/xy"), ("**/x", "a/xx")] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn only_folders_that_may_hold_matches_are_entered() {
        let enters =
            |pattern: &str, name: &str, depth| Matcher::new(pattern).unwrap().may_lie_in(name, depth);
        assert!(enters("a*/b/*.c", "ab", 0) && enters("a*/b/*.c", "b", 1));
        assert!(!enters("a*/b/*.c", "b", 0) && !enters("a*/b/*.c", "x.c", 2) && !enters("*", "a", 0));
        assert!(enters("a/**/b", "a", 0) && enters("a/**/b", "x", 1) && enters("a/**/b", "y", 7));
        assert!(!enters("a/**/b", "b", 0));
    }

    #[test]
    fn patterns_of_inputs_have_a_folder_that_may_lead_out() {
        for (written, folder, pattern) in [
            ("*.csv", "", "*.csv"),
            ("./data//a?/x", "data/", "a?/x"),
            ("../shared/**/*.md", "../shared/", "**/*.md"),
            ("/srv/data/*", "/srv/data/", "*"),
            ("/*", "/", "*"),
            ("a/b.txt", "a/", "b.txt"),
        ] {
            let parsed = InputPattern::parse(written).unwrap();
            assert_eq!((parsed.folder(), parsed.pattern().as_str()), (folder, pattern), "{written}");
        }
        for (written, fault) in [
            ("*/../a", FilePathFault::Parent),
            ("a/..", FilePathFault::Parent),
            ("a/", FilePathFault::Folder),
            ("a[1]/*", FilePathFault::Bracket),
            ("a**", FilePathFault::Folders),
            ("/", FilePathFault::Folder),
            (&"a/".repeat(600), FilePathFault::Long),
        ] {
            assert_eq!(InputPattern::parse(written), Err(fault), "{written}");
        }
    }
}
