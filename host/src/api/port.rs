//! The ports of storage, for state backends and caches of one's own. **Unstable**: later versions extend them.
//! Each contract is in the documentation of its trait; the backends of this crate keep the same ones.
//!
//! A state backend is an object that implements [`Backend`], which includes [`Archive`] and [`Journal`]. It hands out a
//! [`Ledger`] for each open run, and [`Buckets`] for guests. `host/examples/own_backend.rs` wraps [`MemoryBackend`].
//!
//! The contracts also use names of the crate's root: [`crate::RunStatus`], [`crate::SkipReason`],
//! [`crate::FailurePolicy`], [`crate::FailureClass`], [`crate::Name`] and [`crate::Timestamp`].

pub use crate::cache::{Cache, Found, Insert, MakeRequest, MemoryCache, Stored};
pub use crate::model::{Digest, IndexPath, RunId, TaskIdx};
pub use crate::state::{
    Archive, Backend, Batch, Blocked, BucketName, Buckets, CLOSING, CallDigest, Certainty, Claim, ClaimView,
    Counts, Deadline, DeadlineScope, DeadlineShape, Dependent, End, Entry, Error, ErrorKind, FailureRecord,
    Follow, Health, Hole, HostId, Journal, JournalPage, Key, Keys, Ledger, LogLine, LogPart, LogsPage, Loss,
    MemoryBackend, Milestone, Mode, NodeId, NodeView, Notice, Offer, OpenKind, OpenRequest, Opened,
    OutOfBounds, Outage, Outcome, Page, Piece, Progress, Removal, Reply, ResourceScope, ResourceShape,
    RunShape, RunSummary, Settlement, Stage, Stop, Swap, Swapped, TaskShape, Token, Value, Verdict, Version,
    Want, Writes,
};

/// Resources that all runs of a backend share. A backend without them is complete; runs that need them are refused.
pub mod reservations {
    pub use crate::model::{Capacity, Rate};
    pub use crate::state::{
        GiveBack, Holder, Need, Reservation, ReservationSession, ReservationView, Reservations, ReserveReply,
        Reserved, ResourceView, SessionRequest, Wait,
    };
}

/// What hosts note about the nodes of a run, and about its epochs.
pub mod notes {
    pub use crate::state::{EpochNote, EpochStart, Note, NotedCall, NotesPage, Phase, Usage};
}

/// The bounds that the contracts name.
pub mod limits {
    pub use crate::state::{
        MAX_BYTES, MAX_EVENTS, MAX_FAILED_ATTEMPTS, MAX_KEY, MAX_KEYS, MAX_LOG, MAX_LOGS,
        MAX_SLOTLESS_CLAIMS, MAX_VALUE,
    };
}

/// The conformance suites of state backends and caches, which decide whether one is correct. With the feature `internals`.
///
/// `cascade_host::state_conformance!` and `cascade_host::cache_conformance!` turn the cases into tests.
#[cfg(any(test, feature = "internals"))]
pub mod conformance {
    pub use crate::cache::conformance as cache;
    pub use crate::state::conformance as state;
}
