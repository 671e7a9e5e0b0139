//! The URI of a cache, as on the command line and in the manifest: a backend's URI, or `off`.
//! Parsing the URI itself is left to `state`.

use crate::state::{Error, StateUri};
use std::fmt;

/// The URI of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CacheUri {
    /// `off`: no cache.
    Off,
    /// In a backend.
    At(StateUri),
}

impl CacheUri {
    /// Parses `off` or a URI. Errors never repeat the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.trim() == "off" { Ok(Self::Off) } else { StateUri::parse(text).map(Self::At) }
    }
}

impl fmt::Display for CacheUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(uri) => uri.fmt(f),
        }
    }
}
