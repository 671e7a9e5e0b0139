//! Describes the `repeat` of a task, for the table of `plan`.
//! The layout of the table is in `plan_table`.

use crate::plan::Repeat;
use serde::Serialize;

/// The iterations of a task.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RepeatRow {
    /// The parameter that the output of an iteration is fed to.
    feed: String,
    /// The path to the `bool` that ends them.
    until: String,
    /// Their maximum number.
    max: u32,
}

impl RepeatRow {
    /// Describes the `repeat` of a task.
    pub(crate) fn new(repeat: &Repeat) -> Self {
        let until = repeat.until.to_string().trim_start_matches('.').to_owned();
        Self { feed: repeat.feed.clone(), until, max: repeat.max }
    }

    /// Formats `repeats with state until done, 100 times at most`.
    pub(crate) fn text(&self) -> String {
        let Self { feed, until, max } = self;
        format!("repeats with {feed} until {until}, {max} times at most")
    }
}
