//! Conformance of buckets: shared by all, exactly-once, and bounded.
//! Bounds that the types enforce are tested in `state/buckets.rs`.

use crate::state::conformance::Harness;
use crate::state::conformance::fixture::{must, must_fail, only};
use crate::state::{
    BucketName, Buckets, ErrorKind, Key, Keys, MAX_KEYS, MAX_VALUE, Swap, Swapped, Value, Writes,
};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;

/// A bucket of a backend.
#[derive(Clone)]
struct BucketFixture {
    buckets: Arc<dyn Buckets>,
    bucket: BucketName,
}

impl BucketFixture {
    async fn new(harness: &impl Harness) -> (Arc<dyn crate::state::Backend>, Self) {
        let backend = harness.backend().await;
        let bench = Self { buckets: backend.buckets(), bucket: must(BucketName::new("shared")) };
        (backend, bench)
    }

    async fn get(&self, key: &str) -> Option<Bytes> {
        only(must(self.buckets.get(&self.bucket, &self::key(key).into()).await))
    }

    async fn write(&self, writes: &[(&str, Option<&str>)]) {
        let value = |value: &str| must(Value::new(value.to_owned()));
        let writes = writes.iter().map(|(name, text)| (key(name), text.map(value)));
        let writes = must(Writes::new(writes.collect()));
        must(self.buckets.write(&self.bucket, &writes).await);
    }

    async fn increment(&self, name: &str, delta: i64) -> i64 {
        must(self.buckets.increment(&self.bucket, &key(name), delta).await)
    }

    async fn swap(&self, name: &str, expected: Option<&str>, value: &str) -> Swapped {
        let expected = expected.map(|text| text.to_owned().into());
        let swap = Swap { expected, value: must(Value::new(value.to_owned())) };
        must(self.buckets.swap(&self.bucket, &key(name), &swap).await)
    }
}

fn key(name: &str) -> Key {
    must(Key::new(name))
}

fn bytes(text: &str) -> Bytes {
    text.to_owned().into()
}

/// A value exists from its first write until it is deleted.
pub async fn value_is_stored_until_deleted(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    let exists = async |name| must(bench.buckets.exists(&bench.bucket, &key(name)).await);
    assert_eq!((bench.get("k").await, exists("k").await), (None, false));
    bench.write(&[("k", Some("a"))]).await;
    assert_eq!((bench.get("k").await, exists("k").await), (Some(bytes("a")), true));
    bench.write(&[("k", Some(""))]).await;
    assert_eq!((bench.get("k").await, exists("k").await), (Some(bytes("")), true));
    bench.write(&[("k", None), ("never", None)]).await;
    assert_eq!((bench.get("k").await, exists("k").await), (None, false));
}

/// Many keys are written and read in one operation, in order.
pub async fn many_keys_are_written_and_read_together(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    bench.write(&[("b", Some("0"))]).await;
    bench.write(&[("a", Some("1")), ("b", None), ("c", Some("2")), ("c", Some("3"))]).await;
    let keys = must(Keys::new(vec![key("c"), key("b"), key("a"), key("c")]));
    let values = must(bench.buckets.get(&bench.bucket, &keys).await);
    assert_eq!(values, [Some(bytes("3")), None, Some(bytes("1")), Some(bytes("3"))]);
    let none = must(Keys::new(Vec::new()));
    assert_eq!(must(bench.buckets.get(&bench.bucket, &none).await), []);
    bench.write(&[]).await;
}

/// Buckets with different names are separate; one name is one bucket.
pub async fn buckets_of_the_same_name_are_shared(harness: &impl Harness) {
    let (backend, bench) = BucketFixture::new(harness).await;
    let another = harness.again().await;
    let same = another.as_ref().unwrap_or(&backend).buckets();
    let same = BucketFixture { buckets: same, ..bench.clone() };
    let other = BucketFixture { bucket: must(BucketName::new("other")), ..bench.clone() };
    bench.write(&[("k", Some("a"))]).await;
    assert_eq!((same.get("k").await, other.get("k").await), (Some(bytes("a")), None));
}

/// Keys are listed in order and by pages; keys that exist throughout are listed once.
pub async fn keys_are_listed_in_ordered_pages(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    let empty = must(bench.buckets.list(&bench.bucket, None).await);
    assert_eq!((empty.keys.len(), empty.next), (0, None));
    let names: Vec<String> = (0..2 * MAX_KEYS + 5).map(|at| format!("k{at:05}")).collect();
    for chunk in names.chunks(MAX_KEYS) {
        let writes: Vec<_> = chunk.iter().map(|name| (name.as_str(), Some("v"))).collect();
        bench.write(&writes).await;
    }
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let page = must(bench.buckets.list(&bench.bucket, after.as_ref()).await);
        assert!(page.keys.len() <= MAX_KEYS);
        // Keys are deleted while the listing goes on.
        let removals: Vec<_> = page.keys.iter().map(|key| (key.as_str(), None)).collect();
        bench.write(&removals).await;
        listed.extend(page.keys.iter().map(|key| key.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(listed, names);
    assert_eq!(must(bench.buckets.list(&bench.bucket, None).await).keys, []);
    bench.increment("n", 1).await;
    bench.swap("s", None, "v").await;
    let keys = must(bench.buckets.list(&bench.bucket, None).await).keys;
    assert_eq!(keys, [key("n"), key("s")], "however a key came to be there");
}

/// A number is incremented, and is stored as text.
pub async fn increment_adds_to_a_number(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    assert_eq!(bench.increment("n", 5).await, 5);
    assert_eq!(bench.increment("n", -7).await, -2);
    assert_eq!(bench.increment("n", 0).await, -2);
    assert_eq!(bench.get("n").await, Some(bytes("-2")));
    bench.write(&[("n", Some("9223372036854775000"))]).await;
    assert_eq!(bench.increment("n", 807).await, i64::MAX, "with every digit");
    assert_eq!(bench.increment("low", i64::MIN).await, i64::MIN);
}

/// A value that is no number, or whose sum would overflow, stays unchanged.
pub async fn increment_of_a_non_number_is_rejected(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    for text in ["", "x", "1.5", " 1", "007", "+1", "-0", "9223372036854775807", "9223372036854775808"] {
        bench.write(&[("k", Some(text))]).await;
        let error = must_fail(bench.buckets.increment(&bench.bucket, &key("k"), 1).await);
        assert_eq!(error.kind, ErrorKind::Declined, "{text:?}: {error}");
        assert_eq!(bench.get("k").await, Some(bytes(text)));
    }
}

/// A swap succeeds only with the expected value.
pub async fn swap_replaces_only_the_expected_value(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    assert_eq!(bench.swap("k", Some("a"), "b").await, Swapped::Other(None));
    assert_eq!(bench.swap("k", None, "a").await, Swapped::Done);
    assert_eq!(bench.swap("k", None, "b").await, Swapped::Other(Some(bytes("a"))));
    assert_eq!(bench.swap("k", Some("b"), "c").await, Swapped::Other(Some(bytes("a"))));
    assert_eq!(bench.swap("k", Some("a"), "b").await, Swapped::Done);
    assert_eq!(bench.get("k").await, Some(bytes("b")));
}

/// Concurrent increments and swaps are all kept.
pub async fn concurrent_writes_are_all_stored(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    let mut many = JoinSet::new();
    for at in 0..20 {
        let bench = bench.clone();
        many.spawn(async move {
            let mut sums = Vec::new();
            for _ in 0..10 {
                sums.push(bench.increment("n", 1).await);
            }
            let own = format!("{at},");
            let mut seen: Option<Bytes> = None;
            loop {
                let text = seen.as_ref().map(|seen| String::from_utf8_lossy(seen).into_owned());
                let next = format!("{}{own}", text.as_deref().unwrap_or_default());
                match bench.swap("s", text.as_deref(), &next).await {
                    Swapped::Done => return sums,
                    Swapped::Other(other) => seen = other,
                }
            }
        });
    }
    let sums: BTreeSet<i64> = many.join_all().await.into_iter().flatten().collect();
    assert_eq!(sums, (1..=200).collect(), "each sum was given to one");
    let text = bench.get("s").await.unwrap_or_default();
    assert_eq!(String::from_utf8_lossy(&text).matches(',').count(), 20);
}

/// A read of too many bytes is declined, and succeeds in smaller portions.
pub async fn oversized_operations_are_rejected(harness: &impl Harness) {
    let (_backend, bench) = BucketFixture::new(harness).await;
    let value = "v".repeat(MAX_VALUE);
    let names: Vec<String> = (0..9).map(|at| format!("k{at}")).collect();
    for name in &names {
        bench.write(&[(name, Some(&value))]).await;
    }
    let keys = |names: &[String]| must(Keys::new(names.iter().map(|name| key(name)).collect()));
    let error = must_fail(bench.buckets.get(&bench.bucket, &keys(&names)).await);
    assert_eq!(error.kind, ErrorKind::Declined);
    assert!(error.to_string().contains("9437184 bytes"), "{error}");
    assert_eq!(must(bench.buckets.get(&bench.bucket, &keys(&names[..8])).await).len(), 8);
}
