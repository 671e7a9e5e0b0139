//! Listings of folders, read in batches: the host never holds more than one batch, however large the folder.
//! The number of listings is bounded here; `files` bounds all open files.
//!
//! There is no snapshot. As for every process, an entry that is created or removed during the listing may be seen or
//! not; every other entry is seen once.

use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::blocking::Line;
use crate::sandbox::guest::wasi::unnamed::LeftOut;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, DirectoryEntry, ErrorCode};

/// The interface in wasmtime's version of WASI 0.2. Its listings are replaced: wasmtime's hold all names of a folder.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Maximum number of open listings of one guest.
const MAX_LISTINGS: usize = 16;

/// Number of entries per batch. A blocking thread finishes at most one batch after the guest was stopped.
const BATCH: usize = 128;

/// Replaces wasmtime's listings.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.resource("directory-entry-stream", ResourceType::host::<Listing>(), |mut store, rep| {
        let state = store.data_mut();
        let listing = state.table.delete(Resource::<Listing>::new_own(rep))?;
        if let Some(left_out) = listing.left_out.told() {
            state.refusals().log_once(&left_out);
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
        |mut store, (listing,): (Resource<Listing>,)| {
            Box::new(async move { Ok((store.data_mut().next_entry(listing).await?,)) })
        },
    )
}

impl State {
    /// Opens a listing of a folder. Fails if the guest has too many listings or files open.
    async fn list_folder(
        &mut self,
        folder: Resource<Descriptor>,
    ) -> wasmtime::Result<Result<Resource<Listing>, ErrorCode>> {
        let (Descriptor::Dir(folder), Some(line)) = (self.table.get(&folder)?, self.files.line().cloned())
        else {
            return Ok(Err(ErrorCode::NotDirectory));
        };
        let folder = Arc::clone(&folder.dir);
        if !self.files.listings.are_below(MAX_LISTINGS, &self.table) {
            return Ok(Err(ErrorCode::InsufficientMemory));
        }
        self.make_room()?;
        let left_out = LeftOut::of(self.files.name_of(&folder).unwrap_or("?"));
        let batch = match line.call(move || Batch::first(&folder)).await {
            Ok(batch) => batch,
            Err(refused) => return Ok(Err(code(refused))),
        };
        let listing = self.table.push(Listing::new(batch, left_out, line))?;
        self.files.listings.take(&listing);
        Ok(Ok(listing))
    }

    /// The next entry of a listing, once it is read.
    async fn next_entry(
        &mut self,
        listing: Resource<Listing>,
    ) -> wasmtime::Result<Result<Option<DirectoryEntry>, ErrorCode>> {
        let listing = self.table.get_mut(&listing)?;
        let entry = listing.next().await;
        let is_over = matches!(entry, Ok(None));
        if let Some(left_out) = listing.left_out.told().filter(|_| is_over) {
            self.refusals().log_once(&left_out);
        }
        Ok(entry)
    }
}

/// A listing: the entries read so far, and the rest of the folder.
pub(crate) struct Listing {
    read: std::vec::IntoIter<Result<DirectoryEntry, ErrorCode>>,
    /// Where the rest of them is; none once all were read.
    folder: Option<Dir>,
    left_out: LeftOut,
    line: Line,
}

/// Some entries of a folder, as they were read.
struct Batch {
    read: Vec<Entry>,
    folder: Option<Dir>,
}

/// An entry as it was read.
enum Entry {
    Told(DirectoryEntry),
    /// Its name is no text.
    Unnamed(Vec<u8>),
    Failed(ErrorCode),
}

impl Batch {
    /// Begins to read an open folder. May block.
    fn first(folder: &File) -> Result<Self, Errno> {
        // Its own description of the same folder, whatever its path means by now: the place in it is no one else's.
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
                Ok(entry) => look(&folder, entry.file_name()),
                Err(error) => Some(Entry::Failed(code(error))),
            });
        }
        Self { read, folder: Some(folder) }
    }
}

impl Listing {
    fn new(batch: Batch, left_out: LeftOut, line: Line) -> Self {
        let mut listing = Self { read: Vec::new().into_iter(), folder: None, left_out, line };
        listing.take(batch);
        listing
    }

    fn take(&mut self, batch: Batch) {
        let mut told = Vec::with_capacity(batch.read.len());
        for entry in batch.read {
            match entry {
                Entry::Told(entry) => told.push(Ok(entry)),
                Entry::Failed(code) => told.push(Err(code)),
                Entry::Unnamed(name) => self.left_out.add(&name),
            }
        }
        (self.read, self.folder) = (told.into_iter(), batch.folder);
    }

    async fn next(&mut self) -> Result<Option<DirectoryEntry>, ErrorCode> {
        loop {
            if let Some(entry) = self.read.next() {
                return entry.map(Some);
            }
            let Some(folder) = self.folder.take() else {
                return Ok(None);
            };
            let batch = self.line.call(move || Batch::next(folder)).await;
            self.take(batch);
        }
    }
}

/// Returns the entry for the guest. Skips `.`, `..` and entries that no longer exist.
fn look(folder: &Dir, name: &std::ffi::CStr) -> Option<Entry> {
    if matches!(name.to_bytes(), b"." | b"..") {
        return None;
    }
    let seen = folder.fd().and_then(|folder| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW));
    let type_ = match seen {
        Ok(seen) => kind(FileType::from_raw_mode(seen.st_mode)),
        Err(Errno::NOENT) => return None,
        Err(error) => return Some(Entry::Failed(code(error))),
    };
    Some(match name.to_str() {
        Ok(name) => Entry::Told(DirectoryEntry { type_, name: name.to_owned() }),
        Err(_) => Entry::Unnamed(name.to_bytes().to_vec()),
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

fn code(error: Errno) -> ErrorCode {
    ErrorCode::from(std::io::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use crate::invoke::FunctionId;
    use crate::sandbox::guest::wasi::blocking::Blocking;
    use tokio::time::Instant;

    async fn listing(folder: &std::path::Path) -> (Listing, Blocking) {
        let guest = Blocking::admitted(FunctionId(0), &Arc::default(), Instant::now()).await.unwrap();
        let batch = Batch::first(&File::open(folder).unwrap()).unwrap();
        (Listing::new(batch, LeftOut::of("in"), guest.line().clone()), guest)
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
    async fn a_folder_of_many_batches_is_told_whole_and_once() {
        let scratch = tempfile::tempdir().unwrap();
        let made: Vec<String> = (0..1_000).map(|nth| format!("{nth:0>250}")).collect();
        made.iter().for_each(|name| drop(File::create(scratch.path().join(name)).unwrap()));
        let (mut listing, _guest) = listing(scratch.path()).await;
        assert_eq!(names(&mut listing).await, made);
        assert_eq!(listing.next().await.unwrap().map(|entry| entry.name), None, "the end stays the end");
    }

    #[tokio::test]
    async fn what_goes_meanwhile_is_no_failure_and_a_folder_that_moves_is_read_on() {
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
        let seen = names(&mut listing).await;
        assert!(seen.len() < 1_000 && !seen.contains(&"other".to_owned()), "{}", seen.len());
    }

    #[tokio::test]
    async fn every_sort_of_entry_has_its_type_and_a_name_that_is_no_text_is_left_out() {
        use std::os::unix::ffi::OsStrExt as _;
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        File::create(at("file")).unwrap();
        std::fs::create_dir(at("folder")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
        File::create(scratch.path().join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
        let (mut listing, _guest) = listing(scratch.path()).await;
        let mut told = Vec::new();
        while let Some(entry) = listing.next().await.unwrap() {
            told.push(format!("{} {:?}", entry.name, entry.type_));
        }
        told.sort();
        let [file, folder, link, socket] = &*told else { panic!("{told:?}") };
        assert!(listing.left_out.told().unwrap().contains(r"`\xff`"));
        assert_eq!(file, "file DescriptorType::RegularFile");
        assert_eq!(folder, "folder DescriptorType::Directory");
        assert_eq!(link, "link DescriptorType::SymbolicLink");
        assert_eq!(socket, "socket DescriptorType::Unknown");
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("limits")
            .section("Limits of a call")
            .line("listings of folders")
            .cell(1)
            .says(&count(MAX_LISTINGS));
    }
}
