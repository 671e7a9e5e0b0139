//! Makes caches from URIs, each once per process, so that all runs share its connections and its entries.
//! Which caches there are is told by whoever builds the factory; nothing registers itself.

use crate::cache::Cache;
use crate::cache::CacheUri;
use crate::cache::memory::MemoryCache;
use crate::cache::ttl::WithTtl;
use crate::state::BackendKind;
use crate::state::Error;
use crate::state::StateUri;
use crate::state::not_built_in;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Makes a cache; connects to nothing yet.
type OpenCache = Box<dyn Fn(&StateUri) -> Result<Arc<dyn Cache>, Error> + Send + Sync>;

/// Caches by their URIs.
#[derive(Default)]
pub struct Factory {
    makers: HashMap<BackendKind, OpenCache>,
    // A mutex because runs are opened on many threads; makers do not wait.
    made: Mutex<HashMap<StateUri, Arc<dyn Cache>>>,
}

impl Factory {
    /// A factory that can make nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A factory for every cache of this build.
    #[must_use]
    pub fn new() -> Self {
        let mut factory = Self::empty();
        factory.register(BackendKind::Memory, |_| Ok(Arc::new(MemoryCache::new())));
        #[cfg(feature = "redis")]
        factory.register(BackendKind::Redis, crate::cache::redis::open);
        factory
    }

    /// Registers a cache.
    pub fn register(
        &mut self,
        kind: BackendKind,
        maker: impl Fn(&StateUri) -> Result<Arc<dyn Cache>, Error> + Send + Sync + 'static,
    ) {
        self.makers.insert(kind, Box::new(maker));
    }

    /// The cache behind a URI, with the same entries each time; none if it is off.
    ///
    /// Entries that are put without a time to live of their own are kept for `ttl`.
    pub fn cache(&self, uri: &CacheUri, ttl: Option<Duration>) -> Result<Option<Arc<dyn Cache>>, Error> {
        let uri = match uri {
            CacheUri::Off => return Ok(None),
            CacheUri::At(uri) => uri,
        };
        let cache = self.shared(uri)?;
        Ok(Some(match ttl {
            Some(ttl) => Arc::new(WithTtl { cache, ttl }),
            None => cache,
        }))
    }

    fn shared(&self, uri: &StateUri) -> Result<Arc<dyn Cache>, Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = made.get(uri) {
            return Ok(Arc::clone(cache));
        }
        let maker = self.makers.get(&uri.kind()).ok_or_else(|| not_built_in(uri, "cache"))?;
        let cache = maker(uri)?;
        made.insert(uri.clone(), Arc::clone(&cache));
        Ok(cache)
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Factory").field("kinds", &self.makers.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Insert;
    use crate::cache::Stored;
    use crate::model::Digest;

    #[test]
    fn off_is_no_cache_and_what_is_not_built_in_is_said_to_be_so() {
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
        let one = factory.cache(&uri, None).unwrap().unwrap();
        let other = factory.cache(&uri, Some(Duration::from_secs(1))).unwrap().unwrap();
        let stored = Stored { type_fingerprint: Digest::of_bytes(b"t"), value: b"v"[..].into() };
        let key = Digest::of_bytes(b"k");
        one.put(vec![Insert { key, stored: stored.clone(), ttl: None }]).await.unwrap();
        assert_eq!(other.get(&[key]).await.unwrap(), [Some(stored)]);
    }
}
