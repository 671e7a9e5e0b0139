//! Responsible for gzip streams.
//! Leaves archives to `archive`.

use crate::{Error, MAX_UNPACKED};
use flate2::Compression;
use flate2::bufread::{GzEncoder, MultiGzDecoder};
use std::io::Read;

/// Packs bytes. The header has no time and no name, so that the same bytes give the same stream.
pub fn packed(data: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let read = GzEncoder::new(data, Compression::default()).read_to_end(&mut packed);
    debug_assert!(read.is_ok(), "bytes in memory can be read");
    packed
}

/// Unpacks all members of a stream.
pub fn unpacked(data: &[u8]) -> Result<Vec<u8>, Error> {
    bounded(MultiGzDecoder::new(data), MAX_UNPACKED)
}

/// Reads to the end, or to a bound.
pub fn bounded(reader: impl Read, most: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    reader.take(most + 1).read_to_end(&mut bytes).map_err(|error| Error::Malformed(error.to_string()))?;
    let is_within = u64::try_from(bytes.len()).is_ok_and(|size| size <= most);
    if is_within { Ok(bytes) } else { Err(Error::TooLarge) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for data in [&b""[..], b"a", &vec![7; 100_000]] {
            assert_eq!(unpacked(&packed(data)).unwrap(), data);
        }
        let two = [packed(b"a"), packed(b"b")].concat();
        assert_eq!(unpacked(&two).unwrap(), b"ab");
    }

    #[test]
    fn damage_is_an_error() {
        let packed = packed(b"some text that is packed");
        for at in 0..packed.len() {
            assert!(matches!(unpacked(&packed[..at]), Err(Error::Malformed(_))), "cut at {at}");
            let mut damaged = packed.clone();
            damaged[at] ^= 0x55;
            // The header has bytes that mean nothing; the content is then the right one.
            assert!(
                unpacked(&damaged).map_or(true, |data| data == b"some text that is packed"),
                "damaged at {at}"
            );
        }
    }

    #[test]
    fn what_grows_too_much_is_refused() {
        assert!(matches!(bounded(std::io::repeat(0), 9), Err(Error::TooLarge)));
        assert_eq!(bounded(&[1, 2][..], 2).unwrap(), [1, 2]);
    }
}
