//! Single-flight on one host: the keys that its jobs compute or wait for, with a lock for each.
//! The cache does single-flight across hosts; waiting and publishing are in `in_flight`.

use crate::model::Digest;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Cache keys that this host's jobs compute or wait for. One job at a time holds the lock of a key.
pub(crate) struct SingleFlight {
    // A mutex because jobs run on many threads; each critical section is one lookup.
    locks: Mutex<HashMap<Digest, KeyLock>>,
    next: AtomicU64,
}

pub(crate) type KeyLock = Arc<tokio::sync::Mutex<()>>;

impl SingleFlight {
    /// Creates an empty set of locks. `first` is random, so that no two hosts number their computations alike.
    pub(crate) fn new(first: u64) -> Self {
        Self { locks: Mutex::default(), next: AtomicU64::new(first) }
    }

    pub(crate) fn next_maker(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn key_lock(&self, key: Digest) -> KeyLock {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(key).or_default())
    }

    /// Removes the lock of a key that nobody else holds or waits for.
    pub(crate) fn forget_key(&self, key: &Digest) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.get(key).is_some_and(|lock| Arc::strong_count(lock) <= 2) {
            locks.remove(key);
        }
    }
}
