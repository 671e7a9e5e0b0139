//! Operations on buckets, in the host's own types: validation, the call of the backend, and accounting.
//! `drafts` converts to the types of each draft.

use crate::invoke::Stream;
use crate::sandbox::guest::limits::LimitHit;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::keyvalue::error::{KeyvalueError, guest_text};
use crate::state::{
    BucketName, Buckets, Error, Key, Keys, MAX_KEYS, OutOfBounds, Page, Swap, Swapped, Value, Writes,
};
use bytes::Bytes;
use std::sync::Arc;
use wasmtime::component::Resource;

/// A bucket that the guest has opened.
#[expect(unreachable_pub, reason = "code generated from WIT re-exports it")]
#[derive(Clone)]
pub struct Bucket {
    name: BucketName,
    buckets: Arc<dyn Buckets>,
}

/// A key with the value that it had when the guest read it, for compare-and-swap.
#[expect(unreachable_pub, reason = "code generated from WIT re-exports it")]
pub struct CasHandle {
    bucket: Bucket,
    key: Key,
    value: Option<Bytes>,
}

/// Reasons why a value was not swapped.
pub(crate) enum NotSwapped {
    /// The key has another value by now; this new handle holds it.
    Other(Resource<CasHandle>),
    /// The operation failed.
    Failed(KeyvalueError),
}

impl<T: Into<KeyvalueError>> From<T> for NotSwapped {
    fn from(error: T) -> Self {
        Self::Failed(error.into())
    }
}

type Pair = (String, Vec<u8>);

impl State {
    /// Opens a bucket. Fails if it is not granted, or this host has no buckets.
    pub(crate) fn open_bucket(&mut self, identifier: &str) -> Result<Resource<Bucket>, KeyvalueError> {
        let Ok(name) = BucketName::new(identifier) else {
            return Err(KeyvalueError::NoSuchStore);
        };
        if !self.has_bucket(&name) {
            self.log_keyvalue("warn", &not_granted(&name))?;
            return Err(KeyvalueError::AccessDenied);
        }
        let buckets =
            self.buckets().ok_or_else(|| KeyvalueError::Other("this host has no buckets".to_owned()))?;
        Ok(self.table.push(Bucket { name, buckets })?)
    }

    /// Closes a bucket.
    pub(crate) fn close_bucket(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }

    /// Returns the value of a key.
    pub(crate) async fn get(
        &mut self,
        bucket: &Resource<Bucket>,
        key: &str,
    ) -> Result<Option<Bytes>, KeyvalueError> {
        let bucket = self.bucket(bucket)?;
        self.value(&bucket, Key::new(key)?).await
    }

    /// Returns whether a key has a value.
    pub(crate) async fn exists(
        &mut self,
        bucket: &Resource<Bucket>,
        key: &str,
    ) -> Result<bool, KeyvalueError> {
        let Bucket { name, buckets } = self.bucket(bucket)?;
        let exists = buckets.exists(&name, &Key::new(key)?).await;
        self.convert_result(exists)
    }

    /// Returns one page of the keys that follow `after`.
    pub(crate) async fn list(
        &mut self,
        bucket: &Resource<Bucket>,
        after: Option<Key>,
    ) -> Result<Page, KeyvalueError> {
        let Bucket { name, buckets } = self.bucket(bucket)?;
        let listed = buckets.list(&name, after.as_ref()).await;
        self.convert_result(listed)
    }

    /// Returns several keys with their values, in the given order.
    pub(crate) async fn get_all(
        &mut self,
        bucket: &Resource<Bucket>,
        names: Vec<String>,
    ) -> Result<Vec<Option<Pair>>, KeyvalueError> {
        let Bucket { name, buckets } = self.bucket(bucket)?;
        let values = buckets.get(&name, &Keys::new(keys(&names)?)?).await;
        let values = self.convert_result(values)?;
        let pair = |(key, value): (String, Option<Bytes>)| value.map(|value| (key, Vec::from(value)));
        Ok(names.into_iter().zip(values).map(pair).collect())
    }

    /// Sets several keys as one atomic step.
    pub(crate) async fn set_all(
        &mut self,
        bucket: &Resource<Bucket>,
        pairs: Vec<Pair>,
    ) -> Result<(), KeyvalueError> {
        check_count(pairs.len())?;
        let write = |(key, value): Pair| Ok((Key::new(&key)?, Some(Value::new(value)?)));
        let writes: Result<Vec<_>, OutOfBounds> = pairs.into_iter().map(write).collect();
        self.write(bucket, writes?).await
    }

    /// Deletes several keys as one atomic step.
    pub(crate) async fn delete_all(
        &mut self,
        bucket: &Resource<Bucket>,
        names: &[String],
    ) -> Result<(), KeyvalueError> {
        let removals = keys(names)?.into_iter().map(|key| (key, None)).collect();
        self.write(bucket, removals).await
    }

    /// Adds `delta` to a number and returns the sum.
    pub(crate) async fn increase(
        &mut self,
        bucket: &Resource<Bucket>,
        key: &str,
        delta: i64,
    ) -> Result<i64, KeyvalueError> {
        let Bucket { name, buckets } = self.bucket(bucket)?;
        let sum = buckets.increment(&name, &Key::new(key)?, delta).await;
        self.convert_result(sum)
    }

    /// Reads a key for a later compare-and-swap.
    pub(crate) async fn read_for_cas(
        &mut self,
        bucket: &Resource<Bucket>,
        key: &str,
    ) -> Result<Resource<CasHandle>, KeyvalueError> {
        let (bucket, key) = (self.bucket(bucket)?, Key::new(key)?);
        let value = self.value(&bucket, key.clone()).await?;
        self.hold_cas(CasHandle { bucket, key, value })
    }

    /// Returns the value that was read.
    pub(crate) fn cas_value(&self, handle: &Resource<CasHandle>) -> Result<Option<Vec<u8>>, KeyvalueError> {
        Ok(self.table.get(handle)?.value.as_ref().map(|value| value.to_vec()))
    }

    /// Drops a handle and returns what it held.
    pub(crate) fn drop_cas(&mut self, handle: Resource<CasHandle>) -> wasmtime::Result<CasHandle> {
        let handle = self.table.delete(handle)?;
        self.keyvalue.release(handle.value.as_ref());
        Ok(handle)
    }

    /// Sets a key if it still has the value that was read.
    pub(crate) async fn swap_cas(
        &mut self,
        handle: Resource<CasHandle>,
        value: Vec<u8>,
    ) -> Result<(), NotSwapped> {
        let CasHandle { bucket, key, value: expected } = self.drop_cas(handle)?;
        let swap = Swap { expected, value: Value::new(value)? };
        let swapped = bucket.buckets.swap(&bucket.name, &key, &swap).await;
        match self.convert_result(swapped)? {
            Swapped::Done => Ok(()),
            Swapped::Other(value) => {
                Err(NotSwapped::Other(self.hold_cas(CasHandle { bucket, key, value })?))
            }
        }
    }

    fn bucket(&self, bucket: &Resource<Bucket>) -> Result<Bucket, KeyvalueError> {
        Ok(self.table.get(bucket)?.clone())
    }

    async fn value(&mut self, bucket: &Bucket, key: Key) -> Result<Option<Bytes>, KeyvalueError> {
        let values = bucket.buckets.get(&bucket.name, &key.into()).await;
        Ok(self.convert_result(values)?.pop().flatten())
    }

    async fn write(
        &mut self,
        bucket: &Resource<Bucket>,
        writes: Vec<(Key, Option<Value>)>,
    ) -> Result<(), KeyvalueError> {
        let Bucket { name, buckets } = self.bucket(bucket)?;
        let written = buckets.write(&name, &Writes::new(writes)?).await;
        self.convert_result(written)
    }

    fn hold_cas(&mut self, handle: CasHandle) -> Result<Resource<CasHandle>, KeyvalueError> {
        self.keyvalue.hold(handle.value.as_ref())?;
        Ok(self.table.push(handle)?)
    }

    /// Converts a backend's result. Of an error, the guest gets what it can act on; its log gets the details.
    fn convert_result<T>(&mut self, result: Result<T, Error>) -> Result<T, KeyvalueError> {
        let error = match result {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let (text, log) = guest_text(&error);
        if let Some(log) = log {
            self.log_keyvalue("error", &log)?;
        }
        Err(KeyvalueError::Other(text))
    }

    /// Writes to the guest's log, which counts against `limits.logs`.
    fn log_keyvalue(&mut self, level: &str, text: &str) -> Result<(), LimitHit> {
        let text = format!("{level} wasi:keyvalue: {text}");
        self.outputs.logs.charge(text.len())?;
        self.call.listener.on_output(Stream::Log, &text);
        Ok(())
    }
}

fn not_granted(name: &BucketName) -> String {
    format!("the bucket `{name}` is not granted to this task; grant it with `keyvalue = [\"{name}\"]`")
}

/// Checks the number of keys before they are converted, so that the conversion is bounded.
fn check_count(count: usize) -> Result<(), OutOfBounds> {
    if count > MAX_KEYS { Err(OutOfBounds::Keys(count)) } else { Ok(()) }
}

fn keys(names: &[String]) -> Result<Vec<Key>, OutOfBounds> {
    check_count(names.len())?;
    names.iter().map(|name| Key::new(name)).collect()
}
