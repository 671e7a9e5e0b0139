//! The cache port: get, put, and single-flight computation across hosts.
//! Deciding what to cache is left to the engine. The conformance suite checks every sentence of this contract.

use crate::model::{Digest, RunId};
use crate::state::{Error, Health, Notice};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::watch;

/// A cached result: the plain result of a function, or the payload of its `ok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Fingerprint of the value's type. An entry of another type is a miss.
    pub type_fingerprint: Digest,
    /// The value, as MessagePack of that type.
    pub value: Bytes,
    /// The run that computed it, if that is known.
    pub run: Option<RunId>,
}

/// A result to be stored.
#[derive(Debug, Clone)]
pub struct Insert {
    /// The key.
    pub key: Digest,
    /// The result.
    pub stored: Stored,
    /// The TTL; none if the entry does not expire. A default TTL, `[cache] ttl`, is filled in before the cache is called.
    pub ttl: Option<Duration>,
}

/// A request to compute a missing entry (single-flight).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MakeRequest {
    /// The key.
    pub key: Digest,
    /// The maker's unique number.
    pub maker: u64,
    /// Maximum time that others wait for a silent maker.
    pub hold: Duration,
}

/// The result of a look-up with single-flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A hit.
    Stored(Stored),
    /// A miss, and this maker has the right to compute the entry.
    Mine,
    /// A miss, but another maker computes the entry.
    Theirs,
}

/// A cache of results, shared between runs. There is one per URI and process.
///
/// As with [`crate::state::Ledger`], methods are called on tokio runtimes, must not block, and may be dropped. A cache may
/// lose entries at any time. TTLs and holds use one clock that all hosts of the store see alike and that does not jump.
#[async_trait]
pub trait Cache: Send + Sync {
    /// Returns the entries of keys, in order. A damaged, foreign or expired entry is none.
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, Error>;

    /// Stores results, each atomically. An existing entry is replaced, and its TTL restarts.
    async fn put(&self, inserts: Vec<Insert>) -> Result<(), Error>;

    /// Looks up a key. On a miss, the first maker acquires the right to compute the entry (single-flight). Look-up and
    /// acquisition are one atomic step. The right lasts until the result is put or given up, or the maker has been silent for its
    /// hold; asking again renews the hold.
    async fn find(&self, request: &MakeRequest) -> Result<Found, Error>;

    /// Stores a computed result, as [`Self::put`] does, and ends the maker's right to compute it, if it still has that
    /// right: both in one atomic step.
    async fn put_made(&self, request: &MakeRequest, insert: Insert) -> Result<(), Error>;

    /// Gives up computing the entry, so that another maker may. Does nothing if the maker has lost the right.
    async fn give_up(&self, request: &MakeRequest) -> Result<(), Error>;

    /// Waits until the entry may have been computed or given up, or until `max_wait` has passed. Cancel safe.
    async fn wait_made(&self, key: &Digest, max_wait: Duration) {
        let _ = key;
        tokio::time::sleep(max_wait).await;
    }

    /// Returns whether the cache is available, as [`crate::state::Backend::health`] does for a state.
    fn health(&self) -> Option<watch::Receiver<Health>> {
        None
    }

    /// Returns the notices since the last call, each once.
    fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }
}
