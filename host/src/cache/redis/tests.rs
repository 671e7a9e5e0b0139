//! Tests of the Redis cache against real servers.
//! The contract is tested by the conformance suite.

use super::*;
use crate::cache::conformance::Harness;
use crate::state::redis::server::Server;

/// A cache that owns its server; each case has its own.
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

    async fn find(&self, request: &MakeRequest) -> Result<Found, Error> {
        self.cache.find(request).await
    }

    async fn put_made(&self, request: &MakeRequest, insert: Insert) -> Result<(), Error> {
        self.cache.put_made(request, insert).await
    }

    async fn give_up(&self, request: &MakeRequest) -> Result<(), Error> {
        self.cache.give_up(request).await
    }

    async fn wait_made(&self, key: &Digest, max_wait: Duration) {
        self.cache.wait_made(key, max_wait).await;
    }
}

fn open_cache(text: &str) -> RedisCache {
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
        Arc::new(Owned { cache: open_cache(&server.uri()), server })
    }
}

crate::cache_conformance!(tokio::test, Plain);

#[tokio::test]
async fn damaged_and_foreign_entries_are_misses_reported_once() {
    let server = Server::start();
    let owned = Owned { cache: open_cache(&server.socket_uri()), server };
    let keys = [Digest::of_bytes(b"a"), Digest::of_bytes(b"b"), Digest::of_bytes(b"c")];
    owned.server.cli(&["SET", &name(&keys[0]), "something else"]);
    owned.server.cli(&["HSET", &name(&keys[1]), "a", "hash"]);
    let stored = Stored { type_fingerprint: Digest::of_bytes(b"t"), value: b"v"[..].into(), run: None };
    owned.put(vec![Insert { key: keys[2], stored: stored.clone(), ttl: None }]).await.unwrap();
    assert_eq!(owned.get(&keys).await.unwrap(), [None, None, Some(stored.clone())]);
    assert_eq!(owned.cache.notices().len(), 1);
    owned.get(&keys).await.unwrap();
    assert_eq!(owned.cache.notices(), []);
    for key in &keys[..2] {
        let request = MakeRequest { key: *key, maker: 1, hold: Duration::from_mins(1) };
        assert_eq!(owned.find(&request).await.unwrap(), Found::Mine);
        let insert = Insert { key: *key, stored: stored.clone(), ttl: None };
        owned.put_made(&request, insert).await.unwrap();
        assert!(matches!(owned.find(&request).await.unwrap(), Found::Stored(_)));
    }
}

/// Maximum delay until a waiter is woken; without a wake-up, it waits for a minute.
const MAX_WAKE_DELAY: Duration = Duration::from_secs(20);

/// Waits on one host for an entry that another computes, and returns how long that took.
async fn wait_until_ended(
    host: &RedisCache,
    maker: &RedisCache,
    end: impl AsyncFnOnce(&RedisCache, &MakeRequest),
) -> Duration {
    let hold = Duration::from_mins(1);
    let (one, other) = (
        MakeRequest { key: Digest::of_bytes(b"k"), maker: 1, hold },
        MakeRequest { key: Digest::of_bytes(b"k"), maker: 2, hold },
    );
    assert_eq!(maker.find(&one).await.unwrap(), Found::Mine);
    assert_eq!(host.find(&other).await.unwrap(), Found::Theirs);
    assert_eq!(maker.find(&one).await.unwrap(), Found::Mine, "the maker renews its hold, and has a waiter");
    let start = std::time::Instant::now();
    let all = host.wait_made(&one.key, Duration::from_mins(1));
    tokio::join!(all, end(maker, &one));
    start.elapsed()
}

#[tokio::test]
async fn waiters_on_other_hosts_are_woken_each_time() {
    let server = Server::start();
    let (one, other) = (open_cache(&server.uri()), open_cache(&server.socket_uri()));
    for _ in 0..2 {
        let took =
            wait_until_ended(&other, &one, async |maker, request| maker.give_up(request).await.unwrap())
                .await;
        assert!(took < MAX_WAKE_DELAY, "{took:?}");
    }
    // Many waiters share one host, and the waiter that reads for the others may leave at any time.
    let key = Digest::of_bytes(b"k");
    let brief = async {
        other.wait_made(&key, Duration::from_millis(50)).await;
        let stored = Stored { type_fingerprint: Digest::of_bytes(b"t"), value: b"v"[..].into(), run: None };
        let request = MakeRequest { key, maker: 3, hold: Duration::from_mins(1) };
        assert_eq!(one.find(&request).await.unwrap(), Found::Mine);
        assert_eq!(other.find(&MakeRequest { maker: 4, ..request }).await.unwrap(), Found::Theirs);
        one.put_made(&request, Insert { key, stored, ttl: None }).await.unwrap();
    };
    let start = std::time::Instant::now();
    let max_wait = Duration::from_mins(1);
    tokio::join!(brief, other.wait_made(&key, max_wait), other.wait_made(&key, max_wait));
    assert!(start.elapsed() < MAX_WAKE_DELAY, "{:?}", start.elapsed());
}
