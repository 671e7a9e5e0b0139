//! Positions of tasks in a plan, and the one widening that the standard library does not offer.
//! What stands at a position is the plan's business.

use std::fmt;

/// The position of a task in its plan; equal plans give equal positions on every host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskIdx(u32);

impl TaskIdx {
    /// The task at `position`.
    #[must_use]
    pub const fn new(position: u32) -> Self {
        Self(position)
    }

    /// The position.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The position, as an index into a slice.
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

/// Widens an index; every platform that this host runs on has at least 32 bits of address.
#[must_use]
#[expect(
    clippy::as_conversions,
    reason = "lossless: the host needs a 64-bit platform for its pooled memories"
)]
pub const fn to_usize(number: u32) -> usize {
    number as usize
}
