//! The files that a run is made of, and how they change: for runs that are repeated when one is saved.
//! `cli/commands/run_watch` repeats them.

mod snapshot;
mod watch_list;
mod settled;
mod built_files;

pub(crate) use built_files::BuiltFiles;
pub(crate) use settled::{FilesChanged, Pause, wait_for_change};
pub(crate) use snapshot::Snapshot;
pub(crate) use watch_list::{WatchList, WatchRequest};
