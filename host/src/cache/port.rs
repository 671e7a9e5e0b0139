//! The contract between the engine and whoever keeps shared results.
//! Every sentence here is a case of the conformance suite, which each backend runs unchanged.

use crate::model::Digest;
use crate::state::{Error, Health, Notice};
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::watch;

/// A shared result: the plain result of a function, or the payload of its `ok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Fingerprint of the value's type: an entry of another type is not a hit.
    pub type_fingerprint: Digest,
    /// MessagePack of that type.
    pub value: Bytes,
}

/// A result to be shared.
#[derive(Debug, Clone)]
pub struct Insert {
    /// Under which key.
    pub key: Digest,
    /// What.
    pub stored: Stored,
    /// For how long; none for the cache's own time to live.
    pub ttl: Option<Duration>,
}

/// Somebody who is about to make what a cache does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MakeRequest {
    /// Under which key.
    pub key: Digest,
    /// A number that no other maker has.
    pub maker: u64,
    /// For how long others wait for a maker that says nothing.
    pub hold: Duration,
}

/// What a maker finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is there already.
    Stored(Stored),
    /// It is not, and it is this maker's to make.
    Mine,
    /// Another makes it.
    Theirs,
}

/// Where results are shared between runs; one per URI and process.
#[async_trait]
pub trait Cache: Send + Sync {
    /// What is stored under each key, in order. An entry that is damaged, foreign or past its time is none.
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, Error>;

    /// Stores results. One that is there already is replaced, and its time begins anew.
    async fn put(&self, inserts: Vec<Insert>) -> Result<(), Error>;

    /// Looks a key up, and where nothing is stored leaves it to one maker to make it: whoever comes first, until the
    /// result is put, given up, or the maker has said nothing for its hold. A maker that asks again holds on.
    async fn find(&self, making: &MakeRequest) -> Result<Found, Error>;

    /// Stores what was made, as [`Self::put`] does, and ends the making.
    async fn put_made(&self, making: &MakeRequest, insert: Insert) -> Result<(), Error>;

    /// Makes it no more, so that another may.
    async fn give_up(&self, making: &MakeRequest) -> Result<(), Error>;

    /// Waits until what another makes may be there or given up, for a time at most. Cancel safe.
    async fn wait_made(&self, key: &Digest, most: Duration) {
        let _ = key;
        tokio::time::sleep(most).await;
    }

    /// Whether it serves, as [`crate::state::Backend::health`] tells of a state.
    fn health(&self) -> Option<watch::Receiver<Health>> {
        None
    }

    /// What happened to the cache since the last time somebody asked; each notice is given once.
    fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }
}
