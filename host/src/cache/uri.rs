//! Where shared results are kept, as the command line and the manifest write it: a state's URI, or `off`.
//! What the URI's parts mean is for `state`.

use crate::state::{Error, StateUri};
use std::fmt;

/// Where shared results are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CacheUri {
    /// `off`: nowhere.
    Off,
    /// In a backend.
    At(StateUri),
}

impl CacheUri {
    /// Reads `off` or a URI. The error never repeats the text, which may hold a password.
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
