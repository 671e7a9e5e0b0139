//! The factory of caches: opens each URI once per process, so that all runs share connections and entries.
//! The caller chooses the caches; nothing registers itself. `state` keeps the registry.

use crate::cache::memory::MemoryCache;
use crate::cache::with_ttl;
use crate::cache::{Cache, CacheUri};
use crate::state::{BackendKind, Error, Registry, StateUri};
use std::sync::Arc;
use std::time::Duration;

/// Opens caches by URI.
#[derive(Debug)]
pub struct Factory(Registry<dyn Cache>);

impl Factory {
    /// Creates a factory without caches.
    #[must_use]
    pub fn empty() -> Self {
        Self(Registry::empty("cache"))
    }

    /// Creates a factory of all caches in this build.
    #[must_use]
    pub fn new() -> Self {
        let mut factory = Self::empty();
        factory.register(BackendKind::Memory, |_| Ok(Arc::new(MemoryCache::new())));
        #[cfg(feature = "redis")]
        factory.register(BackendKind::Redis, crate::cache::redis::open);
        factory
    }

    /// Registers a kind of cache.
    ///
    /// `open` must return at once and neither connect nor create anything: `check` calls it too, to verify the URI.
    pub fn register(
        &mut self,
        kind: BackendKind,
        open: impl Fn(&StateUri) -> Result<Arc<dyn Cache>, Error> + Send + Sync + 'static,
    ) {
        self.0.register(kind, open);
    }

    /// Returns the cache of a URI, with the same entries every time; none if the cache is off.
    ///
    /// Entries that are put without a TTL are kept for `ttl`.
    pub fn cache(&self, uri: &CacheUri, ttl: Option<Duration>) -> Result<Option<Arc<dyn Cache>>, Error> {
        let uri = match uri {
            CacheUri::Off => return Ok(None),
            CacheUri::At(uri) => uri,
        };
        Ok(Some(with_ttl(self.0.get(uri)?, ttl)))
    }
}

impl Default for Factory {
    fn default() -> Self {
        Self::empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::{Insert, Stored};
    use crate::model::Digest;

    #[test]
    fn off_is_no_cache_and_a_missing_backend_is_an_error() {
        let factory = Factory::empty();
        assert!(factory.cache(&CacheUri::parse("off").unwrap(), None).unwrap().is_none());
        let uri = CacheUri::parse("redis://user:hunter2@h").unwrap();
        let error = factory.cache(&uri, None).err().unwrap();
        assert_eq!(
            error.to_string(),
            "opening the cache `redis://***@h:6379/0`: this build has no Redis backend"
        );
    }

    #[tokio::test]
    async fn runs_with_different_times_to_live_share_entries() {
        let factory = Factory::new();
        let uri = CacheUri::parse("memory:").unwrap();
        let without_ttl = factory.cache(&uri, None).unwrap().unwrap();
        let with_ttl = factory.cache(&uri, Some(Duration::from_secs(1))).unwrap().unwrap();
        let stored = Stored { type_fingerprint: Digest::of_bytes(b"t"), value: b"v"[..].into(), run: None };
        let key = Digest::of_bytes(b"k");
        without_ttl.put(vec![Insert { key, stored: stored.clone(), ttl: None }]).await.unwrap();
        assert_eq!(with_ttl.get(&[key]).await.unwrap(), [Some(stored)]);
    }
}
