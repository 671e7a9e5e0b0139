//! The opening of files and folders for guests: nothing else is opened, and nobody is waited for who may never come.
//! Refusals are told in the task's log. How many a guest may have open is for `files`.

use crate::model::excerpt;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::below;
use crate::sandbox::guest::wasi::below::Unopened;
use crate::sandbox::guest::wasi::blocking::Line;
use rustix::fs::{FileType, OFlags};
use std::io;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::filesystem::{Dir, File, OpenMode, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

/// The interfaces in wasmtime's version of WASI 0.2: these functions of them are shadowed.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";
const FOLDERS: &str = "wasi:filesystem/preopens@0.2.12";

/// Maximum number of characters of a path in the log.
const MAX_PATH: usize = 120;

/// The longest name.
const MAX_NAME: usize = 240;

type Opening = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
type Times = (Resource<Descriptor>, PathFlags, String, NewTimestamp, NewTimestamp);

/// Links what opens files over wasmtime's, which opens pipes and devices too, counts none and tells nobody but the guest.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap_async("[method]descriptor.open-at", |mut store, opening: Opening| {
        Box::new(async move { Ok((store.data_mut().open_file(opening).await?,)) })
    })?;
    // It opens what it sets the times of.
    types.func_wrap_async("[method]descriptor.set-times-at", |mut store, times: Times| {
        Box::new(async move { Ok((store.data_mut().set_times_of(times).await?,)) })
    })?;
    // Closing a file may wait as well: what was written to it goes out then.
    types.resource_async("descriptor", ResourceType::host::<Descriptor>(), |mut store, rep| {
        Box::new(async move { store.data_mut().close_file(Resource::new_own(rep)).await })
    })?;
    let mut folders = linker.instance(FOLDERS)?;
    folders.func_wrap("get-directories", |mut store, (): ()| Ok((store.data_mut().granted_folders()?,)))
}

/// What a guest would open, and how.
#[derive(Clone)]
struct Wish {
    at: PathFlags,
    path: String,
    how: OpenFlags,
    wanted: DescriptorFlags,
    /// How the guest names it.
    name: String,
}

/// Why a guest was not given what it wanted.
enum Refused {
    /// What it is told, and nobody else is.
    Code(ErrorCode),
    /// It leads out of its folder.
    Outside,
    /// It would be written to, and may only be read.
    ReadOnly,
    /// It is no file and no folder, but this.
    Kind(&'static str),
    /// This host has no call for it; wasmtime finds a way.
    NoCall,
}

impl State {
    async fn open_file(
        &mut self,
        (folder, at, path, how, wanted): Opening,
    ) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
        self.make_room()?;
        let Descriptor::Dir(below) = self.table.get(&folder)?.clone() else {
            return Ok(Err(ErrorCode::NotDirectory));
        };
        let name = self.name_below(&below, &path);
        let wish = Wish { at, path, how, wanted, name };
        let opened = match open_below(self.files.line().cloned(), &below, wish.clone()).await {
            Ok(opened) => Ok(self.table.push(opened)?),
            Err(Refused::NoCall) => self.open_walking(folder, &wish).await?,
            Err(refused) => Err(refused),
        };
        match opened {
            Ok(opened) => Ok(Ok(self.keep_file(opened, wish.name)?)),
            Err(refused) => Ok(Err(self.refuse(&refused, &wish))),
        }
    }

    /// Opens in wasmtime's way, which walks along the path, once it has looked at where that leads.
    async fn open_walking(
        &mut self,
        folder: Resource<Descriptor>,
        wish: &Wish,
    ) -> wasmtime::Result<Result<Resource<Descriptor>, Refused>> {
        if let Some(kind) = self.odd_kind(&folder, wish).await? {
            return Ok(Err(Refused::Kind(kind)));
        }
        let Wish { at, path, how, wanted, .. } = wish.clone();
        match self.filesystem().open_at(folder, at, path, how, wanted).await {
            Ok(opened) => Ok(Ok(opened)),
            Err(error) => Ok(Err(match error.downcast()? {
                ErrorCode::NotPermitted if is_written(wish) => Refused::ReadOnly,
                ErrorCode::NotPermitted => Refused::Outside,
                code => Refused::Code(code),
            })),
        }
    }

    /// What is there, if it is neither a file nor a folder nor a link.
    async fn odd_kind(
        &mut self,
        folder: &Resource<Descriptor>,
        wish: &Wish,
    ) -> wasmtime::Result<Option<&'static str>> {
        if wish.how.contains(OpenFlags::EXCLUSIVE) {
            return Ok(None);
        }
        let folder = Resource::new_borrow(folder.rep());
        match self.filesystem().stat_at(folder, wish.at, wish.path.clone()).await {
            Ok(found) => Ok(match found.type_ {
                DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink => {
                    None
                }
                DescriptorType::BlockDevice | DescriptorType::CharacterDevice => Some("a device"),
                DescriptorType::Fifo | DescriptorType::Socket | DescriptorType::Unknown => {
                    Some("a pipe or a socket")
                }
            }),
            // Opening it says what is wrong.
            Err(error) => error.downcast().map(|_: ErrorCode| None),
        }
    }

    async fn set_times_of(
        &mut self,
        (folder, at, path, accessed, modified): Times,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        let below = self.table.get(&folder)?.clone();
        if let Descriptor::Dir(below) = below
            && at.contains(PathFlags::SYMLINK_FOLLOW)
            && !below.perms.write_not_permitted()
        {
            self.make_room()?;
            let (how, wanted) = (OpenFlags::empty(), DescriptorFlags::READ);
            let wish = Wish { at, path: path.clone(), how, wanted, name: self.name_below(&below, &path) };
            match open_below(self.files.line().cloned(), &below, wish.clone()).await {
                Ok(opened) => {
                    let opened = self.table.push(opened)?;
                    let borrowed = Resource::new_borrow(opened.rep());
                    let set = self.filesystem().set_times(borrowed, accessed, modified).await;
                    self.table.delete(opened)?;
                    return told(set);
                }
                // It may not be read, or not be opened in this way: wasmtime finds others.
                Err(Refused::NoCall | Refused::Code(ErrorCode::Access)) => {
                    if let Some(kind) = self.odd_kind(&folder, &wish).await? {
                        return Ok(Err(self.refuse(&Refused::Kind(kind), &wish)));
                    }
                }
                Err(refused) => return Ok(Err(self.refuse(&refused, &wish))),
            }
        }
        told(self.filesystem().set_times_at(folder, at, path, accessed, modified).await)
    }

    async fn close_file(&mut self, closed: Resource<Descriptor>) -> wasmtime::Result<()> {
        let closed = self.table.delete(closed)?;
        let file = match &closed {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(folder) => &folder.dir,
        };
        // It is closed when the last who holds it lets go of it.
        if Arc::strong_count(file) == 1
            && let Some(line) = self.files.line()
        {
            line.call(move || drop(closed)).await;
        }
        Ok(())
    }

    /// Tells what was refused, and gives the code for the guest.
    fn refuse(&mut self, refused: &Refused, wish: &Wish) -> ErrorCode {
        let path = excerpt(&wish.path, MAX_PATH);
        let (what, why) = match refused {
            Refused::Code(code) => return *code,
            Refused::Kind(kind) => {
                let why = format!("it is {kind}, and guests are given files and folders alone");
                (format!("opening `{}`", wish.name), why)
            }
            Refused::ReadOnly | Refused::Outside if is_written(wish) => (
                format!("opening `{path}` for writing"),
                "`write = [\"FOLDER\"]`, with the folder that it is in, would allow it".to_owned(),
            ),
            Refused::ReadOnly | Refused::Outside | Refused::NoCall => (
                format!("opening `{path}` outside of its folder"),
                "`read = [\"FOLDER\"]`, with the folder that it is in, would allow it".to_owned(),
            ),
        };
        self.refusals().log_once(&format!("{what} was refused; {why}"));
        ErrorCode::NotPermitted
    }

    /// How a guest names what is below a folder.
    fn name_below(&self, folder: &Dir, path: &str) -> String {
        let folder = self.files.name_of(&folder.dir).unwrap_or_default().trim_end_matches('/');
        match path.trim_start_matches("./") {
            "." => folder.to_owned(),
            path => format!("{folder}/{path}").chars().take(MAX_NAME).collect(),
        }
    }
}

async fn open_below(line: Option<Line>, folder: &Dir, wish: Wish) -> Result<Descriptor, Refused> {
    let (flags, mode) = flags(folder, &wish)?;
    let (open, path) = (Arc::clone(&folder.dir), wish.path);
    let line = line.ok_or(Refused::NoCall)?;
    let (opened, kind) = line.call(move || below::open(&open, &path, flags)).await?;
    match kind {
        FileType::Directory => Ok(Descriptor::Dir(Dir::new(opened, folder.perms, mode, false))),
        _ if wish.how.contains(OpenFlags::DIRECTORY) => Err(Refused::Code(ErrorCode::NotDirectory)),
        _ => Ok(Descriptor::File(File::new(opened, folder.perms, mode, false))), // a regular file
    }
}

fn told(done: Result<(), wasmtime_wasi::p2::FsError>) -> wasmtime::Result<Result<(), ErrorCode>> {
    match done {
        Ok(()) => Ok(Ok(())),
        Err(error) => error.downcast().map(Err),
    }
}

fn is_written(wish: &Wish) -> bool {
    wish.how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
        || wish.wanted.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
}

/// How the system is asked, and what the guest may do with what it is given; the rules are wasmtime's.
fn flags(folder: &Dir, wish: &Wish) -> Result<(OFlags, OpenMode), Refused> {
    let Wish { at, how, wanted, .. } = wish;
    // Writes that wait for the disk.
    let synchronous = DescriptorFlags::FILE_INTEGRITY_SYNC
        | DescriptorFlags::DATA_INTEGRITY_SYNC
        | DescriptorFlags::REQUESTED_WRITE_SYNC;
    if wanted.intersects(synchronous) {
        return Err(Refused::Code(ErrorCode::Unsupported));
    }
    if how.contains(OpenFlags::DIRECTORY) && *how != OpenFlags::DIRECTORY {
        return Err(Refused::Code(ErrorCode::Invalid));
    }
    let is_changed =
        how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE) || wanted.contains(DescriptorFlags::WRITE);
    if is_changed && folder.perms.write_not_permitted() {
        return Err(Refused::ReadOnly);
    }
    // What is not opened to write is opened to read, whether the guest wants that or not.
    let is_read = wanted.contains(DescriptorFlags::READ) || !wanted.contains(DescriptorFlags::WRITE);
    let (access, mode) = match (is_read, is_changed) {
        (true, true) => (OFlags::RDWR, OpenMode::READ | OpenMode::WRITE),
        (false, _) => (OFlags::WRONLY, OpenMode::WRITE),
        (true, false) => (OFlags::RDONLY, OpenMode::READ),
    };
    let mut flags = access;
    flags.set(OFlags::CREATE, how.contains(OpenFlags::CREATE));
    flags.set(OFlags::EXCL, how.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE));
    // A file that must be new has nothing to be cut off.
    flags.set(OFlags::TRUNC, how.contains(OpenFlags::TRUNCATE) && !flags.contains(OFlags::EXCL));
    flags.set(OFlags::NOFOLLOW, !at.contains(PathFlags::SYMLINK_FOLLOW));
    Ok((flags, mode))
}

impl From<Unopened> for Refused {
    fn from(unopened: Unopened) -> Self {
        match unopened {
            Unopened::Error(error) => Self::Code(io::Error::from(error).into()),
            Unopened::Outside => Self::Outside,
            Unopened::NoCall => Self::NoCall,
            Unopened::Kind(kind) => Self::Kind(match kind {
                FileType::Fifo => "a named pipe",
                FileType::Socket => "a socket",
                FileType::CharacterDevice | FileType::BlockDevice => "a device",
                FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Unknown => {
                    "something else"
                }
            }),
        }
    }
}
