//! The cache against real servers.
//! What a cache promises is in the conformance suite.

use super::*;
use crate::cache::conformance::Harness;
use crate::state::redis::server::Server;

/// A cache with its server; each case has its own.
struct Owned {
    cache: RedisCache,
    server: Server,
}

#[async_trait]
impl Cache for Owned {
    async fn get(&self, keys: &[Digest]) -> Result<Vec<Option<Stored>>, Error> {
        self.cache.get(keys).await
    }

    async fn put(&self, inserts: Vec<Insert>) -> Result<(), Error> {
        self.cache.put(inserts).await
    }

    async fn find(&self, making: &Making) -> Result<Found, Error> {
        self.cache.find(making).await
    }

    async fn put_made(&self, making: &Making, insert: Insert) -> Result<(), Error> {
        self.cache.put_made(making, insert).await
    }

    async fn give_up(&self, making: &Making) -> Result<(), Error> {
        self.cache.give_up(making).await
    }
}

fn at(text: &str) -> RedisCache {
    match StateUri::parse(text).unwrap() {
        StateUri::Redis(uri) => RedisCache::new(&uri).unwrap(),
        StateUri::Memory => panic!("not a Redis"),
    }
}

struct Plain;

#[async_trait]
impl Harness for Plain {
    async fn cache(&self) -> Arc<dyn Cache> {
        let server = Server::start();
        Arc::new(Owned { cache: at(&server.uri()), server })
    }
}

crate::cache_conformance!(tokio::test, Plain);

#[tokio::test]
async fn damaged_and_foreign_entries_are_no_hits_and_told_once() {
    let server = Server::start();
    let owned = Owned { cache: at(&server.socket_uri()), server };
    let keys = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")];
    owned.server.cli(&["SET", &name(&keys[0]), "something else"]);
    owned.server.cli(&["HSET", &name(&keys[1]), "a", "hash"]);
    let stored = Stored { type_fingerprint: Digest::of(b"t"), value: b"v"[..].into() };
    owned.put(vec![Insert { key: keys[2], stored: stored.clone(), ttl: None }]).await.unwrap();
    assert_eq!(owned.get(&keys).await.unwrap(), [None, None, Some(stored.clone())]);
    assert_eq!(owned.cache.notices().len(), 1);
    owned.get(&keys).await.unwrap();
    assert_eq!(owned.cache.notices(), []);
    for key in &keys[..2] {
        let making = Making { key: *key, maker: 1, hold: std::time::Duration::from_secs(9) };
        assert_eq!(owned.find(&making).await.unwrap(), Found::Mine);
        let insert = Insert { key: *key, stored: stored.clone(), ttl: None };
        owned.put_made(&making, insert).await.unwrap();
        assert!(matches!(owned.find(&making).await.unwrap(), Found::Stored(_)));
    }
}
