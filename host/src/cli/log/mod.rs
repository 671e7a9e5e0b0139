//! The output during a run: the log for people and for programs, the progress, and the view of `watch`.
//! The facts come from `events`.

mod human;
mod json;
mod level;
mod listeners;
mod run_counts;
mod progress;
mod screen;
mod watching;

pub(crate) use human::{show_bytes, took};
pub(crate) use listeners::Listeners;
pub(crate) use progress::Progress;
pub(crate) use watching::Chronicle;
