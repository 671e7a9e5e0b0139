//! `wasi:keyvalue` in both of its drafts, over the granted buckets of the state backend.
//! The backend implements buckets; the manifest grants them.

mod bucket;
mod drafts;
mod session;
mod error;

pub(crate) use drafts::link;
pub(crate) use session::KeyvalueSession;
