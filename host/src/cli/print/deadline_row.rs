//! The rows of `show` for deadlines whose clocks run.
//! `show_table` has the rest.

use crate::model::show_duration;
use serde::Serialize;
use std::time::Duration;

/// The time that a deadline leaves.
#[derive(Debug, Serialize)]
pub(crate) struct DeadlineRow {
    /// The task or the pipeline; null for the run.
    name: Option<String>,
    left_ms: u64,
}

impl From<&(Option<String>, Duration)> for DeadlineRow {
    fn from((name, left): &(Option<String>, Duration)) -> Self {
        Self { name: name.clone(), left_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl DeadlineRow {
    /// Formats `deadline of fetch in 3.2s`.
    pub(crate) fn text(&self) -> String {
        let left = show_left(Duration::from_millis(self.left_ms));
        match &self.name {
            Some(name) => format!("deadline of {name} in {left}"),
            None => format!("deadline of the run in {left}"),
        }
    }
}

/// Formats a time that is left, of which minutes are enough to know beside hours.
fn show_left(left: Duration) -> String {
    let seconds = left.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, _) => show_duration(left),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}
