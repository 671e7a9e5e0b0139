//! The stored form of a cached result: version, checksum, fingerprint of its type, and value.
//! Reading and writing Redis is left to `mod.rs`.

use crate::cache::Stored;
use crate::model::{Digest, Digester};
use bytes::Bytes;

/// Version of the stored form. Entries of other versions are misses.
const VERSION: u8 = 1;

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
    let mut bytes = Vec::with_capacity(1 + CHECK + FINGERPRINT + stored.value.len());
    bytes.push(VERSION);
    bytes.extend(check(stored.type_fingerprint.as_bytes(), &stored.value));
    bytes.extend(stored.type_fingerprint.as_bytes());
    bytes.extend(&stored.value);
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
    let is_valid = *version == VERSION && *sum == check(&fingerprint, &bytes);
    is_valid.then(|| Stored { type_fingerprint: Digest::from_bytes(fingerprint), value: bytes })
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
        let stored = Stored { type_fingerprint: Digest::of_bytes(b"type"), value: b"value"[..].into() };
        let bytes = encode(&stored);
        assert_eq!(decode(bytes.clone().into()), Entry::Stored(stored));
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert_eq!(decode(damaged.into()), Entry::Foreign, "byte {index}");
            assert_eq!(decode(bytes[..index].to_vec().into()), Entry::Foreign, "cut at {index}");
        }
    }
}
