//! The contract between the engine and whoever keeps shared results.
//! Every sentence here is a case of the conformance suite, which each backend runs unchanged.

use crate::model::Digest;
use crate::state::Error;
use crate::state::Notice;
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

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

/// Where results are shared between runs; one per URI and process.
#[async_trait]
pub trait Cache: Send + Sync {
    /// What is stored under each key, in order. An entry that is damaged, foreign or past its time is none.
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, Error>;

    /// Stores results. One that is there already is replaced, and its time begins anew.
    async fn put(&self, inserts: Vec<Insert>) -> Result<(), Error>;

    /// What happened to the cache since the last time somebody asked; each notice is given once.
    fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }
}
