//! Files, folders and links of a private disk, and their changes. Numbers, times and order depend only on the calls
//! that the guest makes.
//! `walk` finds the node of a path; `calls` translates WASI's calls.

use crate::sandbox::guest::limits::LimitHit;
use crate::sandbox::guest::wasi::disk::content::Content;
use crate::sandbox::guest::wasi::disk::quota::{DiskQuota, NAME_COST, NODE_COST};
use std::collections::BTreeMap;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorStat, DescriptorType, ErrorCode, NewTimestamp,
};

/// Time of the first change: 2000-01-01T00:00:00Z, as on the logical wall clock.
const FIRST_TIME: Datetime = Datetime { seconds: 946_684_800, nanoseconds: 0 };

/// Time between two changes, in nanoseconds.
const STEP: u64 = 1_000;

/// Maximum size of one read or write, in bytes.
pub(crate) const MAX_PIECE: usize = 64 << 10;

/// Maximum length of a link's target, in bytes, as on Linux.
const MAX_LINK: usize = 4096;

/// Number of a node. Numbers count from zero and are not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) u64);

/// The folders that are there from the beginning.
pub(crate) const TMP: NodeId = NodeId(0);
pub(crate) const DEV: NodeId = NodeId(1);

/// The devices, in the order of their numbers, which follow [`DEV`].
const DEVICES: [(&str, Device); 7] = [
    ("null", Device::Null),
    ("zero", Device::Zero),
    ("random", Device::Random),
    ("urandom", Device::Random),
    ("stdin", Device::Stdin),
    ("stdout", Device::Stdout),
    ("stderr", Device::Stderr),
];

/// The working directory of a command. Functions have none.
pub(crate) const WORK: NodeId = NodeId(9);

/// The folders in the working directory that are no files of the command: listings omit them, and they cannot be removed.
const FIXED: [(&str, NodeId); 2] = [("dev", DEV), ("tmp", TMP)];

/// Reason why an operation failed: an error for the guest, or the end of the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiskError {
    /// An error for the guest.
    #[error("the guest gets an error of the file system")]
    Code(ErrorCode),
    /// The disk is full.
    #[error(transparent)]
    Full(#[from] LimitHit),
}

impl From<ErrorCode> for DiskError {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

pub(crate) type DiskResult<T> = Result<T, DiskError>;

/// A file, folder, link or device.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Number of names.
    links: u64,
    /// Number of open descriptors and streams.
    opened: u64,
    accessed: Datetime,
    modified: Datetime,
    changed: Datetime,
}

/// Kinds of nodes with their content.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A regular file.
    File(Content),
    /// A folder: its entries, sorted by name, and the folder that it is in.
    Folder(BTreeMap<String, NodeId>, NodeId),
    /// A symbolic link.
    Link(String),
    /// A file in `/dev`.
    Device(Device),
}

/// Files in `/dev`, which `devices` reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Device {
    /// Reads as empty, and takes everything.
    Null,
    /// Reads as zeros for ever.
    Zero,
    /// Reads as the random bytes of the guest.
    Random,
    /// Descriptor 0.
    Stdin,
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// The whole disk.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: BTreeMap<NodeId, Node>,
    next: u64,
    /// Number of changes, which is the time.
    changes: u64,
    pub(crate) quota: DiskQuota,
}

impl Tree {
    /// Creates a disk with an empty `/tmp`, and with `/dev`.
    pub(crate) fn new(quota: DiskQuota) -> Self {
        let mut tree = Self { nodes: BTreeMap::new(), next: 0, changes: 0, quota };
        tree.insert(Kind::Folder(BTreeMap::new(), TMP));
        let first = DEV.0 + 1;
        let devices = DEVICES.iter().zip(first..).map(|((name, _), id)| ((*name).to_owned(), NodeId(id)));
        tree.insert(Kind::Folder(devices.collect(), DEV));
        for (_, device) in DEVICES {
            tree.insert(Kind::Device(device));
        }
        tree
    }

    /// Creates the disk of a command: its working directory is the root, so that `tmp/a` and `/tmp/a` are one file.
    pub(crate) fn with_working_directory(quota: DiskQuota) -> Self {
        let mut tree = Self::new(quota);
        let fixed = FIXED.map(|(name, folder)| (name.to_owned(), folder));
        tree.insert(Kind::Folder(BTreeMap::from(fixed), WORK));
        tree
    }

    /// Adds a node with one name, which the caller enters.
    fn insert(&mut self, kind: Kind) -> NodeId {
        let (id, time) = (NodeId(self.next), self.time());
        let node = Node { kind, links: 1, opened: 0, accessed: time, modified: time, changed: time };
        self.next = self.next.saturating_add(1);
        self.nodes.insert(id, node);
        id
    }

    /// Returns a node. Every number that is handed out is that of a node, so the error does not happen.
    pub(crate) fn node(&self, id: NodeId) -> DiskResult<&Node> {
        self.nodes.get(&id).ok_or(DiskError::Code(ErrorCode::NoEntry))
    }

    fn node_mut(&mut self, id: NodeId) -> DiskResult<&mut Node> {
        self.nodes.get_mut(&id).ok_or(DiskError::Code(ErrorCode::NoEntry))
    }

    /// Returns the entries of a folder.
    pub(crate) fn entries(&self, folder: NodeId) -> DiskResult<&BTreeMap<String, NodeId>> {
        match &self.node(folder)?.kind {
            Kind::Folder(entries, _) => Ok(entries),
            Kind::File(_) | Kind::Link(_) | Kind::Device(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    fn entries_mut(&mut self, folder: NodeId) -> DiskResult<&mut BTreeMap<String, NodeId>> {
        match &mut self.node_mut(folder)?.kind {
            Kind::Folder(entries, _) => Ok(entries),
            Kind::File(_) | Kind::Link(_) | Kind::Device(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// Fails if a name in a folder is fixed.
    fn check_not_fixed(&self, folder: NodeId, name: &str) -> DiskResult<()> {
        match self.entries(folder)?.get(name) {
            Some(id) if is_fixed(folder, *id) => Err(ErrorCode::NotPermitted.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts one more open descriptor or stream of a node.
    pub(crate) fn hold(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.opened = node.opened.saturating_add(1);
        }
    }

    /// Counts one less. A node without names goes with its last descriptor.
    pub(crate) fn let_go(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.opened = node.opened.saturating_sub(1);
        }
        self.collect(id);
    }

    /// Removes a node that has no name and that nothing holds.
    fn collect(&mut self, id: NodeId) {
        if self.nodes.get(&id).is_some_and(|node| node.links == 0 && node.opened == 0)
            && let Some(node) = self.nodes.remove(&id)
        {
            self.quota.release(NODE_COST.saturating_add(content_cost(&node.kind)));
        }
    }

    /// Fails unless names in a folder may be changed: `/dev` is fixed, and a removed folder stays empty.
    fn check_changeable(&self, folder: NodeId) -> DiskResult<()> {
        if folder == DEV {
            return Err(ErrorCode::NotPermitted.into());
        }
        if self.node(folder)?.links == 0 { Err(ErrorCode::NoEntry.into()) } else { Ok(()) }
    }

    /// Creates a node with a name that is free.
    pub(crate) fn create(&mut self, folder: NodeId, name: &str, kind: Kind) -> DiskResult<NodeId> {
        self.check_changeable(folder)?;
        let cost = NODE_COST.saturating_add(content_cost(&kind)).saturating_add(name_cost(name));
        self.entries(folder)?;
        self.quota.charge(cost)?;
        self.touch(folder)?;
        let id = self.insert(kind);
        self.entries_mut(folder)?.insert(name.to_owned(), id);
        Ok(id)
    }

    /// Creates an empty folder.
    pub(crate) fn create_folder(&mut self, folder: NodeId, name: &str) -> DiskResult<NodeId> {
        self.create(folder, name, Kind::Folder(BTreeMap::new(), folder))
    }

    /// Creates a symbolic link.
    pub(crate) fn create_link(&mut self, folder: NodeId, name: &str, target: String) -> DiskResult<NodeId> {
        match target.len() {
            0 => Err(ErrorCode::NoEntry.into()),
            1..=MAX_LINK if target.starts_with('/') => Err(ErrorCode::NotPermitted.into()),
            1..=MAX_LINK => self.create(folder, name, Kind::Link(target)),
            _ => Err(ErrorCode::NameTooLong.into()), // as Linux refuses it
        }
    }

    /// Gives a file one more name, which is free.
    pub(crate) fn add_name(&mut self, folder: NodeId, name: &str, id: NodeId) -> DiskResult<()> {
        self.check_changeable(folder)?;
        if matches!(self.node(id)?.kind, Kind::Folder(..) | Kind::Device(_)) {
            return Err(ErrorCode::NotPermitted.into());
        }
        self.quota.charge(name_cost(name))?;
        self.touch(folder)?;
        let time = self.time();
        let node = self.node_mut(id)?;
        node.links = node.links.saturating_add(1);
        node.changed = time;
        self.entries_mut(folder)?.insert(name.to_owned(), id);
        Ok(())
    }

    /// Removes a name of a node, and the node with its last one.
    pub(crate) fn remove_name(&mut self, folder: NodeId, name: &str) -> DiskResult<()> {
        self.check_changeable(folder)?;
        self.check_not_fixed(folder, name)?;
        let id = self.entries_mut(folder)?.remove(name).ok_or(ErrorCode::NoEntry)?;
        self.quota.release(name_cost(name));
        self.touch(folder)?;
        let time = self.time();
        let node = self.node_mut(id)?;
        node.links = node.links.saturating_sub(1);
        node.changed = time;
        self.collect(id);
        Ok(())
    }

    /// Moves a node from one name to another, which replaces a file, or an empty folder by a folder.
    pub(crate) fn rename(&mut self, from: (NodeId, &str), to: (NodeId, &str)) -> DiskResult<()> {
        self.check_changeable(from.0)?;
        self.check_changeable(to.0)?;
        self.check_not_fixed(from.0, from.1)?;
        let id = *self.entries(from.0)?.get(from.1).ok_or(ErrorCode::NoEntry)?;
        let is_folder = matches!(self.node(id)?.kind, Kind::Folder(..));
        if is_folder && self.is_within(to.0, id) {
            return Err(ErrorCode::Invalid.into());
        }
        let replaced = self.entries(to.0)?.get(to.1).copied();
        if replaced == Some(id) {
            return Ok(());
        }
        if let Some(replaced) = replaced {
            match (&self.node(replaced)?.kind, is_folder) {
                (Kind::Folder(entries, _), true) if entries.is_empty() => {}
                (Kind::Folder(..), true) => return Err(ErrorCode::NotEmpty.into()),
                (Kind::Folder(..), false) => return Err(ErrorCode::IsDirectory.into()),
                (_, true) => return Err(ErrorCode::NotDirectory.into()),
                (_, false) => {} // a file or a link
            }
            self.remove_name(to.0, to.1)?;
        }
        self.quota.charge(name_cost(to.1))?;
        self.entries_mut(from.0)?.remove(from.1);
        self.quota.release(name_cost(from.1));
        self.entries_mut(to.0)?.insert(to.1.to_owned(), id);
        if let Kind::Folder(_, parent) = &mut self.node_mut(id)?.kind {
            *parent = to.0;
        }
        self.touch(from.0)?;
        self.touch(to.0)
    }

    /// Returns whether a folder is `above`, or within it.
    fn is_within(&self, folder: NodeId, above: NodeId) -> bool {
        let mut current = folder;
        loop {
            if current == above {
                return true;
            }
            match self.nodes.get(&current).map(|node| &node.kind) {
                Some(Kind::Folder(_, parent)) if *parent != current => current = *parent,
                _ => return false, // the top
            }
        }
    }

    /// Takes the content of a file when the guest is gone.
    pub(crate) fn take_content(&mut self, id: NodeId) -> Option<Content> {
        match &mut self.nodes.get_mut(&id)?.kind {
            Kind::File(content) => Some(std::mem::replace(content, Content::empty())),
            Kind::Folder(..) | Kind::Link(_) | Kind::Device(_) => None,
        }
    }

    /// Reads a file from a position on, at most `len` bytes. An empty result is the end of the file.
    pub(crate) fn read(&self, id: NodeId, position: u64, len: usize) -> DiskResult<&[u8]> {
        match &self.node(id)?.kind {
            Kind::File(content) => {
                let content = content.bytes();
                let start = usize::try_from(position).unwrap_or(usize::MAX).min(content.len());
                let rest = content.get(start..).unwrap_or_default();
                Ok(rest.get(..len.min(rest.len())).unwrap_or_default())
            }
            Kind::Device(_) => Ok(&[]), // `devices` reads them
            Kind::Folder(..) => Err(ErrorCode::IsDirectory.into()),
            Kind::Link(_) => Err(ErrorCode::Invalid.into()),
        }
    }

    /// Writes to a file at a position, or at its end. Returns the position behind what was written.
    pub(crate) fn write(&mut self, id: NodeId, position: Option<u64>, bytes: &[u8]) -> DiskResult<u64> {
        let len = match &self.node(id)?.kind {
            Kind::File(content) => content.bytes().len(),
            Kind::Device(_) => return Ok(0),
            Kind::Folder(..) => return Err(ErrorCode::IsDirectory.into()),
            Kind::Link(_) => return Err(ErrorCode::Invalid.into()),
        };
        let start = position.unwrap_or(u64::try_from(len).unwrap_or(u64::MAX));
        let end = start.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if bytes.is_empty() {
            return Ok(start);
        }
        if end > u64::try_from(len).unwrap_or(u64::MAX) {
            self.resize(id, end)?;
        }
        let Self { nodes, quota, .. } = self;
        if let Some(Kind::File(content)) = nodes.get_mut(&id).map(|node| &mut node.kind) {
            content.overwrite(usize::try_from(start).unwrap_or(usize::MAX), bytes, quota)?;
        }
        self.touch(id)?;
        Ok(end)
    }

    /// Sets the size of a file. New bytes are zero.
    pub(crate) fn set_size(&mut self, id: NodeId, size: u64) -> DiskResult<()> {
        match &self.node(id)?.kind {
            Kind::File(_) => {}
            Kind::Device(_) => return Ok(()),
            Kind::Folder(..) => return Err(ErrorCode::IsDirectory.into()),
            Kind::Link(_) => return Err(ErrorCode::Invalid.into()),
        }
        self.resize(id, size)?;
        self.touch(id)
    }

    /// Resizes a file.
    fn resize(&mut self, id: NodeId, size: u64) -> DiskResult<()> {
        let Self { nodes, quota, .. } = self;
        let Some(Kind::File(content)) = nodes.get_mut(&id).map(|node| &mut node.kind) else {
            return Err(ErrorCode::Invalid.into());
        };
        Ok(content.resize(size, quota)?)
    }

    /// Sets the times of a node.
    pub(crate) fn set_times(
        &mut self,
        id: NodeId,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> DiskResult<()> {
        if matches!(self.node(id)?.kind, Kind::Device(_)) || id == DEV {
            return Err(ErrorCode::NotPermitted.into());
        }
        self.changes = self.changes.saturating_add(1);
        let now = self.time();
        let node = self.node_mut(id)?;
        let new = |time: NewTimestamp, before: Datetime| match time {
            NewTimestamp::NoChange => before,
            NewTimestamp::Now => now,
            NewTimestamp::Timestamp(time) => time,
        };
        node.accessed = new(accessed, node.accessed);
        node.modified = new(modified, node.modified);
        node.changed = now;
        Ok(())
    }

    /// Returns what a guest learns of a node.
    pub(crate) fn stat(&self, id: NodeId) -> DiskResult<DescriptorStat> {
        let node = self.node(id)?;
        Ok(DescriptorStat {
            type_: node.kind.type_of(),
            link_count: node.links,
            size: match &node.kind {
                Kind::File(content) => bytes(content.bytes().len()),
                Kind::Link(target) => bytes(target.len()),
                Kind::Folder(..) | Kind::Device(_) => 0,
            },
            data_access_timestamp: Some(node.accessed),
            data_modification_timestamp: Some(node.modified),
            status_change_timestamp: Some(node.changed),
        })
    }

    /// Marks a node as modified now.
    fn touch(&mut self, id: NodeId) -> DiskResult<()> {
        self.changes = self.changes.saturating_add(1);
        let time = self.time();
        let node = self.node_mut(id)?;
        (node.modified, node.changed) = (time, time);
        Ok(())
    }

    /// Returns the time: it advances with each change, so that later changes have later times.
    fn time(&self) -> Datetime {
        let nanos = self.changes.saturating_mul(STEP);
        let nanoseconds = u32::try_from(nanos % 1_000_000_000).unwrap_or_default();
        Datetime { seconds: FIRST_TIME.seconds.saturating_add(nanos / 1_000_000_000), nanoseconds }
    }
}

impl Kind {
    /// Returns the type that a guest sees.
    pub(crate) const fn type_of(&self) -> DescriptorType {
        match self {
            Self::File(_) => DescriptorType::RegularFile,
            Self::Folder(..) => DescriptorType::Directory,
            Self::Link(_) => DescriptorType::SymbolicLink,
            Self::Device(_) => DescriptorType::CharacterDevice,
        }
    }
}

/// Returns whether an entry of a folder is no file of the command, and cannot be removed.
pub(crate) fn is_fixed(folder: NodeId, entry: NodeId) -> bool {
    folder == WORK && FIXED.iter().any(|(_, id)| *id == entry)
}

fn content_cost(kind: &Kind) -> u64 {
    match kind {
        Kind::File(content) => content.cost(),
        Kind::Link(target) => bytes(target.len()),
        Kind::Folder(..) | Kind::Device(_) => 0, // names are counted one by one
    }
}

fn name_cost(name: &str) -> u64 {
    NAME_COST.saturating_add(bytes(name.len()))
}

fn bytes(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
