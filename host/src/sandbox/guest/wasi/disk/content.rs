//! Content of a file on a private disk: shared with its giver until the guest changes it, its own afterwards.
//! `tree` holds the files.

use crate::sandbox::guest::limits::LimitHit;
use crate::sandbox::guest::wasi::disk::quota::DiskQuota;
use bytes::Bytes;

/// Growth of a file beyond what a write needs, at most, in bytes.
const MAX_SPARE: usize = 16 << 20;

/// Smallest growth of a file, in bytes.
const PAGE: usize = 4096;

/// Bytes of a file. They cost the same whether shared or not, so that a write needs room only for what it adds.
#[derive(Debug)]
pub(crate) enum Content {
    /// Bytes of an argument, which are not copied.
    Given(Bytes),
    /// Bytes that the guest wrote.
    Written(Vec<u8>),
}

impl Content {
    /// Returns the content of an empty file.
    pub(crate) const fn empty() -> Self {
        Self::Written(Vec::new())
    }

    /// Returns all bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Given(bytes) => bytes,
            Self::Written(bytes) => bytes,
        }
    }

    /// Returns what the content costs, in bytes.
    pub(crate) fn cost(&self) -> u64 {
        match self {
            Self::Given(given) => bytes(given.len()),
            Self::Written(written) => bytes(written.capacity()),
        }
    }

    /// Writes within the file.
    pub(crate) fn overwrite(
        &mut self,
        start: usize,
        piece: &[u8],
        quota: &mut DiskQuota,
    ) -> Result<(), LimitHit> {
        let content = self.own(quota)?;
        if let Some(part) = content.get_mut(start..).and_then(|rest| rest.get_mut(..piece.len())) {
            part.copy_from_slice(piece);
        }
        Ok(())
    }

    /// Sets the size. New bytes are zero. Memory is charged before it is allocated.
    pub(crate) fn resize(&mut self, size: u64, quota: &mut DiskQuota) -> Result<(), LimitHit> {
        // A size beyond the address space is beyond every quota too.
        let Ok(size) = usize::try_from(size) else {
            return quota.charge(size);
        };
        match self {
            Self::Given(given) if size <= given.len() => {
                quota.release(bytes(given.len() - size));
                given.truncate(size);
                Ok(())
            }
            Self::Given(_) | Self::Written(_) => resize(self.own(quota)?, size, quota),
        }
    }

    /// Returns the bytes for a change, copied if they were shared.
    fn own(&mut self, quota: &mut DiskQuota) -> Result<&mut Vec<u8>, LimitHit> {
        if let Self::Given(given) = self {
            let mut written = Vec::new();
            if written.try_reserve_exact(given.len()).is_err() {
                return Err(no_memory(quota));
            }
            quota.charge(bytes(written.capacity() - given.len()))?;
            written.extend_from_slice(given);
            *self = Self::Written(written);
        }
        match self {
            Self::Written(written) => Ok(written),
            Self::Given(_) => Err(no_memory(quota)), // replaced above
        }
    }
}

fn resize(content: &mut Vec<u8>, size: usize, quota: &mut DiskQuota) -> Result<(), LimitHit> {
    let capacity = content.capacity();
    if size > capacity {
        // Spare room makes many small writes cheap.
        let generous = size.max(capacity.saturating_add(capacity.min(MAX_SPARE)));
        let generous = generous.checked_next_multiple_of(PAGE).unwrap_or(size);
        let growth = |capacity_after: usize| bytes(capacity_after.saturating_sub(capacity));
        let wanted = if quota.has_room(growth(generous)) { generous } else { size };
        quota.charge(growth(wanted))?;
        if content.try_reserve_exact(wanted.saturating_sub(content.len())).is_err() {
            quota.release(growth(wanted));
            return Err(no_memory(quota));
        }
        // An allocator may give more than was asked for.
        let given = content.capacity();
        if given > wanted {
            quota.charge(bytes(given.saturating_sub(wanted)))?;
        }
        content.resize(size, 0);
    } else {
        content.resize(size, 0);
        // Small rests stay: a file that is emptied is usually written again.
        if capacity.saturating_sub(size) > PAGE {
            content.shrink_to(size);
            quota.release(bytes(capacity.saturating_sub(content.capacity())));
        }
    }
    Ok(())
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn no_memory(quota: &DiskQuota) -> LimitHit {
    LimitHit::Other(format!("the host has no memory for the guest's files in {}", quota.place()))
}
