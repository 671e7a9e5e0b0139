//! A component that was fetched or found, open and checked; and the digests that pin it.
//! `fetcher` creates them.

use crate::model::Digest;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

/// A component on this machine. It stays readable even if another process evicts its file.
#[derive(Debug, Clone)]
pub(crate) struct Fetched {
    file: Arc<File>,
    /// The digest of the component.
    pub(crate) digest: Digest,
}

/// The digests that pin what comes from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pins {
    /// The digest of the artifact's manifest in a registry.
    pub(crate) manifest: Option<Digest>,
    /// The digest of the component.
    pub(crate) component: Digest,
}

impl Fetched {
    pub(crate) fn new(file: File, digest: Digest) -> Self {
        Self { file: Arc::new(file), digest }
    }

    /// Returns the size in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.file.metadata().map_or(u64::MAX, |metadata| metadata.len())
    }

    /// Reads the component, whose digest was checked.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        let len = usize::try_from(self.file.metadata()?.len()).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes.into())
    }
}
