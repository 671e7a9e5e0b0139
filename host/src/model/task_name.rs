//! The full name of a task: its own name, after those of the pipelines that it lies in, as in `clean/split`.
//! `name` has the grammar of one segment.

use crate::model::Name;
use crate::model::name::NameFault;
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// Names joined by `/`, of at most 255 bytes; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskName(Arc<str>);

/// The error of parsing a [`TaskName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskNameFault {
    /// A segment is no name.
    #[error(transparent)]
    Segment(#[from] NameFault),
    /// The text is too long.
    #[error("the full name of a task has at most {max} bytes, and `{0}` has {len}", max = TaskName::MAX_LEN, len = .0.len())]
    Long(String),
}

impl TaskName {
    /// Maximum length in bytes. Stored names have a length of one byte.
    pub(crate) const MAX_LEN: usize = 255;

    /// The character between two segments. No name contains it.
    pub(crate) const SEPARATOR: char = '/';

    /// Parses a full name.
    pub fn new(text: &str) -> Result<Self, TaskNameFault> {
        if text.len() > Self::MAX_LEN {
            return Err(TaskNameFault::Long(text.to_owned()));
        }
        text.split(Self::SEPARATOR).try_for_each(|segment| Name::new(segment).map(drop))?;
        Ok(Self(Arc::from(text)))
    }

    /// Returns the name of a task in the pipeline of this name.
    pub fn join(&self, name: &Name) -> Result<Self, TaskNameFault> {
        let text = format!("{}{}{name}", self.0, Self::SEPARATOR);
        if text.len() > Self::MAX_LEN {
            return Err(TaskNameFault::Long(text));
        }
        Ok(Self(Arc::from(text)))
    }

    /// Returns whether this is a task in the pipeline of this name, or in a pipeline in it.
    #[must_use]
    pub fn is_in(&self, pipeline: &str) -> bool {
        self.0.strip_prefix(pipeline).is_some_and(|rest| rest.starts_with(Self::SEPARATOR))
    }

    /// Returns the segments of the name.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split(Self::SEPARATOR)
    }

    /// Returns the name of a node of the task: its segments, with indexes behind some of them. It may be longer than names
    /// are.
    #[must_use]
    pub fn with_indexes(&self, indexes: &mut dyn Iterator<Item = (u8, u32)>) -> Self {
        let mut text = String::with_capacity(self.0.len() + 16);
        let mut indexes = indexes.peekable();
        for (before, segment) in (1_u8..).zip(self.segments()) {
            if before > 1 {
                text.push(Self::SEPARATOR);
            }
            text.push_str(segment);
            while let Some((_, index)) = indexes.next_if(|(after, _)| *after <= before) {
                text.push_str(&format!("[{index}]"));
            }
        }
        Self(text.into())
    }

    /// Returns the text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Name> for TaskName {
    fn from(name: Name) -> Self {
        Self(Arc::from(name.as_str()))
    }
}

impl fmt::Display for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for TaskName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Borrow<str> for TaskName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;

    #[test]
    fn full_names_are_names_joined_by_slashes() {
        for good in ["a", "clean/split", "a/b-1/c_2"] {
            assert_eq!(TaskName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "/", "a/", "/a", "a//b", "a/9", "a/b[1]", &format!("a/{}", "x".repeat(65))] {
            assert!(TaskName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn full_names_are_bounded() {
        let segment = Name::new(&"x".repeat(63)).unwrap();
        let mut name = TaskName::from(segment.clone());
        for _ in 0..3 {
            name = name.join(&segment).unwrap();
        }
        assert_eq!(name.as_str().len(), TaskName::MAX_LEN);
        assert!(matches!(name.join(&segment), Err(TaskNameFault::Long(_))));
        assert_eq!(TaskName::new(name.as_str()), Ok(name.clone()));
        assert!(TaskName::new(&format!("{name}x")).is_err());
    }

    #[test]
    fn tasks_are_in_all_pipelines_around_them() {
        let name = TaskName::new("a/b/c").unwrap();
        assert!(name.is_in("a") && name.is_in("a/b"));
        assert!(!name.is_in("a/b/c") && !name.is_in("b") && !name.is_in("a/bb"));
        assert!(!TaskName::new("ab/c").unwrap().is_in("a"));
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("manifest")
            .section("Pipelines as tasks")
            .says(&format!("at most {} bytes", TaskName::MAX_LEN));
    }
}
