//! The ports to where runs live: a process-level [`Backend`] named by a URI, a run-level [`Ledger`], and [`Buckets`] of tasks.
//! Stores bytes and decides what is ready; what the bytes mean and how tasks execute is for others.

mod ledger;
mod buckets;
mod shape;
mod error;
mod failure;
mod archive;
mod journal;
mod note;
mod log;
mod notice;
mod health;
mod stray;
mod uri_query;
mod uri;
mod factory;
mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(test, feature = "test-support"))]
#[expect(clippy::indexing_slicing, clippy::missing_panics_doc, reason = "a case that fails ends its test")]
pub mod conformance;

pub use archive::{Archive, ClaimView, Counts, End, NodeView, Removal, RunSummary};
pub use buckets::{
    BucketName, Buckets, Key, Keys, MAX_BYTES, MAX_KEY, MAX_KEYS, MAX_VALUE, OutOfBounds, Page, Swap,
    Swapped, Value, Writes,
};
pub use error::{Error, ErrorKind};
pub use factory::Factory;
pub(crate) use factory::not_built_in;
pub use failure::FailureRecord;
pub use health::{Health, Outage};
pub use journal::{Batch, Follow, Journal, MAX_EVENTS, MAX_LOG, MAX_LOGS, JournalPage};
pub use ledger::{
    Backend, Blocked, Certainty, Claim, Entry, HostId, Ledger, Loss, Mode, NodeId, OpenHow, OpenRequest,
    Opened, Outcome, Progress, Reply, Settlement, Stage, Stop, Token, Verdict, Version, Want,
};
pub use log::{LogLine, LogPart, Piece, append_log, end_log, read_log};
pub use memory::MemoryBackend;
pub use note::{Note, Phase, Usage};
pub use notice::Notice;
pub use shape::{CLOSING, ResourceShape, ResourceScope, RunShape, TaskShape};
pub(crate) use stray::stray;
pub use uri::{Address, BackendKind, Durability, RedisTopology, RedisUri, Secret, StateUri, Tls};
