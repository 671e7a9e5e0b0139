//! Handles of a private disk: open files and folders, and listings. Each holds its node until it is dropped.
//! `calls` hands them to the guest as descriptors.

use crate::sandbox::guest::wasi::disk::tree::{Device, DiskResult, Kind, NodeId, Tree, is_fixed};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorFlags, DirectoryEntry, ErrorCode};

/// The disk of one call. Clones share it.
#[derive(Clone)]
pub(crate) struct SharedTree(Arc<Mutex<Tree>>); // A mutex because streams may move between threads. Each critical section is one operation.

impl SharedTree {
    /// Shares a disk.
    pub(crate) fn new(tree: Tree) -> Self {
        Self(Arc::new(Mutex::new(tree)))
    }

    /// Returns the disk for one operation.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a node.
    pub(crate) fn hold(&self, node: NodeId) -> Held {
        self.lock().hold(node);
        Held { tree: self.clone(), node }
    }
}

/// A node that stays while it is held, even without a name.
pub(crate) struct Held {
    pub(crate) tree: SharedTree,
    pub(crate) node: NodeId,
}

impl Clone for Held {
    fn clone(&self) -> Self {
        self.tree.hold(self.node)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tree.lock().let_go(self.node);
    }
}

/// An open file or folder.
#[derive(Clone)]
pub(crate) struct DiskFile {
    pub(crate) held: Held,
    /// Rights of the guest.
    pub(crate) access: DescriptorFlags,
}

impl DiskFile {
    /// Returns the disk for one operation.
    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        self.held.tree.lock()
    }

    /// Returns the node.
    pub(crate) const fn node(&self) -> NodeId {
        self.held.node
    }

    /// Returns the device, if the file is one.
    pub(crate) fn device(&self) -> Option<Device> {
        match self.tree().node(self.node()).ok()?.kind {
            Kind::Device(device) => Some(device),
            Kind::File(_) | Kind::Folder(..) | Kind::Link(_) => None,
        }
    }

    /// Fails unless the file was opened for writing.
    pub(crate) fn check_writable(&self) -> Result<(), ErrorCode> {
        if self.access.contains(DescriptorFlags::WRITE) { Ok(()) } else { Err(ErrorCode::NotPermitted) }
    }

    /// Fails unless the file was opened for reading.
    pub(crate) fn check_readable(&self) -> Result<(), ErrorCode> {
        if self.access.contains(DescriptorFlags::READ) { Ok(()) } else { Err(ErrorCode::BadDescriptor) }
    }
}

/// A listing of a folder, by name: the names after the last one that was read.
pub(crate) struct DiskListing {
    folder: Held,
    last: Option<String>,
}

impl DiskListing {
    /// Begins a listing.
    pub(crate) const fn new(folder: Held) -> Self {
        Self { folder, last: None }
    }

    /// Returns the next entry.
    pub(crate) fn next(&mut self) -> DiskResult<Option<DirectoryEntry>> {
        let tree = self.folder.tree.lock();
        let after = self.last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let folder = self.folder.node;
        let names = tree.entries(folder)?.range::<str, _>((after, Bound::Unbounded));
        let mut names = names.filter(|(_, id)| !is_fixed(folder, **id));
        let Some((name, id)) = names.next() else {
            return Ok(None);
        };
        let entry = DirectoryEntry { type_: tree.node(*id)?.kind.type_of(), name: name.clone() };
        self.last = Some(name.clone());
        Ok(Some(entry))
    }
}
