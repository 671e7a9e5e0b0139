//! A wrapper that gives entries without a TTL a default one.
//! Storing entries is left to the wrapped cache.

use crate::cache::{Cache, Found, Insert, MakeRequest, Stored};
use crate::model::Digest;
use crate::state::{Error, Health, Notice};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Returns a cache that keeps entries without a TTL for `ttl`; the cache itself if there is none.
pub(crate) fn with_ttl(cache: Arc<dyn Cache>, ttl: Option<Duration>) -> Arc<dyn Cache> {
    match ttl {
        Some(ttl) => Arc::new(WithTtl { cache, ttl }),
        None => cache,
    }
}

/// The wrapped cache and the default TTL.
struct WithTtl {
    cache: Arc<dyn Cache>,
    ttl: Duration,
}

#[async_trait]
impl Cache for WithTtl {
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, Error> {
        self.cache.get(keys).await
    }

    async fn put(&self, mut inserts: Vec<Insert>) -> Result<(), Error> {
        for insert in &mut inserts {
            insert.ttl.get_or_insert(self.ttl);
        }
        self.cache.put(inserts).await
    }

    async fn find(&self, request: &MakeRequest) -> Result<Found, Error> {
        self.cache.find(request).await
    }

    async fn put_made(&self, request: &MakeRequest, mut insert: Insert) -> Result<(), Error> {
        insert.ttl.get_or_insert(self.ttl);
        self.cache.put_made(request, insert).await
    }

    async fn give_up(&self, request: &MakeRequest) -> Result<(), Error> {
        self.cache.give_up(request).await
    }

    async fn wait_made(&self, key: &Digest, max_wait: Duration) {
        self.cache.wait_made(key, max_wait).await;
    }

    fn health(&self) -> Option<watch::Receiver<Health>> {
        self.cache.health()
    }

    fn notices(&self) -> Vec<Notice> {
        self.cache.notices()
    }
}
