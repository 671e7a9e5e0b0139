//! Responsible for digests and HMAC.
//! Leaves how bytes are written to `encodings`.

use crate::encodings;
use crate::{Algorithm, Encoding, Error};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;

/// Returns a digest in hexadecimal digits.
pub fn digest(data: &[u8], algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::Sha256 => hex(&sha2::Sha256::digest(data)),
        Algorithm::Sha512 => hex(&sha2::Sha512::digest(data)),
        Algorithm::Sha1 => hex(&sha1::Sha1::digest(data)),
        Algorithm::Md5 => hex(&md5::Md5::digest(data)),
        Algorithm::Crc32 => hex(&crc32fast::hash(data).to_be_bytes()),
    }
}

/// Returns an HMAC in hexadecimal digits.
pub fn hmac(key: &[u8], data: &[u8], algorithm: Algorithm) -> Result<String, Error> {
    match algorithm {
        Algorithm::Sha256 => Ok(signed::<Hmac<sha2::Sha256>>(key, data)),
        Algorithm::Sha512 => Ok(signed::<Hmac<sha2::Sha512>>(key, data)),
        Algorithm::Sha1 => Ok(signed::<Hmac<sha1::Sha1>>(key, data)),
        Algorithm::Md5 => Ok(signed::<Hmac<md5::Md5>>(key, data)),
        Algorithm::Crc32 => Err(Error::NoHmac),
    }
}

/// HMAC takes keys of any length; the crate's `Result` is for other codes.
fn signed<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> String {
    let code = M::new_from_slice(key).map(|mut code| {
        code.update(data);
        code.finalize().into_bytes()
    });
    code.map(|bytes| hex(&bytes)).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    encodings::encode(bytes, Encoding::Hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_published_examples() {
        for (algorithm, expected) in [
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (Algorithm::Crc32, "352441c2"),
        ] {
            assert_eq!(digest(b"abc", algorithm), expected);
        }
        assert!(digest(b"abc", Algorithm::Sha512).starts_with("ddaf35a193617aba"));
    }

    #[test]
    fn hmac_of_rfc_4231_and_2202() {
        let text = b"what do ya want for nothing?";
        for (algorithm, expected) in [
            (Algorithm::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (Algorithm::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Algorithm::Md5, "750c783e6ab0b503eaa86e310a5db738"),
        ] {
            assert_eq!(hmac(b"Jefe", text, algorithm).unwrap(), expected);
        }
        let sha512 = hmac(b"Jefe", text, Algorithm::Sha512).unwrap();
        assert!(sha512.starts_with("164b7a7bfcf819e2e395fbe73b56e0a3"));
        assert!(matches!(hmac(b"", b"", Algorithm::Crc32), Err(Error::NoHmac)));
        assert_eq!(hmac(&[0; 1_000], b"", Algorithm::Sha256).unwrap().len(), 64);
    }
}
