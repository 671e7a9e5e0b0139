//! The conformance suite of caches: one case per sentence of the contract, run unchanged on every cache.
//! A [`Harness`] makes the caches; `cache_conformance!` turns the cases into tests.

use crate::cache::{Cache, Found, Insert, MakeRequest, Stored};
use crate::model::{Digest, RunId};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A TTL that a case waits for.
const SHORT_TTL: Duration = Duration::from_millis(500);

/// A wait after which [`SHORT_TTL`] has passed.
const AFTER_TTL: Duration = Duration::from_millis(700);

/// A TTL longer than any case takes, on any machine.
const LONG_TTL: Duration = Duration::from_mins(1);

/// Maximum delay until a waiter is woken. Much less than [`LONG_TTL`], the timeout of the wait.
const MAX_WAKE_DELAY: Duration = Duration::from_secs(20);

/// Makes the caches under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Returns an empty cache.
    async fn cache(&self) -> Arc<dyn Cache>;
}

/// Turns each case into a test: `cache_conformance!(tokio::test, harness)`, where `harness` is an expression that is
/// evaluated for each case. A store without I/O can have `tokio::test(start_paused = true)`.
#[macro_export]
macro_rules! cache_conformance {
    ($attribute:meta, $harness:expr) => {
        $crate::cache_conformance!(@ $attribute, $harness,
            get_replies_in_key_order
            put_replaces_an_entry
            expired_entry_is_a_miss
            put_restarts_the_ttl
            each_entry_has_its_own_ttl
            entry_keeps_its_type_and_bytes
            missing_entry_is_computed_by_one_maker
            given_up_entry_is_computed_by_another_maker
            silent_maker_loses_the_entry_after_its_hold
        );
    };
    (@ $attribute:meta, $harness:expr, $($case:ident)*) => {
        $(
            #[$attribute]
            async fn $case() {
                $crate::port::conformance::cache::$case(&$harness).await;
            }
        )*
    };
}

fn stored(value: &[u8]) -> Stored {
    Stored {
        type_fingerprint: Digest::of_bytes(b"type"),
        value: value.to_vec().into(),
        run: RunId::new("r1").ok(),
    }
}

async fn put(cache: &dyn Cache, key: &str, value: &[u8], ttl: Option<Duration>) {
    let insert = Insert { key: Digest::of_bytes(key.as_bytes()), stored: stored(value), ttl };
    let put = cache.put(vec![insert]).await;
    assert!(put.is_ok(), "{put:?}");
}

async fn get(cache: &dyn Cache, keys: &[&str]) -> Vec<Option<Stored>> {
    let keys: Vec<Digest> = keys.iter().map(|key| Digest::of_bytes(key.as_bytes())).collect();
    let got = cache.get(&keys).await;
    assert!(got.is_ok(), "{got:?}");
    got.unwrap_or_default()
}

/// Replies come in the order of the keys, and missing entries are none.
pub async fn get_replies_in_key_order(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "b", b"2", None).await;
    let got = get(&*cache, &["b", "none", "a"]).await;
    assert_eq!(got, [Some(stored(b"2")), None, Some(stored(b"1"))]);
    assert_eq!(get(&*cache, &[]).await, []);
}

/// A second put replaces the entry.
pub async fn put_replaces_an_entry(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "a", b"2", None).await;
    assert_eq!(get(&*cache, &["a"]).await, [Some(stored(b"2"))]);
}

/// An expired entry is none.
pub async fn expired_entry_is_a_miss(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", Some(SHORT_TTL)).await;
    put(&*cache, "b", b"2", Some(LONG_TTL)).await;
    assert_eq!(get(&*cache, &["b"]).await, [Some(stored(b"2"))]);
    tokio::time::sleep(AFTER_TTL).await;
    assert_eq!(get(&*cache, &["a", "b"]).await, [None, Some(stored(b"2"))]);
}

/// Replacing an entry restarts its TTL.
pub async fn put_restarts_the_ttl(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", Some(SHORT_TTL)).await;
    put(&*cache, "a", b"1", Some(LONG_TTL)).await;
    tokio::time::sleep(AFTER_TTL).await;
    assert_eq!(get(&*cache, &["a"]).await, [Some(stored(b"1"))]);
}

/// Each entry has its own TTL.
pub async fn each_entry_has_its_own_ttl(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "b", b"2", Some(SHORT_TTL)).await;
    tokio::time::sleep(AFTER_TTL).await;
    assert_eq!(get(&*cache, &["a", "b"]).await, [Some(stored(b"1")), None]);
}

/// An entry is returned with its type and every byte of its value.
pub async fn entry_keeps_its_type_and_bytes(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let all: Vec<u8> = (0..=255).collect();
    for (key, value) in [("none", &[][..]), ("all", &all)] {
        put(&*cache, key, value, None).await;
        assert_eq!(get(&*cache, &[key]).await, [Some(stored(value))]);
    }
}

fn request(maker: u64) -> MakeRequest {
    MakeRequest { key: Digest::of_bytes(b"made"), maker, hold: LONG_TTL }
}

async fn find(cache: &dyn Cache, request: &MakeRequest) -> Option<Found> {
    let found = cache.find(request).await;
    assert!(found.is_ok(), "{found:?}");
    found.ok()
}

/// Single-flight: the first maker computes a missing entry; the others wait and find it.
pub async fn missing_entry_is_computed_by_one_maker(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let (first, second) = (request(1), request(2));
    assert_eq!(find(&*cache, &first).await, Some(Found::Mine));
    assert_eq!(find(&*cache, &second).await, Some(Found::Theirs));
    assert_eq!(find(&*cache, &first).await, Some(Found::Mine), "the same maker asks again");
    let insert = |ttl| Insert { key: first.key, stored: stored(b"1"), ttl: Some(ttl) };
    let wait = async {
        let start = Instant::now();
        cache.wait_made(&first.key, LONG_TTL).await;
        start.elapsed()
    };
    let (waited, put) = tokio::join!(wait, cache.put_made(&first, insert(LONG_TTL)));
    assert!(put.is_ok(), "{put:?}");
    assert!(waited < MAX_WAKE_DELAY, "the waiter was not woken in time: {waited:?}");
    assert_eq!(find(&*cache, &second).await, Some(Found::Stored(stored(b"1"))));
    assert_eq!(get(&*cache, &["made"]).await, [Some(stored(b"1"))]);
    let put = cache.put_made(&first, insert(SHORT_TTL)).await;
    assert!(put.is_ok(), "{put:?}");
    tokio::time::sleep(AFTER_TTL).await;
    assert_eq!(find(&*cache, &second).await, Some(Found::Mine), "the TTL has passed");
}

/// A given-up entry is computed by another maker. A maker that has lost the entry cannot end its computation.
pub async fn given_up_entry_is_computed_by_another_maker(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let (first, second, third) = (request(1), request(2), request(3));
    assert_eq!(find(&*cache, &first).await, Some(Found::Mine));
    assert!(cache.give_up(&second).await.is_ok());
    assert_eq!(find(&*cache, &second).await, Some(Found::Theirs));
    assert!(cache.give_up(&first).await.is_ok());
    assert_eq!(find(&*cache, &second).await, Some(Found::Mine));
    assert!(cache.give_up(&first).await.is_ok());
    assert_eq!(find(&*cache, &third).await, Some(Found::Theirs));
}

/// A silent maker loses the entry after its hold; asking again renews the hold.
pub async fn silent_maker_loses_the_entry_after_its_hold(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let mut hold = SHORT_TTL;
    while !is_held(&*cache, hold).await {
        hold *= 2;
        assert!(hold < LONG_TTL, "no reply arrived within a hold");
    }
}

/// Returns whether the machine was fast enough to observe that a hold lasts.
async fn is_held(cache: &dyn Cache, hold: Duration) -> bool {
    let key = Digest::of_bytes(format!("{hold:?}").as_bytes());
    let (first, second) = (MakeRequest { key, maker: 1, hold }, MakeRequest { key, maker: 2, hold });
    assert_eq!(find(cache, &first).await, Some(Found::Mine));
    tokio::time::sleep(hold * 2 / 3).await;
    let asked = Instant::now();
    assert_eq!(find(cache, &first).await, Some(Found::Mine));
    tokio::time::sleep(hold * 2 / 3).await;
    let found = find(cache, &second).await;
    // Caches may count whole milliseconds.
    if asked.elapsed() + Duration::from_millis(2) > hold {
        return false;
    }
    assert_eq!(found, Some(Found::Theirs));
    tokio::time::sleep(hold).await;
    assert_eq!(find(cache, &second).await, Some(Found::Mine));
    true
}
