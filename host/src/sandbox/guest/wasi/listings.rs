//! Listings of folders, read in batches: the host never holds more than one batch, however large the folder.
//! The number of listings is bounded here; `files` bounds all open files.
//!
//! There is no snapshot. As for every process, an entry that is created or removed during the listing may be seen or
//! not; every other entry is seen once.

use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::blocking::BlockingCalls;
use crate::sandbox::guest::wasi::disk;
use crate::sandbox::guest::wasi::disk::DiskListing;
use crate::sandbox::guest::wasi::non_utf8::OmittedNames;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};

/// The interface in wasmtime's version of WASI 0.2. Its listings are replaced: wasmtime's hold all names of a folder.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Maximum number of open listings of one guest. A program that removes a tree holds one for each level.
const MAX_LISTINGS: usize = 64;

/// Number of entries per batch. A blocking thread finishes at most one batch after the guest was stopped.
const BATCH: usize = 128;

/// Replaces wasmtime's listings.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.resource("directory-entry-stream", ResourceType::host::<OpenListing>(), |mut store, rep| {
        let state = store.data_mut();
        if let OpenListing::Granted(listing) = state.table.delete(Resource::<OpenListing>::new_own(rep))?
            && let Some(omitted) = listing.omitted.message()
        {
            state.refusals().log_once(&omitted);
        }
        Ok(())
    })?;
    types.func_wrap_async(
        "[method]descriptor.read-directory",
        |mut store, (folder,): (Resource<Descriptor>,)| {
            Box::new(async move { Ok((store.data_mut().list_folder(folder).await?,)) })
        },
    )?;
    types.func_wrap_async(
        "[method]directory-entry-stream.read-directory-entry",
        |mut store, (listing,): (Resource<OpenListing>,)| {
            Box::new(async move { Ok((store.data_mut().next_entry(listing).await?,)) })
        },
    )
}

impl State {
    /// Opens a listing of a folder. Fails if the guest has too many listings or files open.
    async fn list_folder(
        &mut self,
        folder: Resource<Descriptor>,
    ) -> wasmtime::Result<Result<Resource<OpenListing>, ErrorCode>> {
        if let Some(folder) = self.disk_file(&folder) {
            return match disk::split(Self::list_disk(&folder))? {
                Ok(_) if !self.may_list() => Ok(Err(ErrorCode::InsufficientMemory)),
                Ok(listing) => self.add_listing(OpenListing::Disk(listing)).map(Ok),
                Err(code) => Ok(Err(code)),
            };
        }
        let (Descriptor::Dir(folder), Some(calls)) =
            (self.table.get(&folder)?, self.files.blocking_calls().cloned())
        else {
            return Ok(Err(ErrorCode::NotDirectory));
        };
        let folder = Arc::clone(&folder.dir);
        if !self.may_list() {
            return Ok(Err(ErrorCode::InsufficientMemory));
        }
        self.reserve_file()?;
        let omitted = OmittedNames::new(self.files.folder_name(&folder).unwrap_or("?"));
        let batch = match calls.call(move || Batch::first(&folder)).await {
            Ok(batch) => batch,
            Err(error) => return Ok(Err(error_code(error))),
        };
        self.add_listing(OpenListing::Granted(Listing::new(batch, omitted, calls))).map(Ok)
    }

    /// Returns whether the guest may open another listing; if not, the log says so.
    fn may_list(&mut self) -> bool {
        let may = self.files.listings.has_capacity(MAX_LISTINGS, &self.table);
        if !may {
            self.refusals().log_once(&format!("a guest can list {MAX_LISTINGS} folders at the same time"));
        }
        may
    }

    fn add_listing(&mut self, listing: OpenListing) -> wasmtime::Result<Resource<OpenListing>> {
        let listing = self.table.push(listing)?;
        self.files.listings.add(&listing);
        Ok(listing)
    }

    /// Returns the next entry of a listing.
    async fn next_entry(
        &mut self,
        listing: Resource<OpenListing>,
    ) -> wasmtime::Result<Result<Option<DirectoryEntry>, ErrorCode>> {
        let listing = match self.table.get_mut(&listing)? {
            OpenListing::Granted(listing) => listing,
            OpenListing::Disk(listing) => return disk::split(listing.next()),
        };
        let entry = listing.next().await;
        let has_ended = matches!(entry, Ok(None));
        if let Some(omitted) = listing.omitted.message().filter(|_| has_ended) {
            self.refusals().log_once(&omitted);
        }
        Ok(entry)
    }
}

/// A listing that a guest holds.
pub(crate) enum OpenListing {
    /// Of a granted folder.
    Granted(Listing),
    /// Of a folder of the private disk.
    Disk(DiskListing),
}

/// A listing: the entries read so far, and the rest of the folder.
pub(crate) struct Listing {
    read: std::vec::IntoIter<Result<DirectoryEntry, ErrorCode>>,
    /// Rest of the folder; none once all entries were read.
    folder: Option<Dir>,
    omitted: OmittedNames,
    calls: BlockingCalls,
}

/// A batch of entries, and the rest of the folder.
struct Batch {
    read: Vec<Entry>,
    folder: Option<Dir>,
}

/// An entry of a folder.
enum Entry {
    Named(DirectoryEntry),
    /// An entry whose name is not UTF-8.
    NonUtf8(Vec<u8>),
    Failed(ErrorCode),
}

impl Batch {
    /// Reads the first entries of an open folder. May block.
    fn first(folder: &File) -> Result<Self, Errno> {
        // A file description of its own has a read position of its own. The path may lead elsewhere by now.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = Dir::new(openat(folder, c".", flags, Mode::empty())?)?;
        Ok(Self::next(folder))
    }

    /// Reads the next entries. May block.
    fn next(mut folder: Dir) -> Self {
        let mut read = Vec::new();
        for _ in 0..BATCH {
            let Some(entry) = folder.read() else {
                return Self { read, folder: None };
            };
            read.extend(match entry {
                Ok(entry) => read_entry(&folder, entry.file_name()),
                Err(error) => Some(Entry::Failed(error_code(error))),
            });
        }
        Self { read, folder: Some(folder) }
    }
}

impl Listing {
    fn new(batch: Batch, omitted: OmittedNames, calls: BlockingCalls) -> Self {
        let mut listing = Self { read: Vec::new().into_iter(), folder: None, omitted, calls };
        listing.add_batch(batch);
        listing
    }

    fn add_batch(&mut self, batch: Batch) {
        let mut entries = Vec::with_capacity(batch.read.len());
        for entry in batch.read {
            match entry {
                Entry::Named(entry) => entries.push(Ok(entry)),
                Entry::Failed(error_code) => entries.push(Err(error_code)),
                Entry::NonUtf8(name) => self.omitted.add(&name),
            }
        }
        (self.read, self.folder) = (entries.into_iter(), batch.folder);
    }

    async fn next(&mut self) -> Result<Option<DirectoryEntry>, ErrorCode> {
        loop {
            if let Some(entry) = self.read.next() {
                return entry.map(Some);
            }
            let Some(folder) = self.folder.take() else {
                return Ok(None);
            };
            let batch = self.calls.call(move || Batch::next(folder)).await;
            self.add_batch(batch);
        }
    }
}

/// Returns the entry for the guest. Skips `.`, `..` and entries that no longer exist.
fn read_entry(folder: &Dir, name: &std::ffi::CStr) -> Option<Entry> {
    if matches!(name.to_bytes(), b"." | b"..") {
        return None;
    }
    let stat = folder.fd().and_then(|folder| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW));
    let type_ = match stat {
        Ok(stat) => kind(FileType::from_raw_mode(stat.st_mode)),
        Err(Errno::NOENT) => return None,
        Err(error) => return Some(Entry::Failed(error_code(error))),
    };
    Some(match name.to_str() {
        Ok(name) => Entry::Named(DirectoryEntry { type_, name: name.to_owned() }),
        Err(_) => Entry::NonUtf8(name.to_bytes().to_vec()),
    })
}

/// Maps file types exactly as wasmtime does for descriptors.
const fn kind(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Fifo | FileType::Socket | FileType::Unknown => DescriptorType::Unknown,
    }
}

fn error_code(error: Errno) -> ErrorCode {
    ErrorCode::from(std::io::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use crate::invoke::FunctionId;
    use crate::sandbox::guest::wasi::blocking::GuestCalls;
    use tokio::time::Instant;

    async fn listing(folder: &std::path::Path) -> (Listing, GuestCalls) {
        let guest = GuestCalls::admit(FunctionId(0), &Arc::default(), Instant::now()).await.unwrap();
        let batch = Batch::first(&File::open(folder).unwrap()).unwrap();
        (Listing::new(batch, OmittedNames::new("in"), guest.calls().clone()), guest)
    }

    async fn names(listing: &mut Listing) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(entry) = listing.next().await.unwrap() {
            names.push(entry.name);
            assert!(listing.read.len() < BATCH, "no more than a batch is held");
        }
        names.sort();
        names
    }

    #[tokio::test]
    async fn folder_of_many_batches_is_listed_completely_and_once() {
        let scratch = tempfile::tempdir().unwrap();
        let created: Vec<String> = (0..1_000).map(|nth| format!("{nth:0>250}")).collect();
        created.iter().for_each(|name| drop(File::create(scratch.path().join(name)).unwrap()));
        let (mut listing, _guest) = listing(scratch.path()).await;
        assert_eq!(names(&mut listing).await, created);
        assert_eq!(listing.next().await.unwrap().map(|entry| entry.name), None, "the end stays the end");
    }

    #[tokio::test]
    async fn entries_removed_meanwhile_are_no_error_and_a_renamed_folder_is_read_on() {
        let scratch = tempfile::tempdir().unwrap();
        let (folder, moved) = (scratch.path().join("folder"), scratch.path().join("moved"));
        std::fs::create_dir(&folder).unwrap();
        (0..1_000).for_each(|nth| drop(File::create(folder.join(format!("{nth:0>250}"))).unwrap()));
        let (mut listing, _guest) = listing(&folder).await;
        std::fs::rename(&folder, &moved).unwrap();
        std::fs::create_dir(&folder).unwrap();
        File::create(folder.join("other")).unwrap();
        for entry in std::fs::read_dir(&moved).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let listed = names(&mut listing).await;
        assert!(listed.len() < 1_000 && !listed.contains(&"other".to_owned()), "{}", listed.len());
    }

    #[tokio::test]
    async fn every_kind_of_entry_has_its_type_and_names_that_are_not_utf8_are_omitted() {
        use std::os::unix::ffi::OsStrExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        File::create(path("file")).unwrap();
        std::fs::create_dir(path("folder")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("link")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path("socket")).unwrap());
        File::create(scratch.path().join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
        let (mut listing, _guest) = listing(scratch.path()).await;
        let mut entries = Vec::new();
        while let Some(entry) = listing.next().await.unwrap() {
            entries.push(format!("{} {:?}", entry.name, entry.type_));
        }
        entries.sort();
        let [file, folder, link, socket] = &*entries else { panic!("{entries:?}") };
        assert!(listing.omitted.message().unwrap().contains(r"`\xff`"));
        assert_eq!(file, "file DescriptorType::RegularFile");
        assert_eq!(folder, "folder DescriptorType::Directory");
        assert_eq!(link, "link DescriptorType::SymbolicLink");
        assert_eq!(socket, "socket DescriptorType::Unknown");
    }

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits")
            .section("Limits of a call")
            .line("listings of folders")
            .cell(1)
            .says(&count(MAX_LISTINGS));
    }
}
