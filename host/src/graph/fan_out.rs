//! What runs once per element, and how its elements flow from those of others.
//! `flows` finds the flows.

use crate::model::TaskIdx;

/// What runs once per element of lists: a task, or a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FanOut {
    /// A task.
    Task(TaskIdx),
    /// A pipeline, by position.
    Pipeline(usize),
}

/// How a `for-each` flows from others. All that flow from one another have the same elements, those of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The start, whose own lists say how many elements there are.
    pub root: FanOut,
    /// Per item, in order: whose element the item is; none for an element of the root's own list.
    pub sources: Vec<Option<FanOut>>,
}

impl Flow {
    /// Returns what the elements of the items belong to, without duplicates.
    #[must_use]
    pub fn distinct_sources(&self) -> Vec<FanOut> {
        let mut sources: Vec<FanOut> = self.sources.iter().flatten().copied().collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    }
}
