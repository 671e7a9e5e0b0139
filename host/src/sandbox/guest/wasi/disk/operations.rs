//! WASI's operations on files and folders of a private disk.
//! `tree` changes the disk, and `calls` decides which disk a descriptor belongs to.

use crate::sandbox::guest::wasi::disk::content::Content;
use crate::sandbox::guest::wasi::disk::descriptor::DiskFile;
use crate::sandbox::guest::wasi::disk::tree::{DiskResult, Kind, NodeId};
use crate::sandbox::guest::wasi::disk::walk::{LastLink, Place, walk};
use bytes::Bytes;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorStat, ErrorCode, MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};

/// The other half of each hash: no file of the host has it.
const HASH: u64 = 0x6361_7363_6164_6521;

/// Flags with which a guest opens a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) path_flags: PathFlags,
    pub(crate) open_flags: OpenFlags,
    pub(crate) access: DescriptorFlags,
}

impl Opening {
    /// Returns whether the guest may change a file that it opens like this.
    fn is_changing(self) -> bool {
        self.open_flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
            || self.access.contains(DescriptorFlags::WRITE)
    }
}

impl DiskFile {
    fn place(&self, path: &str, last_link: LastLink) -> DiskResult<Place> {
        walk(&self.tree(), self.node(), path, last_link)
    }

    fn existing(&self, path_flags: PathFlags, path: &str) -> DiskResult<NodeId> {
        Ok(self.place(path, last_link(path_flags))?.existing()?)
    }

    /// Opens a path below this folder. The rules are those for granted folders.
    pub(crate) fn open(&self, path: &str, opening: Opening) -> DiskResult<Self> {
        let Opening { path_flags, open_flags, access } = opening;
        let is_exclusive = open_flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE);
        if open_flags.contains(OpenFlags::DIRECTORY) && open_flags != OpenFlags::DIRECTORY {
            return Err(ErrorCode::Invalid.into());
        }
        let last = if is_exclusive { LastLink::Kept } else { last_link(path_flags) };
        let place = self.place(path, last)?;
        let node = match place.node {
            Some(_) if is_exclusive => return Err(ErrorCode::Exist.into()),
            Some(node) => {
                self.check_openable(node, opening)?;
                node
            }
            None if !open_flags.contains(OpenFlags::CREATE) => return Err(ErrorCode::NoEntry.into()),
            None if place.is_folder_wanted => return Err(ErrorCode::IsDirectory.into()),
            None => {
                let (folder, name) = place.free()?;
                self.tree().create(folder, name, Kind::File(Content::empty()))?
            }
        };
        // A file that is not opened for writing is opened for reading, whatever the guest requested.
        let mut granted = DescriptorFlags::empty();
        if access.contains(DescriptorFlags::READ) || !access.contains(DescriptorFlags::WRITE) {
            granted |= DescriptorFlags::READ;
        }
        if opening.is_changing() {
            granted |= DescriptorFlags::WRITE;
        }
        Ok(Self {
            held: self.held.tree.hold(node),
            access: granted | (access & DescriptorFlags::MUTATE_DIRECTORY),
        })
    }

    /// Creates a file with the bytes of an argument, and the folders on the way. `path` has no `..`, and no name is used twice.
    pub(crate) fn give(&self, path: &str, content: &Bytes) -> DiskResult<()> {
        let names: Vec<&str> = path.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        let (name, folders) = names.split_last().ok_or(ErrorCode::Invalid)?;
        let mut tree = self.tree();
        let mut folder = self.node();
        for name in folders {
            folder = match tree.entries(folder)?.get(*name) {
                Some(known) => *known,
                None => tree.create_folder(folder, name)?,
            };
        }
        if tree.entries(folder)?.contains_key(*name) {
            return Err(ErrorCode::Exist.into());
        }
        tree.create(folder, name, Kind::File(Content::Given(content.clone()))).map(drop)
    }

    /// Fails if a node cannot be opened like this. Truncates a file if that is requested.
    fn check_openable(&self, node: NodeId, opening: Opening) -> DiskResult<()> {
        let (open_flags, is_changed) = (opening.open_flags, opening.is_changing());
        let mut tree = self.tree();
        match &tree.node(node)?.kind {
            Kind::Link(_) => return Err(ErrorCode::Loop.into()),
            Kind::Folder(..) if is_changed => return Err(ErrorCode::IsDirectory.into()),
            Kind::Folder(..) => return Ok(()),
            Kind::File(_) | Kind::Device(_) if open_flags.contains(OpenFlags::DIRECTORY) => {
                return Err(ErrorCode::NotDirectory.into());
            }
            Kind::File(_) | Kind::Device(_) => {}
        }
        if open_flags.contains(OpenFlags::TRUNCATE) { tree.set_size(node, 0) } else { Ok(()) }
    }

    pub(crate) fn stat_at(&self, path_flags: PathFlags, path: &str) -> DiskResult<DescriptorStat> {
        let node = self.existing(path_flags, path)?;
        self.tree().stat(node)
    }

    pub(crate) fn set_times_at(
        &self,
        path_flags: PathFlags,
        path: &str,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> DiskResult<()> {
        let node = self.existing(path_flags, path)?;
        self.tree().set_times(node, accessed, modified)
    }

    pub(crate) fn create_folder_at(&self, path: &str) -> DiskResult<()> {
        let place = self.place(path, LastLink::Kept)?;
        let (folder, name) = place.free()?;
        self.tree().create_folder(folder, name).map(drop)
    }

    pub(crate) fn remove_folder_at(&self, path: &str) -> DiskResult<()> {
        let place = self.place(path, LastLink::Kept)?;
        let node = place.existing()?;
        let (folder, name) = place.changeable()?;
        let mut tree = self.tree();
        if !tree.entries(node)?.is_empty() {
            return Err(ErrorCode::NotEmpty.into());
        }
        tree.remove_name(folder, name)
    }

    pub(crate) fn unlink_at(&self, path: &str) -> DiskResult<()> {
        let place = self.place(path, LastLink::Kept)?;
        let node = place.existing()?;
        let mut tree = self.tree();
        if matches!(tree.node(node)?.kind, Kind::Folder(..)) {
            return Err(ErrorCode::IsDirectory.into());
        }
        let (folder, name) = place.changeable()?;
        tree.remove_name(folder, name)
    }

    pub(crate) fn rename_at(&self, old_path: &str, to: &Self, new_path: &str) -> DiskResult<()> {
        let (from, to) = (self.place(old_path, LastLink::Kept)?, to.place(new_path, LastLink::Kept)?);
        let node = from.existing()?;
        let mut tree = self.tree();
        if to.is_folder_wanted && !matches!(tree.node(node)?.kind, Kind::Folder(..)) {
            return Err(ErrorCode::NotDirectory.into());
        }
        tree.rename(from.changeable()?, to.changeable()?)
    }

    pub(crate) fn link_at(
        &self,
        path_flags: PathFlags,
        old_path: &str,
        to: &Self,
        new_path: &str,
    ) -> DiskResult<()> {
        // As for granted folders: links are made to names, and not to what links lead to.
        if path_flags.contains(PathFlags::SYMLINK_FOLLOW) {
            return Err(ErrorCode::Invalid.into());
        }
        let (from, to) = (self.place(old_path, LastLink::Kept)?, to.place(new_path, LastLink::Kept)?);
        let node = from.existing()?;
        let (folder, name) = to.free()?;
        if to.is_folder_wanted {
            return Err(ErrorCode::NoEntry.into());
        }
        self.tree().add_name(folder, name, node)
    }

    pub(crate) fn symlink_at(&self, target: String, path: &str) -> DiskResult<()> {
        let place = self.place(path, LastLink::Kept)?;
        let (folder, name) = place.free()?;
        if place.is_folder_wanted {
            return Err(ErrorCode::NoEntry.into());
        }
        self.tree().create_link(folder, name, target).map(drop)
    }

    pub(crate) fn read_link_at(&self, path: &str) -> DiskResult<String> {
        let node = self.place(path, LastLink::Kept)?.existing()?;
        match &self.tree().node(node)?.kind {
            Kind::Link(target) => Ok(target.clone()),
            Kind::File(_) | Kind::Folder(..) | Kind::Device(_) => Err(ErrorCode::Invalid.into()),
        }
    }

    /// Returns what identifies the file or folder.
    pub(crate) const fn hash(&self) -> MetadataHashValue {
        MetadataHashValue { lower: self.held.node.0, upper: HASH }
    }

    pub(crate) fn hash_at(&self, path_flags: PathFlags, path: &str) -> DiskResult<MetadataHashValue> {
        Ok(MetadataHashValue { lower: self.existing(path_flags, path)?.0, upper: HASH })
    }
}

fn last_link(path_flags: PathFlags) -> LastLink {
    if path_flags.contains(PathFlags::SYMLINK_FOLLOW) { LastLink::Followed } else { LastLink::Kept }
}
