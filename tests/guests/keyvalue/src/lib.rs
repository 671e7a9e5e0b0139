//! Responsible for calling `wasi:keyvalue`, in both of its drafts.
//! Leaves what the host offers besides to the guest `host-calls`.

wit_bindgen::generate!({
    path: [
        "../../../wit/deps/cascade-task",
        "../../../wit/deps/wasi-keyvalue",
        "../../../wit/deps/wasi-keyvalue-draft2",
        "wit",
    ],
    world: "test:keyvalue/keyvalue",
    generate_all,
});

use cascade::task::context;
use wasi::keyvalue0_2_0_draft as earlier;
use wasi::keyvalue0_2_0_draft2::atomics;
use wasi::keyvalue0_2_0_draft2::atomics::{Cas, CasError};
use wasi::keyvalue0_2_0_draft2::batch;
use wasi::keyvalue0_2_0_draft2::store;
use wasi::keyvalue0_2_0_draft2::store::Bucket;

/// Keys of one batch.
const BATCH: usize = 1000;

struct Keyvalue;

fn said(error: store::Error) -> String {
    match error {
        store::Error::NoSuchStore => "no such store".to_owned(),
        store::Error::AccessDenied => "access denied".to_owned(),
        store::Error::Other(text) => text,
    }
}

fn said_earlier(error: earlier::store::Error) -> String {
    match error {
        earlier::store::Error::NoSuchStore => "no such store".to_owned(),
        earlier::store::Error::AccessDenied => "access denied".to_owned(),
        earlier::store::Error::Other(text) => text,
    }
}

fn open(bucket: &str) -> Result<Bucket, String> {
    store::open(bucket).map_err(said)
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

impl Guest for Keyvalue {
    fn read(bucket: String, key: String) -> Result<Option<String>, String> {
        open(&bucket)?.get(&key).map_err(said)?.map(text).transpose()
    }

    fn put(bucket: String, key: String, text: String) -> Result<(), String> {
        open(&bucket)?.set(&key, text.as_bytes()).map_err(said)
    }

    fn put_bytes(bucket: String, key: String, bytes: u64) -> Result<(), String> {
        let bytes = usize::try_from(bytes).map_err(|error| error.to_string())?;
        open(&bucket)?.set(&key, &vec![7; bytes]).map_err(said)
    }

    fn remove(bucket: String, key: String) -> Result<(bool, bool), String> {
        let bucket = open(&bucket)?;
        let was_there = bucket.exists(&key).map_err(said)?;
        bucket.delete(&key).map_err(said)?;
        Ok((was_there, bucket.exists(&key).map_err(said)?))
    }

    fn count(bucket: String) -> Result<(u32, u32), String> {
        let bucket = open(&bucket)?;
        let (mut keys, mut pages, mut cursor) = (0, 0, None);
        loop {
            let page = bucket.list_keys(cursor.as_deref()).map_err(said)?;
            keys += u32::try_from(page.keys.len()).unwrap_or(u32::MAX);
            pages += 1;
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok((keys, pages));
            }
        }
    }

    fn count_earlier(bucket: String) -> Result<(u32, u32), String> {
        let bucket = earlier::store::open(&bucket).map_err(said_earlier)?;
        let (mut keys, mut pages, mut cursor) = (0, 0, None);
        loop {
            let page = bucket.list_keys(cursor).map_err(said_earlier)?;
            keys += u32::try_from(page.keys.len()).unwrap_or(u32::MAX);
            pages += 1;
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok((keys, pages));
            }
        }
    }

    fn fill(bucket: String, prefix: String, count: u32) -> Result<u32, String> {
        let bucket = open(&bucket)?;
        let pairs: Vec<_> = (0..count).map(|at| (format!("{prefix}{at:06}"), b"v".to_vec())).collect();
        for pairs in pairs.chunks(BATCH) {
            batch::set_many(&bucket, pairs).map_err(said)?;
        }
        Ok(count)
    }

    fn many(bucket: String, keys: Vec<String>) -> Result<Vec<Option<String>>, String> {
        let bucket = open(&bucket)?;
        let pairs: Vec<_> = keys.iter().map(|key| (key.clone(), key.to_uppercase().into_bytes())).collect();
        batch::set_many(&bucket, &pairs).map_err(said)?;
        let asked = [keys.as_slice(), &["nowhere".to_owned()]].concat();
        let read = batch::get_many(&bucket, &asked).map_err(said)?;
        batch::delete_many(&bucket, &keys).map_err(said)?;
        read.into_iter()
            .map(|pair| pair.map(|(key, value)| Ok(format!("{key}={}", text(value)?))).transpose())
            .collect()
    }

    fn add(bucket: String, key: String, times: u32) -> Result<i64, String> {
        let bucket = open(&bucket)?;
        (0..times).try_fold(0, |_, _| atomics::increment(&bucket, &key, 1).map_err(said))
    }

    fn add_earlier(bucket: String, key: String, times: u32) -> Result<u64, String> {
        let bucket = earlier::store::open(&bucket).map_err(said_earlier)?;
        (0..times).try_fold(0, |_, _| earlier::atomics::increment(&bucket, &key, 1).map_err(said_earlier))
    }

    fn add_once(bucket: String, until: u32) -> Result<u32, String> {
        let attempt = context::current();
        open(&bucket)?.set(&attempt.idempotency_key, b"1").map_err(said)?;
        if attempt.attempt < until {
            return Err(format!("attempt {} of {until}", attempt.attempt));
        }
        Self::count(bucket).map(|(keys, _)| keys)
    }

    fn append(bucket: String, key: String, text: String) -> Result<u32, String> {
        let bucket = open(&bucket)?;
        let mut cas = Cas::new(&bucket, &key).map_err(said)?;
        let mut tries = 1;
        loop {
            let mut value = cas.current().map_err(said)?.unwrap_or_default();
            value.extend_from_slice(text.as_bytes());
            cas = match atomics::swap(cas, &value) {
                Ok(()) => return Ok(tries),
                Err(CasError::CasFailed(later)) => later,
                Err(CasError::StoreError(error)) => return Err(said(error)),
            };
            tries += 1;
        }
    }

    fn hold(bucket: String, key: String) -> (u32, String) {
        let bucket = match open(&bucket) {
            Ok(bucket) => bucket,
            Err(error) => return (0, error),
        };
        let mut held = Vec::new();
        loop {
            match Cas::new(&bucket, &key) {
                Ok(cas) => held.push(cas),
                Err(error) => return (u32::try_from(held.len()).unwrap_or(u32::MAX), said(error)),
            }
        }
    }

    fn open_for_ever(bucket: String) {
        loop {
            drop(store::open(&bucket));
        }
    }
}

export!(Keyvalue);
