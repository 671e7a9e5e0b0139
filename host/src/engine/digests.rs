//! Cache of digests of values that several tasks or elements read.
//! `keys` composes cache keys from them.

use crate::model::Digest;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Smallest value to cache, in bytes: hashing a smaller one is faster than the lookup.
const MIN_CACHED_LEN: usize = 1 << 10;

/// Maximum size of all values kept alive, in bytes. A cached value stays alive so that its address identifies it.
const MAX_CACHED_BYTES: usize = 256 << 20;

/// Digests computed recently, by the address of the value. All readers of a stored value share its bytes.
#[derive(Default)]
pub(crate) struct Digests {
    // A mutex because jobs run on many threads; the hashing itself happens outside of it.
    recent: Mutex<RecentDigests>,
}

#[derive(Default)]
struct RecentDigests {
    known: HashMap<(usize, usize), Arc<Digested>>,
    order: VecDeque<(usize, usize)>,
    bytes: usize,
}

/// A value with its digest, computed on first use. Holding the value keeps its address from being reused.
struct Digested {
    value: Bytes,
    digest: OnceLock<Digest>,
}

impl Digests {
    /// Returns the digests of values, in order.
    pub(crate) fn digests_of(&self, values: &[Bytes]) -> Vec<Digest> {
        values.iter().map(|value| self.digest_of(value)).collect()
    }

    /// Returns the digest of a value, from the cache if the same bytes were hashed before.
    pub(crate) fn digest_of(&self, value: &Bytes) -> Digest {
        if !(MIN_CACHED_LEN..=MAX_CACHED_BYTES).contains(&value.len()) {
            return Digest::of_bytes(value);
        }
        let digested = self.recent.lock().unwrap_or_else(PoisonError::into_inner).entry(value);
        *digested.digest.get_or_init(|| Digest::of_bytes(&digested.value))
    }
}

impl RecentDigests {
    fn entry(&mut self, value: &Bytes) -> Arc<Digested> {
        let address = (value.as_ptr().addr(), value.len());
        if let Some(known) = self.known.get(&address) {
            return Arc::clone(known);
        }
        let digested = Arc::new(Digested { value: value.clone(), digest: OnceLock::new() });
        self.known.insert(address, Arc::clone(&digested));
        self.order.push_back(address);
        self.bytes += value.len();
        while self.bytes > MAX_CACHED_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.bytes -= oldest.1;
        }
        digested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_of_one_value_share_its_digest() {
        let digests = Digests::default();
        let value = Bytes::from(vec![7; 1 << 20]);
        let (first, part) = (digests.digest_of(&value), digests.digest_of(&value.slice(1..)));
        assert_eq!((first, part), (Digest::of_bytes(&value), Digest::of_bytes(&value[1..])));
        assert_eq!(digests.digest_of(&value.clone()), first);
        assert_eq!(digests.recent.lock().unwrap().known.len(), 2);
    }

    #[test]
    fn bytes_kept_alive_are_bounded() {
        let digests = Digests::default();
        for _ in 0..5 {
            digests.digest_of(&Bytes::from(vec![0; 100 << 20]));
        }
        assert!(digests.recent.lock().unwrap().bytes <= MAX_CACHED_BYTES);
    }
}
