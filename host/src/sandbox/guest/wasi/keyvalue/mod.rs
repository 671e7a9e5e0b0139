//! `wasi:keyvalue` in both of its drafts, over those buckets of the state backend that the task was granted.
//! What a bucket does is for its backend; which names are granted is for the manifest.

mod bucket;
mod drafts;
mod session;
mod error;

pub(crate) use drafts::link;
pub(crate) use session::KeyvalueSession;
