//! Positions: of tasks in a plan, and of elements under the tasks around them; and the widening of `u32` to `usize`.
//! `plan` defines the order of tasks, and the lists that elements come from.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// The position of a task in its plan. Equal plans give equal positions on every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskIdx(u32);

impl TaskIdx {
    /// Creates the index of the task at `position`.
    #[must_use]
    pub const fn new(position: u32) -> Self {
        Self(position)
    }

    /// Returns the position.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the position as an index into a slice.
    #[must_use]
    pub const fn index(self) -> usize {
        to_usize(self.0)
    }
}

impl fmt::Display for TaskIdx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// The indexes of an element, outermost first: `[3, 7]` is the element 7 within the element 3. Empty for a task itself.
#[derive(Clone, Copy)]
pub struct IndexPath {
    len: u8,
    indexes: [u32; Self::MAX_LEN],
}

impl IndexPath {
    /// Maximum number of indexes: how deep lists nest within lists.
    pub const MAX_LEN: usize = 15;

    /// Returns the path of a task itself.
    #[must_use]
    pub const fn root() -> Self {
        Self { len: 0, indexes: [0; Self::MAX_LEN] }
    }

    /// Creates a path; none if it is too long.
    #[must_use]
    pub fn new(indexes: &[u32]) -> Option<Self> {
        let mut path = Self::root();
        path.len = u8::try_from(indexes.len()).ok()?;
        path.indexes.get_mut(..indexes.len())?.copy_from_slice(indexes);
        Some(path)
    }

    /// Returns the indexes.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        self.indexes.get(..self.level()).unwrap_or_default()
    }

    /// Returns the number of indexes: 0 for a task, 1 for its elements, 2 for elements of elements.
    #[must_use]
    pub fn level(&self) -> usize {
        usize::from(self.len)
    }

    /// Returns the last index; none for a task itself.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        self.as_slice().last().copied()
    }

    /// Returns the path of an element under this one. A path of maximum length stays as it is; `plan` refuses such nesting.
    #[must_use]
    pub fn child(mut self, index: u32) -> Self {
        if let Some(slot) = self.indexes.get_mut(usize::from(self.len)) {
            *slot = index;
            self.len += 1;
        }
        self
    }

    /// Returns the path around this one, and the last index; none for a task itself.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, u32)> {
        let (last, front) = self.as_slice().split_last()?;
        Some((Self::new(front)?, *last))
    }

    /// Returns the first `level` indexes; all if there are fewer.
    #[must_use]
    pub fn prefix(&self, level: usize) -> Self {
        self.as_slice().get(..level).and_then(Self::new).unwrap_or(*self)
    }
}

impl Default for IndexPath {
    fn default() -> Self {
        Self::root()
    }
}

impl PartialEq for IndexPath {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for IndexPath {}

impl Hash for IndexPath {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().iter().for_each(|index| state.write_u32(*index));
    }
}

impl PartialOrd for IndexPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IndexPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

/// `[3][7]`; empty for a task itself.
impl fmt::Display for IndexPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|index| write!(f, "[{index}]"))
    }
}

impl fmt::Debug for IndexPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// Widens an index. Lossless: every supported platform has at least 32-bit addresses.
#[must_use]
#[expect(
    clippy::as_conversions,
    reason = "lossless: the host needs a 64-bit platform for its pooled memories"
)]
pub const fn to_usize(number: u32) -> usize {
    number as usize
}
