//! Positions of tasks in a plan, and the widening of `u32` to `usize`.
//! `plan` defines the order of tasks.

use std::fmt;

/// The position of a task in its plan. Equal plans give equal positions on every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// Widens an index. Lossless: every supported platform has at least 32-bit addresses.
#[must_use]
#[expect(
    clippy::as_conversions,
    reason = "lossless: the host needs a 64-bit platform for its pooled memories"
)]
pub const fn to_usize(number: u32) -> usize {
    number as usize
}
