//! A cache of results that this host committed recently, which saves reads from the server.
//! Validity is tied to the life of the run: when the life ends, the cache is cleared.

use crate::state::NodeId;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};

/// Maximum size, so that large results do not fill the host's memory.
const MAX_BYTES: usize = 16 << 20;

/// Approximate overhead of an entry in bytes.
const ENTRY_OVERHEAD: usize = 100;

/// A node, or one of its iterations.
pub(crate) type Key = (NodeId, Option<u32>);

/// The newest results, up to a number of bytes.
#[derive(Debug, Default)]
pub(crate) struct ResultCache {
    results: HashMap<Key, Bytes>,
    // Oldest first; each is committed once per life.
    order: VecDeque<Key>,
    bytes: usize,
}

impl ResultCache {
    /// Adds a result and evicts the oldest ones. A result larger than the whole cache is not added.
    pub(crate) fn insert(&mut self, key: Key, result: Bytes) {
        let size = result.len() + ENTRY_OVERHEAD;
        if size > MAX_BYTES || self.results.contains_key(&key) {
            return;
        }
        self.bytes += size;
        self.results.insert(key, result);
        self.order.push_back(key);
        while self.bytes > MAX_BYTES
            && let Some(oldest) = self.order.pop_front()
        {
            let result = self.results.remove(&oldest);
            self.bytes -= result.map_or(0, |result| result.len() + ENTRY_OVERHEAD);
        }
    }

    /// Returns a result, if it is still cached.
    pub(crate) fn get(&self, key: Key) -> Option<Bytes> {
        self.results.get(&key).cloned()
    }

    /// Removes all results, because their life has ended.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskIdx;

    fn node(idx: u32) -> Key {
        (NodeId::of_task(TaskIdx::new(idx)), None)
    }

    #[test]
    fn newest_results_are_kept() {
        let mut cache = ResultCache::default();
        let large = Bytes::from(vec![7; MAX_BYTES / 2 - ENTRY_OVERHEAD]);
        (0..3).for_each(|idx| cache.insert(node(idx), large.clone()));
        assert_eq!([0, 1, 2].map(|idx| cache.get(node(idx)).is_some()), [false, true, true]);
        cache.insert(node(3), Bytes::from(vec![7; MAX_BYTES]));
        assert_eq!([1, 2, 3].map(|idx| cache.get(node(idx)).is_some()), [true, true, false]);
        cache.clear();
        assert_eq!(cache.get(node(2)), None);
    }
}
