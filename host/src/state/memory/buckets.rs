//! Buckets in the memory of this process, shared by its runs and lost with it.
//! The total size is bounded, because guests fill the host's own memory; limits per operation are in
//! `state/buckets.rs`.

use crate::state::{
    BucketName, Buckets, Error, ErrorKind, Key, Keys, MAX_BYTES, MAX_KEYS, Page, Swap, Swapped, Value, Writes,
};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Quota of all buckets together, in bytes: a guest that writes without end must not exhaust the host.
const MAX_TOTAL: usize = 256 << 20;

/// Overhead of an entry beside its key and value, in bytes.
const ENTRY_COST: usize = 128;

/// All buckets of the process.
#[derive(Default)]
pub(crate) struct MemoryBuckets {
    // A mutex, because guests on many threads share the buckets. Each section is one bounded operation.
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    buckets: HashMap<BucketName, BTreeMap<Key, Bytes>>,
    bytes: usize,
}

impl MemoryBuckets {
    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn value(&self, bucket: &BucketName, key: &Key) -> Option<&Bytes> {
        self.buckets.get(bucket)?.get(key)
    }

    fn cost(&self, bucket: &BucketName, key: &Key) -> usize {
        self.value(bucket, key).map_or(0, |value| cost(key, value))
    }

    /// Performs all writes or none.
    fn write<'a>(
        &mut self,
        bucket: &BucketName,
        writes: impl Iterator<Item = (&'a Key, Option<Bytes>)> + Clone,
    ) -> Result<(), Error> {
        let freed: usize = writes.clone().map(|(key, _)| self.cost(bucket, key)).sum();
        let added: usize =
            writes.clone().map(|(key, value)| value.map_or(0, |value| cost(key, &value))).sum();
        let bytes = self.bytes.saturating_sub(freed).saturating_add(added);
        if bytes > MAX_TOTAL && added > freed {
            return Err(Error::new(
                ErrorKind::Declined,
                format!("the buckets in the memory of this host have reached {} MiB", MAX_TOTAL >> 20),
            )
            .hint("Store them in Redis, which has its own limits: `--state redis://HOST`."));
        }
        let entries = self.buckets.entry(bucket.clone()).or_default();
        for (key, value) in writes {
            match value {
                Some(value) => drop(entries.insert(key.clone(), value)),
                None => drop(entries.remove(key)),
            }
        }
        if entries.is_empty() {
            self.buckets.remove(bucket);
        }
        self.bytes = bytes;
        Ok(())
    }
}

fn cost(key: &Key, value: &Bytes) -> usize {
    key.as_str().len() + value.len() + ENTRY_COST
}

/// Parses a number in its canonical form; other spellings are rejected.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

#[async_trait]
impl Buckets for MemoryBuckets {
    async fn get(&self, bucket: &BucketName, keys: &Keys) -> Result<Vec<Option<Bytes>>, Error> {
        let all = self.all();
        let values: Vec<_> = keys.as_slice().iter().map(|key| all.value(bucket, key).cloned()).collect();
        let size = values.iter().flatten().map(Bytes::len).sum();
        if size > MAX_BYTES { Err(Error::too_much(size)) } else { Ok(values) }
    }

    async fn exists(&self, bucket: &BucketName, key: &Key) -> Result<bool, Error> {
        Ok(self.all().value(bucket, key).is_some())
    }

    async fn list(&self, bucket: &BucketName, after: Option<&Key>) -> Result<Page, Error> {
        let all = self.all();
        let Some(entries) = all.buckets.get(bucket) else {
            return Ok(Page::sorted(Vec::new()));
        };
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let keys = entries.range::<Key, _>((begin, Bound::Unbounded)).map(|(key, _)| key.clone());
        Ok(Page::sorted(keys.take(MAX_KEYS + 1).collect()))
    }

    async fn write(&self, bucket: &BucketName, writes: &Writes) -> Result<(), Error> {
        let bytes = |(key, value): (_, Option<&Value>)| (key, value.map(|value| value.bytes().clone()));
        let writes: Vec<_> = writes.iter().map(bytes).collect();
        self.all().write(bucket, writes.iter().map(|(key, value)| (*key, value.clone())))
    }

    async fn increment(&self, bucket: &BucketName, key: &Key, delta: i64) -> Result<i64, Error> {
        let mut all = self.all();
        let current = all.value(bucket, key).map_or(Some(0), |value| number(value));
        let sum = current.and_then(|number| number.checked_add(delta)).ok_or_else(Error::not_a_number)?;
        all.write(bucket, std::iter::once((key, Some(sum.to_string().into()))))?;
        Ok(sum)
    }

    async fn swap(&self, bucket: &BucketName, key: &Key, swap: &Swap) -> Result<Swapped, Error> {
        let mut all = self.all();
        let current = all.value(bucket, key);
        if current != swap.expected.as_ref() {
            return Ok(Swapped::Other(current.cloned()));
        }
        all.write(bucket, std::iter::once((key, Some(swap.value.bytes().clone()))))?;
        Ok(Swapped::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};

    fn writes(key: &str, value: Option<Vec<u8>>) -> Writes {
        let value = value.map(|value| Value::new(value).unwrap());
        Writes::new(vec![(Key::new(key).unwrap(), value)]).unwrap()
    }

    #[tokio::test]
    async fn writes_beyond_the_quota_are_declined_until_space_is_freed() {
        let buckets = MemoryBuckets::default();
        let bucket = BucketName::new("b").unwrap();
        let value = vec![0; 1 << 20];
        for idx in 0..255 {
            buckets.write(&bucket, &writes(&idx.to_string(), Some(value.clone()))).await.unwrap();
        }
        let full = buckets.write(&bucket, &writes("more", Some(value.clone()))).await.unwrap_err();
        assert_eq!(full.kind, ErrorKind::Declined);
        assert_eq!(full.to_string(), "the buckets in the memory of this host have reached 256 MiB");
        buckets.write(&bucket, &writes("0", Some(value.clone()))).await.unwrap();
        buckets.write(&bucket, &writes("0", None)).await.unwrap();
        buckets.write(&bucket, &writes("more", Some(value))).await.unwrap();
    }

    #[tokio::test]
    async fn deleted_entries_cost_nothing() {
        let buckets = MemoryBuckets::default();
        let bucket = BucketName::new("b").unwrap();
        buckets.write(&bucket, &writes("a", Some(vec![1]))).await.unwrap();
        assert_eq!(buckets.all().bytes, 2 + ENTRY_COST);
        buckets.write(&bucket, &writes("a", None)).await.unwrap();
        let all = buckets.all();
        assert_eq!((all.bytes, all.buckets.len()), (0, 0));
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("grants").section("keyvalue").row("memory:").cell(1).says(&size(MAX_TOTAL));
        Page::of("limits").section("Limits of a host").line("buckets in").cell(1).says(&size(MAX_TOTAL));
    }
}
