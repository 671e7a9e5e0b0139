//! The conformance suite of caches: one case per sentence of the contract, run unchanged on every cache.
//! A [`Harness`] makes the caches; `cache_conformance!` turns the cases into tests.

use crate::cache::{Cache, Found, Insert, MakeRequest, Stored};
use crate::model::Digest;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A TTL that a case waits for.
const BRIEF: Duration = Duration::from_millis(500);

/// A wait after which [`BRIEF`] has passed.
const PAST: Duration = Duration::from_millis(700);

/// A duration that no case takes, on any machine.
const LONG: Duration = Duration::from_mins(1);

/// Longest delay until a waiter is woken. Much less than [`LONG`], the timeout of the wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// Makes the caches under test.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Returns an empty cache.
    async fn cache(&self) -> Arc<dyn Cache>;
}

/// Turns each case into a test: `cache_conformance!(tokio::test(start_paused = true), harness)`.
#[macro_export]
macro_rules! cache_conformance {
    ($attribute:meta, $harness:expr) => {
        $crate::cache_conformance!(@ $attribute, $harness,
            answers_come_in_the_order_of_the_keys
            a_second_put_replaces_the_first
            an_entry_past_its_time_is_none
            a_second_put_begins_the_time_anew
            an_entry_without_a_time_outlives_others
            an_entry_keeps_its_type_and_any_bytes
            what_is_missing_is_made_by_one
            what_is_given_up_is_made_by_another
            a_maker_that_says_nothing_is_not_waited_for_beyond_its_hold
        );
    };
    (@ $attribute:meta, $harness:expr, $($case:ident)*) => {
        $(
            #[$attribute]
            async fn $case() {
                $crate::cache::conformance::$case(&$harness).await;
            }
        )*
    };
}

fn stored(value: &[u8]) -> Stored {
    Stored { type_fingerprint: Digest::of_bytes(b"type"), value: value.to_vec().into() }
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
pub async fn answers_come_in_the_order_of_the_keys(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "b", b"2", None).await;
    let got = get(&*cache, &["b", "none", "a"]).await;
    assert_eq!(got, [Some(stored(b"2")), None, Some(stored(b"1"))]);
    assert_eq!(get(&*cache, &[]).await, []);
}

/// A second put replaces the entry.
pub async fn a_second_put_replaces_the_first(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "a", b"2", None).await;
    assert_eq!(get(&*cache, &["a"]).await, [Some(stored(b"2"))]);
}

/// An expired entry is none.
pub async fn an_entry_past_its_time_is_none(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", Some(BRIEF)).await;
    put(&*cache, "b", b"2", Some(LONG)).await;
    assert_eq!(get(&*cache, &["b"]).await, [Some(stored(b"2"))]);
    tokio::time::sleep(PAST).await;
    assert_eq!(get(&*cache, &["a", "b"]).await, [None, Some(stored(b"2"))]);
}

/// Replacing an entry restarts its TTL.
pub async fn a_second_put_begins_the_time_anew(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", Some(BRIEF)).await;
    put(&*cache, "a", b"1", Some(LONG)).await;
    tokio::time::sleep(PAST).await;
    assert_eq!(get(&*cache, &["a"]).await, [Some(stored(b"1"))]);
}

/// Each entry has its own TTL.
pub async fn an_entry_without_a_time_outlives_others(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "b", b"2", Some(BRIEF)).await;
    tokio::time::sleep(PAST).await;
    assert_eq!(get(&*cache, &["a", "b"]).await, [Some(stored(b"1")), None]);
}

/// An entry is returned with its type and every byte of its value.
pub async fn an_entry_keeps_its_type_and_any_bytes(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let all: Vec<u8> = (0..=255).collect();
    for (key, value) in [("none", &[][..]), ("all", &all)] {
        put(&*cache, key, value, None).await;
        assert_eq!(get(&*cache, &[key]).await, [Some(stored(value))]);
    }
}

fn making(maker: u64) -> MakeRequest {
    MakeRequest { key: Digest::of_bytes(b"made"), maker, hold: LONG }
}

async fn find(cache: &dyn Cache, making: &MakeRequest) -> Option<Found> {
    let found = cache.find(making).await;
    assert!(found.is_ok(), "{found:?}");
    found.ok()
}

/// Single-flight: the first maker computes a missing entry; the others wait and find it.
pub async fn what_is_missing_is_made_by_one(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let (one, other) = (making(1), making(2));
    assert_eq!(find(&*cache, &one).await, Some(Found::Mine));
    assert_eq!(find(&*cache, &other).await, Some(Found::Theirs));
    assert_eq!(find(&*cache, &one).await, Some(Found::Mine), "a maker that asks again");
    let insert = |ttl| Insert { key: one.key, stored: stored(b"1"), ttl: Some(ttl) };
    let waits = async {
        let began = Instant::now();
        cache.wait_made(&one.key, LONG).await;
        began.elapsed()
    };
    let (waited, put) = tokio::join!(waits, cache.put_made(&one, insert(LONG)));
    assert!(put.is_ok(), "{put:?}");
    assert!(waited < PATIENCE, "who waits hears of it: {waited:?}");
    assert_eq!(find(&*cache, &other).await, Some(Found::Stored(stored(b"1"))));
    assert_eq!(get(&*cache, &["made"]).await, [Some(stored(b"1"))]);
    let put = cache.put_made(&one, insert(BRIEF)).await;
    assert!(put.is_ok(), "{put:?}");
    tokio::time::sleep(PAST).await;
    assert_eq!(find(&*cache, &other).await, Some(Found::Mine), "its time has passed");
}

/// An entry that is given up is computed by another maker. A maker that has lost the entry ends nothing.
pub async fn what_is_given_up_is_made_by_another(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let (one, other, third) = (making(1), making(2), making(3));
    assert_eq!(find(&*cache, &one).await, Some(Found::Mine));
    assert!(cache.give_up(&other).await.is_ok());
    assert_eq!(find(&*cache, &other).await, Some(Found::Theirs));
    assert!(cache.give_up(&one).await.is_ok());
    assert_eq!(find(&*cache, &other).await, Some(Found::Mine));
    assert!(cache.give_up(&one).await.is_ok());
    assert_eq!(find(&*cache, &third).await, Some(Found::Theirs));
}

/// A silent maker loses the entry after its hold; asking again renews the hold.
pub async fn a_maker_that_says_nothing_is_not_waited_for_beyond_its_hold(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let mut hold = BRIEF;
    while !is_held(&*cache, hold).await {
        hold *= 2;
        assert!(hold < LONG, "no answer came within a hold");
    }
}

/// Returns whether the machine was fast enough to observe that a hold lasts.
async fn is_held(cache: &dyn Cache, hold: Duration) -> bool {
    let key = Digest::of_bytes(format!("{hold:?}").as_bytes());
    let (one, other) = (MakeRequest { key, maker: 1, hold }, MakeRequest { key, maker: 2, hold });
    assert_eq!(find(cache, &one).await, Some(Found::Mine));
    tokio::time::sleep(hold * 2 / 3).await;
    let asked = Instant::now();
    assert_eq!(find(cache, &one).await, Some(Found::Mine));
    tokio::time::sleep(hold * 2 / 3).await;
    let found = find(cache, &other).await;
    // Caches may count whole milliseconds.
    if asked.elapsed() + Duration::from_millis(2) > hold {
        return false;
    }
    assert_eq!(found, Some(Found::Theirs));
    tokio::time::sleep(hold).await;
    assert_eq!(find(cache, &other).await, Some(Found::Mine));
    true
}
