//! The stored form of a cached result: version, checksum, fingerprint of its type, the run that computed it, and value.
//! Reading and writing Redis is left to `mod.rs`.

use crate::cache::Stored;
use crate::model::{Digest, Digester, RunId};
use bytes::Bytes;

/// Version of the stored form. Entries of later versions are misses.
const VERSION: u8 = 2;

/// Version without the run.
const WITHOUT_RUN: u8 = 1;

/// Length of the checksum, a truncated digest of the entry. Detects damage, not forgery: every client that may write
/// to the Redis can forge results.
const CHECK: usize = 8;

/// Length of a fingerprint in bytes.
const FINGERPRINT: usize = 32;

/// The content of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// No entry.
    None,
    /// A cached result.
    Stored(Stored),
    /// Foreign or damaged data.
    Foreign,
}

/// Encodes the stored form.
pub(super) fn encode(stored: &Stored) -> Vec<u8> {
    let Stored { type_fingerprint, value, run } = stored;
    let run = run.as_ref().map(RunId::as_str).unwrap_or_default();
    // An id is shorter.
    let (run, length) = u8::try_from(run.len()).map_or(("", 0), |length| (run, length));
    let mut rest = Vec::with_capacity(1 + run.len() + value.len());
    rest.push(length);
    rest.extend(run.as_bytes());
    rest.extend(value);
    let mut bytes = Vec::with_capacity(1 + CHECK + FINGERPRINT + rest.len());
    bytes.push(VERSION);
    bytes.extend(check(type_fingerprint.as_bytes(), &rest));
    bytes.extend(type_fingerprint.as_bytes());
    bytes.extend(rest);
    bytes
}

/// Decodes the stored form.
pub(super) fn decode(bytes: Bytes) -> Entry {
    parsed(bytes).map_or(Entry::Foreign, Entry::Stored)
}

fn parsed(mut bytes: Bytes) -> Option<Stored> {
    if bytes.len() < 1 + CHECK + FINGERPRINT {
        return None;
    }
    let head = bytes.split_to(1 + CHECK);
    let fingerprint: [u8; FINGERPRINT] = bytes.split_to(FINGERPRINT).as_ref().try_into().ok()?;
    let (version, sum) = head.split_first()?;
    if *sum != check(&fingerprint, &bytes) {
        return None;
    }
    let type_fingerprint = Digest::from_bytes(fingerprint);
    match *version {
        WITHOUT_RUN => Some(Stored { type_fingerprint, value: bytes, run: None }),
        VERSION => {
            let length = usize::from(*bytes.first()?);
            let value = bytes.split_off((1 + length).min(bytes.len()));
            let run = RunId::new(std::str::from_utf8(bytes.get(1..)?).ok()?).ok();
            Some(Stored { type_fingerprint, value, run })
        }
        _ => None, // of a later version
    }
}

fn check(fingerprint: &[u8], value: &[u8]) -> [u8; CHECK] {
    let mut digester = Digester::new("cascade cache entry 1");
    digester.field(fingerprint).field(value);
    digester.finish().as_bytes().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_entry_round_trips_and_damage_is_detected() {
        let run = Some(RunId::new("r1").unwrap());
        let stored = Stored { type_fingerprint: Digest::of_bytes(b"type"), value: b"value"[..].into(), run };
        let bytes = encode(&stored);
        assert_eq!(decode(bytes.clone().into()), Entry::Stored(stored));
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert_eq!(decode(damaged.into()), Entry::Foreign, "byte {index}");
            assert_eq!(decode(bytes[..index].to_vec().into()), Entry::Foreign, "cut at {index}");
        }
    }

    #[test]
    fn entry_of_the_version_without_a_run_is_read() {
        let fingerprint = Digest::of_bytes(b"type");
        let sum = check(fingerprint.as_bytes(), b"value");
        let bytes = [&[WITHOUT_RUN][..], &sum, fingerprint.as_bytes(), b"value"].concat();
        let stored = Stored { type_fingerprint: fingerprint, value: b"value"[..].into(), run: None };
        assert_eq!(decode(bytes.into()), Entry::Stored(stored));
        let unknown = stored_of(b"");
        assert_eq!(decode(encode(&unknown).into()), Entry::Stored(unknown));
    }

    fn stored_of(value: &[u8]) -> Stored {
        let value = value.to_vec().into();
        Stored { type_fingerprint: Digest::of_bytes(b"type"), value, run: None }
    }
}
