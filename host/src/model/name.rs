//! The names that a manifest gives to tasks, components, params, outputs and resources.
//! `graph` resolves what a name refers to.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The name before the dot of a call of a built-in task. No component has it.
pub const STD: &str = "std";

/// A name that matches `[A-Za-z][A-Za-z0-9_-]{0,63}`; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

/// The error of parsing a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// The text is empty.
    #[error("a name cannot be empty")]
    Empty,
    /// The text does not begin with an ASCII letter.
    #[error("a name begins with a letter, not with `{0}`")]
    Start(char),
    /// The text contains a character that names do not allow.
    #[error("a name has letters, digits, `_` and `-` only, not `{0}`")]
    Char(char),
    /// The text has more than 64 characters.
    #[error("a name has at most 64 characters, this one has {0}")]
    Long(usize),
}

impl Name {
    /// Maximum length in bytes.
    pub(crate) const MAX_LEN: usize = 64;

    /// Parses a name.
    pub fn new(text: &str) -> Result<Self, NameFault> {
        let first = text.chars().next().ok_or(NameFault::Empty)?;
        if !first.is_ascii_alphabetic() {
            return Err(NameFault::Start(first));
        }
        if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')) {
            return Err(NameFault::Char(bad));
        }
        if text.len() > Self::MAX_LEN {
            return Err(NameFault::Long(text.len()));
        }
        Ok(Self(Arc::from(text)))
    }

    /// Returns a name for a component from its file name without `.wasm`: `x-0.1.0` becomes `x-0-1-0`.
    #[must_use]
    pub fn for_file(stem: &str) -> Self {
        let stem = stem.strip_suffix(".component").unwrap_or(stem);
        if let Ok(name) = Self::new(stem) {
            return name;
        }
        let is_illegal = |c: char| !c.is_ascii_alphanumeric() && c != '_';
        let words: Vec<&str> = stem.split(is_illegal).filter(|word| !word.is_empty()).collect();
        let mut text = words.join("-");
        match text.chars().next() {
            None => text.push_str("component"),
            Some(first) if first.is_ascii_alphabetic() => {}
            Some(_) => text.insert_str(0, "c-"),
        }
        text.truncate(Self::MAX_LEN);
        Self(Arc::from(text))
    }

    /// Returns the text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn names_follow_the_grammar() {
        for good in ["a", "A9", "split-words_2", &"x".repeat(64)] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "9a", "-a", "a.b", "a b", "ä", &"x".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn any_file_name_gives_a_name() {
        for (stem, name) in [
            ("words", "words"),
            ("a", "a"),
            ("kit.component", "kit"),
            ("x-0.1.0", "x-0-1-0"),
            ("my_task", "my_task"),
            ("9lives", "c-9lives"),
            ("a--b-", "a--b-"),
            ("über maß", "ber-ma"),
            ("", "component"),
            (".component", "component"),
            ("äöü", "component"),
            ("a -- b.", "a-b"),
            ("-x", "x"),
            ("_x", "c-_x"),
        ] {
            assert_eq!(Name::for_file(stem).as_str(), name, "{stem}");
            assert!(Name::new(name).is_ok(), "{name}");
        }
        assert_eq!(Name::for_file(&"9".repeat(100)).as_str().len(), Name::MAX_LEN);
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("manifest").section("The file").line("names").says(&format!("{{0,{}}}", Name::MAX_LEN - 1));
    }
}
