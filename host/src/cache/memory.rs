//! The `memory:` cache: results shared within this process, bounded in size, each with its own TTL.
//! Checking the type of an entry is left to the engine.

use crate::cache::{Cache, Found, Insert, MakeRequest, Stored};
use crate::model::Digest;
use crate::state::Error;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Maximum size of all values, so that a long run cannot exhaust memory. The oldest entries are evicted first.
const MAX_BYTES: usize = 1 << 30;

/// The in-memory cache.
pub struct MemoryCache {
    // A mutex, because tasks on many threads read and write; each section is a look-up.
    entries: Mutex<Entries>,
    // A mutex, because tasks on many threads ask for makers; each section is a look-up. Always locked before `entries`.
    makers: Mutex<HashMap<Digest, Maker>>,
    // Counts the entries that were computed or given up, to wake waiters.
    ended: watch::Sender<u64>,
}

/// The maker of an entry under computation, and the end of its hold.
struct Maker {
    number: u64,
    until: Instant,
}

impl MemoryCache {
    /// Creates an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Mutex::new(Entries::new(MAX_BYTES)),
            makers: Mutex::default(),
            ended: watch::Sender::new(0),
        }
    }

    fn makers(&self) -> MutexGuard<'_, HashMap<Digest, Maker>> {
        self.makers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, request: &MakeRequest) {
        let mut makers = self.makers();
        if makers.get(&request.key).is_some_and(|maker| maker.number == request.maker) {
            makers.remove(&request.key);
            self.ended.send_modify(|ended| *ended += 1);
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryCache {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").finish_non_exhaustive()
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, Error> {
        let now = Instant::now();
        let entries = self.entries();
        Ok(keys.iter().map(|key| entries.get(key, now)).collect())
    }

    async fn put(&self, inserts: Vec<Insert>) -> Result<(), Error> {
        let now = Instant::now();
        let mut entries = self.entries();
        entries.expire(now);
        for insert in inserts {
            entries.put(insert, now);
        }
        Ok(())
    }

    async fn find(&self, request: &MakeRequest) -> Result<Found, Error> {
        let now = Instant::now();
        let mut makers = self.makers();
        // Looked up under the lock of the makers: a result is stored before its maker is removed.
        if let Some(stored) = self.entries().get(&request.key, now) {
            return Ok(Found::Stored(stored));
        }
        let is_held_by_other = |maker: &Maker| maker.number != request.maker && now < maker.until;
        if makers.get(&request.key).is_some_and(is_held_by_other) {
            return Ok(Found::Theirs);
        }
        makers.insert(request.key, Maker { number: request.maker, until: now + request.hold });
        Ok(Found::Mine)
    }

    async fn put_made(&self, request: &MakeRequest, insert: Insert) -> Result<(), Error> {
        self.put(vec![insert]).await?;
        self.end(request);
        Ok(())
    }

    async fn give_up(&self, request: &MakeRequest) -> Result<(), Error> {
        self.end(request);
        Ok(())
    }

    async fn wait_made(&self, key: &Digest, max_wait: Duration) {
        // Subscribe before looking, so that an end in between is not missed.
        let mut ended = self.ended.subscribe();
        let until = self.makers().get(key).map(|maker| maker.until);
        if let Some(until) = until {
            let until = until.min(Instant::now() + max_wait);
            // The caller looks again in any case, so it does not matter which entry has ended.
            drop(tokio::time::timeout_at(until, ended.changed()).await);
        }
    }
}

/// Entries by key, by age and by expiry.
struct Entries {
    max_bytes: usize,
    bytes: usize,
    arrivals: u64,
    by_key: HashMap<Digest, Entry>,
    by_age: BTreeMap<u64, Digest>,
    by_end: BTreeSet<(Instant, Digest)>,
}

struct Entry {
    stored: Stored,
    until: Option<Instant>,
    arrival: u64,
}

impl Entries {
    fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            bytes: 0,
            arrivals: 0,
            by_key: HashMap::new(),
            by_age: BTreeMap::new(),
            by_end: BTreeSet::new(),
        }
    }

    fn get(&self, key: &Digest, now: Instant) -> Option<Stored> {
        let entry = self.by_key.get(key)?;
        entry.until.is_none_or(|until| now < until).then(|| entry.stored.clone())
    }

    fn put(&mut self, insert: Insert, now: Instant) {
        let Insert { key, stored, ttl } = insert;
        self.remove(&key);
        self.bytes += stored.value.len();
        self.arrivals += 1;
        // A TTL beyond the clock's range never expires.
        let until = ttl.and_then(|ttl| now.checked_add(ttl));
        self.by_age.insert(self.arrivals, key);
        self.by_end.extend(until.map(|until| (until, key)));
        self.by_key.insert(key, Entry { stored, until, arrival: self.arrivals });
        while self.bytes > self.max_bytes
            && let Some((_, oldest)) = self.by_age.first_key_value().map(|(age, key)| (*age, *key))
        {
            self.remove(&oldest);
        }
    }

    fn expire(&mut self, now: Instant) {
        while let Some((_, key)) = self.by_end.first().filter(|(until, _)| *until <= now).copied() {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Digest) {
        let Some(entry) = self.by_key.remove(key) else {
            return;
        };
        self.bytes -= entry.stored.value.len();
        self.by_age.remove(&entry.arrival);
        if let Some(until) = entry.until {
            self.by_end.remove(&(until, *key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};

    #[test]
    fn oldest_entries_are_evicted_and_replaced_ones_count_once() {
        let mut entries = Entries::new(10);
        let now = Instant::now();
        let insert = |name: &[u8], len: usize| Insert {
            key: Digest::of_bytes(name),
            stored: Stored {
                type_fingerprint: Digest::of_bytes(b"t"),
                value: vec![0; len].into(),
                run: None,
            },
            ttl: None,
        };
        for name in [b"a", b"a", b"b"] {
            entries.put(insert(name, 5), now);
        }
        assert_eq!(entries.bytes, 10);
        entries.put(insert(b"c", 1), now);
        assert!(entries.get(&Digest::of_bytes(b"a"), now).is_none());
        assert!(entries.get(&Digest::of_bytes(b"b"), now).is_some());
        assert_eq!(entries.bytes, 6);
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("limits").section("Limits of a host").line("results in a").cell(1).says(&size(MAX_BYTES));
        Page::of("caching").section("Backends").row("memory:").cell(1).says(&size(MAX_BYTES));
    }
}

#[cfg(test)]
mod conformance {
    use super::*;
    use crate::cache::conformance::Harness;
    use std::sync::Arc;

    struct Memory;

    #[async_trait]
    impl Harness for Memory {
        async fn cache(&self) -> Arc<dyn Cache> {
            Arc::new(MemoryCache::new())
        }
    }

    crate::cache_conformance!(tokio::test(start_paused = true), Memory);
}
