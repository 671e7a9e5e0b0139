//! Where a component comes from, as data.
//! `source_keys` reads it.

use crate::model::Remote;
use std::path::PathBuf;

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ComponentSource {
    /// `path`, joined to the manifest's folder.
    File(PathBuf),
    /// `oci` or `url`.
    Remote(Remote),
}

impl ComponentSource {
    /// Returns the path of a file; `None` for what comes from elsewhere.
    #[must_use]
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Remote(_) => None,
        }
    }
}
