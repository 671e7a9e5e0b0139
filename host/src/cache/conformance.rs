//! Every sentence of the cache's contract as a case that each cache runs unchanged.
//! Making a cache is for its [`Harness`]; `cache_conformance!` turns the cases into tests.

use crate::cache::Cache;
use crate::cache::Found;
use crate::cache::Insert;
use crate::cache::Making;
use crate::cache::Stored;
use crate::model::Digest;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes caches to be tested.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A cache without entries.
    async fn cache(&self) -> Arc<dyn Cache>;
}

/// Makes a test of each case: `cache_conformance!(tokio::test(start_paused = true), harness)`.
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
    Stored { type_fingerprint: Digest::of(b"type"), value: value.to_vec().into() }
}

async fn put(cache: &dyn Cache, key: &str, value: &[u8], ttl: Option<Duration>) {
    let insert = Insert { key: Digest::of(key.as_bytes()), stored: stored(value), ttl };
    let put = cache.put(vec![insert]).await;
    assert!(put.is_ok(), "{put:?}");
}

async fn get(cache: &dyn Cache, keys: &[&str]) -> Vec<Option<Stored>> {
    let keys: Vec<Digest> = keys.iter().map(|key| Digest::of(key.as_bytes())).collect();
    let got = cache.get(&keys).await;
    assert!(got.is_ok(), "{got:?}");
    got.unwrap_or_default()
}

/// Answers come in the order of the keys, and what is not there is none.
pub async fn answers_come_in_the_order_of_the_keys(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "b", b"2", None).await;
    let got = get(&*cache, &["b", "none", "a"]).await;
    assert_eq!(got, [Some(stored(b"2")), None, Some(stored(b"1"))]);
    assert_eq!(get(&*cache, &[]).await, []);
}

/// An entry that is there already is replaced.
pub async fn a_second_put_replaces_the_first(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "a", b"2", None).await;
    assert_eq!(get(&*cache, &["a"]).await, [Some(stored(b"2"))]);
}

/// An entry past its time is none.
pub async fn an_entry_past_its_time_is_none(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", Some(Duration::from_millis(500))).await;
    assert_eq!(get(&*cache, &["a"]).await, [Some(stored(b"1"))]);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(get(&*cache, &["a"]).await, [None]);
}

/// Replacing an entry begins its time anew.
pub async fn a_second_put_begins_the_time_anew(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", Some(Duration::from_millis(500))).await;
    put(&*cache, "a", b"1", Some(Duration::from_mins(1))).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(get(&*cache, &["a"]).await, [Some(stored(b"1"))]);
}

/// Times are each entry's own.
pub async fn an_entry_without_a_time_outlives_others(harness: &dyn Harness) {
    let cache = harness.cache().await;
    put(&*cache, "a", b"1", None).await;
    put(&*cache, "b", b"2", Some(Duration::from_millis(500))).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(get(&*cache, &["a", "b"]).await, [Some(stored(b"1")), None]);
}

/// Nothing of an entry is lost or added.
pub async fn an_entry_keeps_its_type_and_any_bytes(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let all: Vec<u8> = (0..=255).collect();
    for (key, value) in [("none", &[][..]), ("all", &all)] {
        put(&*cache, key, value, None).await;
        assert_eq!(get(&*cache, &[key]).await, [Some(stored(value))]);
    }
}

fn making(maker: u64) -> Making {
    Making { key: Digest::of(b"made"), maker, hold: Duration::from_millis(600) }
}

async fn find(cache: &dyn Cache, making: &Making) -> Option<Found> {
    let found = cache.find(making).await;
    assert!(found.is_ok(), "{found:?}");
    found.ok()
}

/// What is missing is made by whoever comes first; the others wait, and find it once it is there.
pub async fn what_is_missing_is_made_by_one(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let (one, other) = (making(1), making(2));
    assert_eq!(find(&*cache, &one).await, Some(Found::Mine));
    assert_eq!(find(&*cache, &other).await, Some(Found::Theirs));
    assert_eq!(find(&*cache, &one).await, Some(Found::Mine), "a maker that asks again");
    let insert = || Insert { key: one.key, stored: stored(b"1"), ttl: Some(Duration::from_millis(500)) };
    let waits = async {
        let began = Instant::now();
        cache.made(&one.key, Duration::from_mins(1)).await;
        began.elapsed()
    };
    let (waited, put) = tokio::join!(waits, cache.put_made(&one, insert()));
    assert!(put.is_ok(), "{put:?}");
    assert!(waited < Duration::from_secs(2), "who waits hears of it: {waited:?}");
    assert_eq!(find(&*cache, &other).await, Some(Found::Stored(stored(b"1"))));
    assert_eq!(get(&*cache, &["made"]).await, [Some(stored(b"1"))]);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(find(&*cache, &other).await, Some(Found::Mine), "its time has passed");
}

/// What a maker gives up is made by another; one that has lost it to another ends nothing.
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

/// A maker that says nothing is not waited for longer than its hold; one that asks again holds on.
pub async fn a_maker_that_says_nothing_is_not_waited_for_beyond_its_hold(harness: &dyn Harness) {
    let cache = harness.cache().await;
    let (one, other) = (making(1), making(2));
    assert_eq!(find(&*cache, &one).await, Some(Found::Mine));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(find(&*cache, &one).await, Some(Found::Mine));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(find(&*cache, &other).await, Some(Found::Theirs));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(find(&*cache, &other).await, Some(Found::Mine));
}
