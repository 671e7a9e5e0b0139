//! The full name of a task: its own name, after those of the pipelines that it lies in, as in `clean/split`.
//! `name` has the grammar of one segment.

use crate::model::name::NameFault;
use crate::model::{IndexPath, Name};
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

    /// Maximum length of the name of a node in bytes: of a full name with as many indexes as there may be.
    const MAX_NODE_LEN: usize = Self::MAX_LEN + IndexPath::MAX_LEN * "[4294967295]".len();

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

    /// Parses the name of a node: a full name with indexes behind some of its segments. None for any other text.
    #[must_use]
    pub fn of_node(text: &str) -> Option<Self> {
        let is_name = |part: &str| {
            let (segment, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
            Name::new(segment).is_ok() && are_indexes(indexes)
        };
        let is_short = text.len() <= Self::MAX_NODE_LEN;
        (is_short && text.split(Self::SEPARATOR).all(is_name)).then(|| Self(Arc::from(text)))
    }

    /// Returns whether the name has indexes, which only names of nodes have.
    #[must_use]
    pub fn has_indexes(&self) -> bool {
        self.0.contains('[')
    }

    /// Returns the indexes in the name of a node, outermost first.
    pub fn indexes(&self) -> impl Iterator<Item = u32> {
        self.0.split('[').skip(1).filter_map(|part| part.split_once(']')?.0.parse().ok())
    }

    /// Returns the name of the task of a node.
    #[must_use]
    pub fn without_indexes(&self) -> Self {
        if !self.has_indexes() {
            return self.clone();
        }
        let parts = self.segments().map(|part| part.find('[').and_then(|at| part.get(..at)).unwrap_or(part));
        Self(parts.collect::<Vec<_>>().join("/").into())
    }

    /// Returns the text of the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns whether a text is indexes in brackets, such as `[3][7]`, or empty.
fn are_indexes(mut text: &str) -> bool {
    while let Some((index, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        if index.is_empty() || !index.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        text = rest;
    }
    text.is_empty()
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
    fn names_of_nodes_are_those_of_tasks_with_indexes() {
        for (good, task) in [("a", "a"), ("clean[3]/count", "clean/count"), ("a[0]/b/c[1][22]", "a/b/c")] {
            let name = TaskName::of_node(good).unwrap();
            assert_eq!((name.as_str(), name.without_indexes().as_str()), (good, task));
            assert_eq!(name.has_indexes(), good != task);
            assert_eq!(name.indexes().count(), good.matches('[').count());
        }
        let long = format!("{}[1]", "x".repeat(64));
        for bad in
            ["", "a[", "a[]", "a[x]", "a[1", "a]", "a[1]b", "[1]", "a[1]/", "a[-1]", "a[1]]", &long[..66]]
        {
            assert_eq!(TaskName::of_node(bad), None, "{bad}");
        }
        assert!(TaskName::of_node(&long).is_some());
        assert_eq!(TaskName::of_node(&format!("a{}", "[1]".repeat(400))), None);
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
