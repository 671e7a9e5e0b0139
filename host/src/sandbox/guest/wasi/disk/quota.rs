//! The quota of a private disk: bytes of files, names and nodes, within `limits.disk` and the memory of the call.
//! `tree` charges what it allocates before it does so.

use crate::model::Size;
use crate::sandbox::guest::limits::{LimitHit, MemoryAccount};

/// Cost of a file, folder or link beyond its content, in bytes. Threat: a million empty files.
pub(crate) const NODE_COST: u64 = 512;

/// Cost of a name beyond its length, in bytes.
pub(crate) const NAME_COST: u64 = 128;

/// Counts the bytes of a disk.
#[derive(Debug)]
pub(crate) struct DiskQuota {
    limit: Size,
    used: u64,
    memory: MemoryAccount,
    /// Where the guest has files, for messages.
    place: &'static str,
}

impl DiskQuota {
    /// Creates the quota of an empty disk, whose bytes count in `memory` too.
    pub(crate) const fn new(limit: Size, memory: MemoryAccount) -> Self {
        Self { limit, used: 0, memory, place: "`/tmp`" }
    }

    /// Returns the quota of a disk with a working directory.
    pub(crate) fn with_working_directory(self) -> Self {
        Self { place: "its working directory and `/tmp`", ..self }
    }

    /// Returns where the guest has files.
    pub(crate) const fn place(&self) -> &'static str {
        self.place
    }

    /// Counts `bytes` more. Fails if the disk or the call's memory is full.
    pub(crate) fn charge(&mut self, bytes: u64) -> Result<(), LimitHit> {
        let needed = self.used.saturating_add(bytes);
        if needed > self.limit.as_bytes() {
            let reason = format!("the guest's files in {} need more", self.place);
            return Err(LimitHit::memory_limit("disk", self.limit, needed, &reason));
        }
        let reason = || format!("the guest's linear memories and its files in {} need more", self.place);
        self.memory.charge(bytes, reason)?;
        self.used = needed;
        Ok(())
    }

    /// Returns whether `bytes` more would fit.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.used.saturating_add(bytes) <= self.limit.as_bytes() && self.memory.has_room(bytes)
    }

    /// Counts `bytes` less.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
        self.memory.release(bytes);
    }

    /// Returns the number of bytes that are counted.
    #[cfg(test)]
    pub(crate) const fn used(&self) -> u64 {
        self.used
    }
}
