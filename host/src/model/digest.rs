//! SHA-256 digests, and a digester that keeps fields apart.
//! Each caller decides what goes into its digest.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io;
use std::io::Read;

/// Buffer size for reading a stream.
const BUFFER: usize = 64 << 10;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The error of parsing a text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 digest has 64 hexadecimal digits")]
pub struct DigestFault;

impl Digest {
    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the digest of a stream, which is read in chunks.
    pub fn of_reader(mut reader: impl Read) -> io::Result<Self> {
        let mut sha = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok(Self(sha.finalize().into())),
                Ok(len) => sha.update(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Parses 64 hexadecimal digits, in either case.
    pub fn parse(text: &str) -> Result<Self, DigestFault> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(DigestFault);
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| DigestFault)?;
            if pair.starts_with('+') {
                return Err(DigestFault);
            }
            *byte = u8::from_str_radix(pair, 16).map_err(|_| DigestFault)?;
        }
        Ok(Self(bytes))
    }

    /// Returns its first eight bytes as a number: enough to name a difference, not to prove an equality.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// Returns the 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Creates a digest from its 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the first twelve digits, for display.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A digester of fields, each prefixed with its length, so that no two sequences collide by concatenation.
#[derive(Clone)]
pub struct Digester(Sha256);

impl Digester {
    /// Creates a digester for one purpose; digests of different purposes never collide.
    #[must_use]
    pub fn new(purpose: &str) -> Self {
        let mut digester = Self(Sha256::new());
        digester.field(purpose.as_bytes());
        digester
    }

    /// Adds a field.
    pub fn field(&mut self, bytes: &[u8]) -> &mut Self {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.0.update(len.to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// Adds a number as one field.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.field(&number.to_le_bytes())
    }

    /// Adds a digest as one field.
    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.field(digest.as_bytes())
    }

    /// Returns the digest.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        let digest = Digest::of_bytes(b"abc");
        assert!(digest.to_string().starts_with("ba7816bf"));
        assert_eq!(Digest::parse(&digest.to_string().to_uppercase()), Ok(digest));
        assert!(Digest::parse("abc").is_err());
        assert!(Digest::parse(&"+f".repeat(32)).is_err());
    }

    #[test]
    fn moved_boundaries_change_the_digest() {
        let digest = |fields: &[&str]| {
            let mut digester = Digester::new("test");
            for field in fields {
                digester.field(field.as_bytes());
            }
            digester.finish()
        };
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
    }
}
