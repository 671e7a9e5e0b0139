//! Single-flight on one host: the keys that its jobs compute or wait for, with a lock for each.
//! Single-flight across hosts is for the cache; waiting and publishing are for `in_flight`.

use crate::model::Digest;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The results that this host's jobs make or wait for; of each, one job is in front.
pub(crate) struct SingleFlight {
    // A mutex because jobs run on many threads; each section is a look-up.
    locks: Mutex<HashMap<Digest, KeyLock>>,
    next: AtomicU64,
}

pub(crate) type KeyLock = Arc<tokio::sync::Mutex<()>>;

impl SingleFlight {
    /// None yet; makers are numbered from a number that no other host has.
    pub(crate) fn new(first: u64) -> Self {
        Self { locks: Mutex::default(), next: AtomicU64::new(first) }
    }

    pub(crate) fn next_maker(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn key_lock(&self, key: Digest) -> KeyLock {
        let mut lanes = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry(key).or_default())
    }

    /// Forgets a lane that nobody else is in.
    pub(crate) fn forget_key(&self, key: &Digest) {
        let mut lanes = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.get(key).is_some_and(|lane| Arc::strong_count(lane) <= 2) {
            lanes.remove(key);
        }
    }
}
