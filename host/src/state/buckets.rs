//! The buckets port: bytes by key, shared by all hosts of a backend.
//! The sandbox decides which task may open which bucket. Buckets belong to no run, so a run's TTL and its removal do
//! not touch them.

use crate::state::{Error, ErrorKind};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Maximum length of a bucket name in bytes; the name becomes part of a backend key.
const MAX_NAME: usize = 64;

/// Maximum length of a key in bytes. Guests choose keys, and a page of a listing has a thousand of them.
pub const MAX_KEY: usize = 1024;

/// Maximum size of a value in bytes. A host keeps several per guest; larger data belongs in a result or a file.
pub const MAX_VALUE: usize = 1 << 20;

/// Maximum number of keys per operation and per page of a listing; an operation blocks other clients of the server.
pub const MAX_KEYS: usize = 1000;

/// Maximum size of keys and values per write, and of values per read.
pub const MAX_BYTES: usize = 8 << 20;

/// Buckets by name. A bucket without writes is empty.
///
/// Operations are atomic and exactly-once, even if the reply is lost and the operation is repeated. An operation that
/// failed with [`crate::state::ErrorKind::Unavailable`] was performed at most once.
#[async_trait]
pub trait Buckets: Send + Sync {
    /// Returns the values of `keys`, in order; none for each missing key.
    ///
    /// More than [`MAX_BYTES`] of values in total is rejected with [`crate::state::ErrorKind::Declined`].
    async fn get(&self, bucket: &BucketName, keys: &Keys) -> Result<Vec<Option<Bytes>>, Error>;

    /// Returns whether a key exists.
    async fn exists(&self, bucket: &BucketName, key: &Key) -> Result<bool, Error>;

    /// Lists the keys after `after` in byte order, or from the first key.
    ///
    /// A key that exists from the first page of a listing to the last is returned exactly once, despite concurrent
    /// writes.
    async fn list(&self, bucket: &BucketName, after: Option<&Key>) -> Result<Page, Error>;

    /// Sets and deletes keys. Deleting a missing key does nothing.
    async fn write(&self, bucket: &BucketName, writes: &Writes) -> Result<(), Error>;

    /// Adds `delta` to a number and returns the sum. The value is stored as decimal text; a missing key counts as zero.
    ///
    /// A value that is not such a number, or a sum that overflows 64 bits, is rejected with
    /// [`crate::state::ErrorKind::Declined`]; the value stays unchanged.
    async fn increment(&self, bucket: &BucketName, key: &Key, delta: i64) -> Result<i64, Error>;

    /// Sets a key if it has the expected value (compare-and-swap).
    async fn swap(&self, bucket: &BucketName, key: &Key, swap: &Swap) -> Result<Swapped, Error>;
}

/// A bucket's name: 1 to 64 letters, digits, `.`, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketName(Arc<str>);

/// A key: 1 to [`MAX_KEY`] bytes of text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(Arc<str>);

/// A value of at most [`MAX_VALUE`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(Bytes);

/// At most [`MAX_KEYS`] keys to read.
#[derive(Debug, Clone)]
pub struct Keys(Vec<Key>);

/// Writes to at most [`MAX_KEYS`] keys and of at most [`MAX_BYTES`]: `Some` sets the key, `None` deletes it.
#[derive(Debug, Clone)]
pub struct Writes(BTreeMap<Key, Option<Value>>);

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys in byte order, at most [`MAX_KEYS`].
    pub keys: Vec<Key>,
    /// The key after which the next page begins; none on the last page.
    pub next: Option<Key>,
}

/// A compare-and-swap.
#[derive(Debug, Clone)]
pub struct Swap {
    /// The expected value; none if the key must not exist.
    pub expected: Option<Bytes>,
    /// The new value.
    pub value: Value,
}

/// The result of a swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swapped {
    /// The value was set.
    Done,
    /// The key had another value, given here; nothing was written.
    Other(Option<Bytes>),
}

/// A violated bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutOfBounds {
    /// An invalid bucket name.
    #[error("a bucket name has up to {MAX_NAME} letters, digits, `.`, `_` and `-`")]
    Name,
    /// An empty key.
    #[error("a key cannot be empty")]
    NoKey,
    /// A key of this many bytes.
    #[error("a key has {0} bytes, at most {MAX_KEY} are allowed")]
    Key(usize),
    /// A value of this many bytes.
    #[error("a value has {0} bytes, at most {MAX_VALUE} (1 MiB) are allowed")]
    Value(usize),
    /// This many keys in one operation.
    #[error("one operation has {0} keys, at most {MAX_KEYS} are allowed")]
    Keys(usize),
    /// This many bytes in one operation.
    #[error("one operation moves {0} bytes of keys and values, at most {MAX_BYTES} (8 MiB) are allowed")]
    Bytes(usize),
}

impl BucketName {
    /// Checks a text against the grammar of names.
    pub fn new(text: &str) -> Result<Self, OutOfBounds> {
        let has_valid_chars = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
        if has_valid_chars && !text.is_empty() && text.len() <= MAX_NAME {
            Ok(Self(Arc::from(text)))
        } else {
            Err(OutOfBounds::Name)
        }
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Key {
    /// Checks the length of a key.
    pub fn new(text: &str) -> Result<Self, OutOfBounds> {
        match text.len() {
            0 => Err(OutOfBounds::NoKey),
            1..=MAX_KEY => Ok(Self(Arc::from(text))),
            len => Err(OutOfBounds::Key(len)),
        }
    }

    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Value {
    /// Checks the size of a value.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, OutOfBounds> {
        let bytes = bytes.into();
        if bytes.len() <= MAX_VALUE { Ok(Self(bytes)) } else { Err(OutOfBounds::Value(bytes.len())) }
    }

    /// Returns the value's bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Keys {
    /// Checks the number of keys.
    pub fn new(keys: Vec<Key>) -> Result<Self, OutOfBounds> {
        if keys.len() <= MAX_KEYS { Ok(Self(keys)) } else { Err(OutOfBounds::Keys(keys.len())) }
    }

    /// Returns the keys.
    #[must_use]
    pub fn as_slice(&self) -> &[Key] {
        &self.0
    }
}

/// One key.
impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        Self(vec![key])
    }
}

impl Page {
    /// Makes a page of the first [`MAX_KEYS`] of `keys`, which are sorted; one key beyond them shows that there is
    /// another page.
    #[must_use]
    pub fn sorted(mut keys: Vec<Key>) -> Self {
        let is_more = keys.len() > MAX_KEYS;
        keys.truncate(MAX_KEYS);
        let next = keys.last().filter(|_| is_more).cloned();
        Self { keys, next }
    }
}

impl Writes {
    /// Checks the number and size of the writes. The last write to a key wins.
    pub fn new(writes: Vec<(Key, Option<Value>)>) -> Result<Self, OutOfBounds> {
        if writes.len() > MAX_KEYS {
            return Err(OutOfBounds::Keys(writes.len()));
        }
        let size =
            |(key, value): &(Key, Option<Value>)| key.0.len() + value.as_ref().map_or(0, |v| v.0.len());
        let bytes = writes.iter().map(size).sum();
        if bytes > MAX_BYTES {
            Err(OutOfBounds::Bytes(bytes))
        } else {
            Ok(Self(writes.into_iter().collect()))
        }
    }

    /// Returns each key once: `Some` sets it, `None` deletes it.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, Option<&Value>)> {
        self.0.iter().map(|(key, value)| (key, value.as_ref()))
    }
}

impl Error {
    /// Creates the error of [`Buckets::get`] for more bytes than [`MAX_BYTES`].
    #[must_use]
    pub fn too_much(bytes: usize) -> Self {
        Self::new(ErrorKind::Declined, OutOfBounds::Bytes(bytes).to_string()).hint("Request fewer keys.")
    }

    /// Creates the error of [`Buckets::increment`] for a value that is not a number, or a sum that overflows.
    #[must_use]
    pub fn not_a_number() -> Self {
        Self::new(
            ErrorKind::Declined,
            "the value is not a whole number in decimal digits, or the sum does not fit 64 bits",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count, has_no_other_limits, size};

    #[test]
    fn bucket_names_follow_the_grammar_of_grants() {
        for good in ["a", "shared-name", "v1.2_x", &"a".repeat(64)] {
            assert!(BucketName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a:b", "a b", "{a}", "ä", &"a".repeat(65)] {
            assert_eq!(BucketName::new(bad), Err(OutOfBounds::Name), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_violated_bound() {
        assert_eq!(Key::new("").unwrap_err(), OutOfBounds::NoKey);
        assert!(Key::new(&"k".repeat(MAX_KEY)).is_ok());
        let long = Key::new(&"k".repeat(MAX_KEY + 1)).unwrap_err();
        assert_eq!(long.to_string(), "a key has 1025 bytes, at most 1024 are allowed");
        let large = Value::new(vec![0; MAX_VALUE + 1]).unwrap_err();
        assert_eq!(large.to_string(), "a value has 1048577 bytes, at most 1048576 (1 MiB) are allowed");
        let key = Key::new("k").unwrap();
        let many = Keys::new(vec![key.clone(); MAX_KEYS + 1]).unwrap_err();
        assert_eq!(many.to_string(), "one operation has 1001 keys, at most 1000 are allowed");
        let value = Value::new(vec![0; MAX_VALUE]).unwrap();
        assert!(Writes::new(vec![(key.clone(), Some(value.clone())); 7]).is_ok());
        let bytes = Writes::new(vec![(key, Some(value)); 8]).unwrap_err();
        assert_eq!(
            bytes.to_string(),
            "one operation moves 8388616 bytes of keys and values, at most 8388608 (8 MiB) are allowed"
        );
    }

    #[test]
    fn last_write_to_a_key_wins() {
        let key = Key::new("k").unwrap();
        let value = |text: &'static str| Some(Value::new(text).unwrap());
        let writes = Writes::new(vec![(key.clone(), value("a")), (key.clone(), value("b"))]).unwrap();
        let written: Vec<_> = writes.iter().map(|(key, value)| (key.clone(), value.cloned())).collect();
        assert_eq!(written, [(key, value("b"))]);
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let fact = |what| Page::of("grants").section("keyvalue").line(what).cell(1);
        Page::of("grants").section("keyvalue").says(&format!("up to {MAX_NAME} letters"));
        fact("key").says(&count(MAX_KEY));
        fact("value").says(&size(MAX_VALUE));
        fact("one operation").says(&count(MAX_KEYS));
        fact("one operation").says(&size(MAX_BYTES));
        fact("a page of").says(&count(MAX_KEYS));
        has_no_other_limits(file!(), &[]);
    }
}
