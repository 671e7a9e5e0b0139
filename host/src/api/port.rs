//! The ports of storage, for state backends and caches of one's own. **Unstable**: later versions extend them.
//! Each contract is in the documentation of its trait; the backends of this crate keep the same ones.
//!
//! A state backend is an object that implements [`Backend`], which includes [`Archive`] and [`Journal`]. It hands out a
//! [`Ledger`] for each open run, and [`Buckets`] for guests. `host/examples/own_backend.rs` wraps [`MemoryBackend`].

pub use crate::cache::{Cache, Found, Insert, MakeRequest, MemoryCache, Stored};
pub use crate::model::{Digest, RunId, TaskIdx};
pub use crate::state::{
    Archive, Backend, Batch, Blocked, BucketName, Buckets, CLOSING, Certainty, Claim, ClaimView, Counts, End,
    Entry, Error, ErrorKind, FailureRecord, Follow, Health, HostId, Journal, JournalPage, Key, Keys, Ledger,
    LogPart, Loss, MemoryBackend, Mode, NodeId, NodeView, Note, Notice, OpenKind, OpenRequest, Opened,
    OutOfBounds, Outage, Outcome, Page, Phase, Progress, Removal, Reply, ResourceScope, ResourceShape,
    RunShape, RunSummary, Settlement, Stage, Stop, Swap, Swapped, TaskShape, Token, Usage, Value, Verdict,
    Version, Want, Writes,
};
