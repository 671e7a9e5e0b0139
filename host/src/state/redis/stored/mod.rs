//! Stored runs in Redis: archive, journal, following, control, and buckets.
//! Claims and settlements are left to `run`.

pub(crate) mod archive;
pub(crate) mod journal;
mod note_pages;
mod notes;
mod follow;
pub(crate) mod control;
mod buckets;

pub(crate) use buckets::RedisBuckets;
pub(crate) use follow::FollowRun;
pub(crate) use notes::{epochs, history, logs, notes};
