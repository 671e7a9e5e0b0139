//! What is shown while a run goes on: the human and the JSON log, progress, and the view of `watch`.
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
