//! The state ports: a process-level [`Backend`] named by a URI, a run-level [`Ledger`], and the [`Buckets`] of tasks.
//! Stores bytes and schedules ready nodes; other modules give the bytes types and execute tasks.

mod backend;
mod ledger;
mod id;
mod node_map;
mod buckets;
mod reservations;
mod shape;
mod error;
mod failure;
mod hole;
mod rerun;
mod archive;
mod journal;
mod notes;
mod log;
mod notice;
mod health;
mod invisible_chars;
mod uri_query;
mod uri;
mod registry;
mod factory;
mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(test, feature = "internals"))]
#[expect(clippy::indexing_slicing, clippy::missing_panics_doc, reason = "a failing case ends its test")]
pub mod conformance;

pub use archive::{Archive, ClaimView, Counts, End, LogsPage, NodeView, Removal, RunSummary};
pub use backend::Backend;
pub use backend::Mode;
pub use backend::OpenKind;
pub use backend::OpenRequest;
pub use backend::Opened;
pub use buckets::{
    BucketName, Buckets, Key, Keys, MAX_BYTES, MAX_KEY, MAX_KEYS, MAX_VALUE, OutOfBounds, Page, Swap,
    Swapped, Value, Writes,
};
pub use error::{Error, ErrorKind};
pub use factory::Factory;
pub use failure::FailureRecord;
pub use health::{Health, Outage};
pub use hole::Hole;
pub use id::CallDigest;
pub use id::HostId;
pub use id::NodeId;
pub use id::Token;
#[cfg(feature = "redis")]
pub(crate) use invisible_chars::find_invisible;
pub use journal::{Batch, Follow, Journal, JournalPage, MAX_EVENTS, MAX_LOG, MAX_LOGS};
pub use ledger::{
    Blocked, Certainty, Claim, Deadline, Entry, Ledger, Loss, MAX_SLOTLESS_CLAIMS, Offer, Outcome, Progress,
    Reply, Settlement, Stage, Stop, Verdict, Version, Want,
};
pub use log::{LogLine, LogPart, Piece};
pub use memory::MemoryBackend;
pub(crate) use memory::MemoryReservations;
pub(crate) use node_map::NodeMap;
pub use notes::MAX_FAILED_ATTEMPTS;
pub(crate) use notes::keep;
pub use notes::{EpochNote, EpochStart, Note, NotedCall, NotesPage, Phase, Usage};
pub use notice::Notice;
pub(crate) use registry::Registry;
#[cfg(feature = "redis")]
pub(crate) use registry::not_built_in;
pub(crate) use rerun::Rerun;
pub use reservations::{
    GiveBack, Holder, Need, Reservation, ReservationSession, ReservationView, Reservations, ReserveReply,
    Reserved, ResourceView, SessionRequest, Wait,
};
pub use shape::{
    CLOSING, DeadlineScope, DeadlineShape, Dependent, Milestone, ResourceScope, ResourceShape, RunShape,
    TaskShape,
};
pub(crate) use shape::{left_out_of, split_iteration_name, split_node_name};
pub(crate) use uri::LEASES;
pub use uri::{BackendKind, Secret, StateUri};
#[cfg(feature = "redis")]
pub use uri::{Durability, RedisTopology, RedisUri, Tls};
