//! Stored runs in Redis: archive, journal, following, control, and buckets.
//! Claims and settlements are left to `run`.

pub(crate) mod archive;
pub(crate) mod journal;
mod follow;
pub(crate) mod control;
mod buckets;

pub(crate) use buckets::RedisBuckets;
pub(crate) use follow::FollowRun;
