//! The output during a run: the log for people and for programs, the progress, and the view of `watch`.
//! The facts come from `events`.

mod failures;
mod human;
mod json;
mod level;
mod listeners;
mod run_counts;
mod progress;
mod screen;
mod merged_log;

pub(crate) use human::{show_bytes, show_millis};
pub(crate) use listeners::{Listeners, input_files};
pub(crate) use merged_log::MergedLog;
pub(crate) use progress::Progress;
