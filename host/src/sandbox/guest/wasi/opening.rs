//! Opening of files and folders for guests. Pipes, devices and sockets are refused, because they could block forever.
//! Refusals go to the task's log. `files` bounds the number of open files.

use crate::model::excerpt;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::beneath::OpenFailure;
use crate::sandbox::guest::wasi::blocking::BlockingCalls;
use crate::sandbox::guest::wasi::disk::Opening;
use crate::sandbox::guest::wasi::{beneath, disk};
use rustix::fs::{FileType, OFlags};
use std::io;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::filesystem::{Dir, File, OpenMode, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

/// The interfaces in wasmtime's version of WASI 0.2. Some of their functions are replaced.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";
const FOLDERS: &str = "wasi:filesystem/preopens@0.2.12";

/// Maximum number of characters of a path in the log.
const MAX_PATH: usize = 120;

/// Maximum length of a guest path in the log, in characters.
const MAX_NAME: usize = 240;

type OpenArgs = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
type SetTimesArgs = (Resource<Descriptor>, PathFlags, String, NewTimestamp, NewTimestamp);

/// Replaces wasmtime's functions that open files: those open pipes and devices too, count no files and log nothing.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap_async("[method]descriptor.open-at", |mut store, args: OpenArgs| {
        Box::new(async move { Ok((store.data_mut().open_file(args).await?,)) })
    })?;
    // Setting times opens the file.
    types.func_wrap_async("[method]descriptor.set-times-at", |mut store, args: SetTimesArgs| {
        Box::new(async move { Ok((store.data_mut().set_times(args).await?,)) })
    })?;
    // Closing a file may block too, while written data is flushed.
    types.resource_async("descriptor", ResourceType::host::<Descriptor>(), |mut store, rep| {
        Box::new(async move { store.data_mut().close_file(Resource::new_own(rep)).await })
    })?;
    let mut folders = linker.instance(FOLDERS)?;
    folders.func_wrap("get-directories", |mut store, (): ()| Ok((store.data_mut().granted_folders()?,)))
}

/// Request of a guest to open a path.
#[derive(Clone)]
struct OpenRequest {
    path_flags: PathFlags,
    path: String,
    open_flags: OpenFlags,
    access: DescriptorFlags,
    /// Path by which the guest knows it.
    name: String,
}

/// Reason why a path was not opened.
enum OpenError {
    /// An error for the guest, which is not logged.
    Code(ErrorCode),
    /// The path leads out of its folder.
    Outside,
    /// The request would write to a read-only folder.
    ReadOnly,
    /// The path leads to something that is neither file nor folder.
    Kind(&'static str),
    /// The system lacks `openat2`; wasmtime must open the path.
    NoCall,
}

impl State {
    async fn open_file(
        &mut self,
        (folder, path_flags, path, open_flags, access): OpenArgs,
    ) -> wasmtime::Result<Result<Resource<Descriptor>, ErrorCode>> {
        if let Some(folder) = self.disk_file(&folder) {
            if is_synchronous(access) {
                return Ok(Err(ErrorCode::Unsupported));
            }
            return match disk::split(folder.open(&path, Opening { path_flags, open_flags, access }))? {
                Ok(file) => self.add_disk_file(file).map(Ok),
                Err(code) => Ok(Err(code)),
            };
        }
        self.reserve_file()?;
        let Descriptor::Dir(dir) = self.table.get(&folder)?.clone() else {
            return Ok(Err(ErrorCode::NotDirectory));
        };
        let name = self.guest_path(&dir, &path);
        let request = OpenRequest { path_flags, path, open_flags, access, name };
        let opened = match open_beneath(self.files.blocking_calls().cloned(), &dir, request.clone()).await {
            Ok(opened) => Ok(self.table.push(opened)?),
            Err(OpenError::NoCall) => self.open_by_walking(folder, &request).await?,
            Err(error) => Err(error),
        };
        match opened {
            Ok(opened) => Ok(Ok(self.track_file(opened, request.name)?)),
            Err(error) => Ok(Err(self.log_refusal(&error, &request))),
        }
    }

    /// Opens a path with wasmtime, which walks along it. Checks beforehand that it leads to a file or a folder.
    async fn open_by_walking(
        &mut self,
        folder: Resource<Descriptor>,
        request: &OpenRequest,
    ) -> wasmtime::Result<Result<Resource<Descriptor>, OpenError>> {
        if let Some(kind) = self.special_kind(&folder, request).await? {
            return Ok(Err(OpenError::Kind(kind)));
        }
        let OpenRequest { path_flags, path, open_flags, access, .. } = request.clone();
        match self.filesystem().open_at(folder, path_flags, path, open_flags, access).await {
            Ok(opened) => Ok(Ok(opened)),
            Err(error) => Ok(Err(match error.downcast()? {
                ErrorCode::NotPermitted if is_for_writing(request) => OpenError::ReadOnly,
                ErrorCode::NotPermitted => OpenError::Outside,
                code => OpenError::Code(code),
            })),
        }
    }

    /// Returns the kind of the target if it is neither a file nor a folder nor a link.
    async fn special_kind(
        &mut self,
        folder: &Resource<Descriptor>,
        request: &OpenRequest,
    ) -> wasmtime::Result<Option<&'static str>> {
        if request.open_flags.contains(OpenFlags::EXCLUSIVE) {
            return Ok(None);
        }
        let folder = Resource::new_borrow(folder.rep());
        match self.filesystem().stat_at(folder, request.path_flags, request.path.clone()).await {
            Ok(stat) => Ok(match stat.type_ {
                DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink => {
                    None
                }
                DescriptorType::BlockDevice | DescriptorType::CharacterDevice => Some("a device"),
                DescriptorType::Fifo | DescriptorType::Socket | DescriptorType::Unknown => {
                    Some("a pipe or a socket")
                }
            }),
            // Opening reports the error.
            Err(error) => error.downcast().map(|_: ErrorCode| None),
        }
    }

    async fn set_times(
        &mut self,
        (folder, path_flags, path, accessed, modified): SetTimesArgs,
    ) -> wasmtime::Result<Result<(), ErrorCode>> {
        if let Some(folder) = self.disk_file(&folder) {
            return disk::split(folder.set_times_at(path_flags, &path, accessed, modified));
        }
        let descriptor = self.table.get(&folder)?.clone();
        if let Descriptor::Dir(dir) = descriptor
            && path_flags.contains(PathFlags::SYMLINK_FOLLOW)
            && !dir.perms.write_not_permitted()
        {
            self.reserve_file()?;
            let (open_flags, access) = (OpenFlags::empty(), DescriptorFlags::READ);
            let request = OpenRequest {
                path_flags,
                path: path.clone(),
                open_flags,
                access,
                name: self.guest_path(&dir, &path),
            };
            match open_beneath(self.files.blocking_calls().cloned(), &dir, request.clone()).await {
                Ok(opened) => {
                    let opened = self.table.push(opened)?;
                    let borrowed = Resource::new_borrow(opened.rep());
                    let set = self.filesystem().set_times(borrowed, accessed, modified).await;
                    self.table.delete(opened)?;
                    return split_error(set);
                }
                // The file is unreadable, or `openat2` is missing: wasmtime has other ways.
                Err(OpenError::NoCall | OpenError::Code(ErrorCode::Access)) => {
                    if let Some(kind) = self.special_kind(&folder, &request).await? {
                        return Ok(Err(self.log_refusal(&OpenError::Kind(kind), &request)));
                    }
                }
                Err(error) => return Ok(Err(self.log_refusal(&error, &request))),
            }
        }
        split_error(self.filesystem().set_times_at(folder, path_flags, path, accessed, modified).await)
    }

    async fn close_file(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        if self.disk_file(&descriptor).is_some() {
            return self.close_disk_file(&descriptor);
        }
        let descriptor = self.table.delete(descriptor)?;
        let file = match &descriptor {
            Descriptor::File(file) => &file.file,
            Descriptor::Dir(folder) => &folder.dir,
        };
        // The last holder closes the file.
        if Arc::strong_count(file) == 1
            && let Some(calls) = self.files.blocking_calls()
        {
            calls.call(move || drop(descriptor)).await;
        }
        Ok(())
    }

    /// Logs a refusal, and returns the error code for the guest.
    fn log_refusal(&mut self, error: &OpenError, request: &OpenRequest) -> ErrorCode {
        let path = excerpt(&request.path, MAX_PATH);
        let (action, reason) = match error {
            OpenError::Code(code) => return *code,
            OpenError::Kind(kind) => {
                let reason = format!("it is {kind}; guests may open only files and folders");
                (format!("opening `{}`", request.name), reason)
            }
            OpenError::ReadOnly | OpenError::Outside if is_for_writing(request) => (
                format!("opening `{path}` for writing"),
                "`write = [\"FOLDER\"]` with its folder would allow it".to_owned(),
            ),
            OpenError::ReadOnly | OpenError::Outside | OpenError::NoCall => (
                format!("opening `{path}` outside of its folder"),
                "`read = [\"FOLDER\"]` with its folder would allow it".to_owned(),
            ),
        };
        self.refusals().log_once(&format!("{action} was refused; {reason}"));
        ErrorCode::NotPermitted
    }

    /// Returns the path by which the guest knows a path beneath a folder.
    fn guest_path(&self, folder: &Dir, path: &str) -> String {
        let folder = self.files.folder_name(&folder.dir).unwrap_or_default().trim_end_matches('/');
        match path.trim_start_matches("./") {
            "." => folder.to_owned(),
            path => format!("{folder}/{path}").chars().take(MAX_NAME).collect(),
        }
    }
}

async fn open_beneath(
    calls: Option<BlockingCalls>,
    folder: &Dir,
    request: OpenRequest,
) -> Result<Descriptor, OpenError> {
    let (flags, mode) = flags(folder, &request)?;
    let (open, path) = (Arc::clone(&folder.dir), request.path);
    let calls = calls.ok_or(OpenError::NoCall)?;
    let (opened, kind) = calls.call(move || beneath::open(&open, &path, flags)).await?;
    match kind {
        FileType::Directory => Ok(Descriptor::Dir(Dir::new(opened, folder.perms, mode, false))),
        _ if request.open_flags.contains(OpenFlags::DIRECTORY) => {
            Err(OpenError::Code(ErrorCode::NotDirectory))
        }
        _ => Ok(Descriptor::File(File::new(opened, folder.perms, mode, false))), // a regular file
    }
}

fn split_error(result: Result<(), wasmtime_wasi::p2::FsError>) -> wasmtime::Result<Result<(), ErrorCode>> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error) => error.downcast().map(Err),
    }
}

fn is_for_writing(request: &OpenRequest) -> bool {
    request.open_flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
        || request.access.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY)
}

/// Returns whether writes are to wait for the disk.
fn is_synchronous(access: DescriptorFlags) -> bool {
    access.intersects(
        DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC,
    )
}

/// Returns the flags for the system, and the rights of the guest on the opened file. The rules are wasmtime's.
fn flags(folder: &Dir, request: &OpenRequest) -> Result<(OFlags, OpenMode), OpenError> {
    let OpenRequest { path_flags, open_flags, access, .. } = request;
    if is_synchronous(*access) {
        return Err(OpenError::Code(ErrorCode::Unsupported));
    }
    if open_flags.contains(OpenFlags::DIRECTORY) && *open_flags != OpenFlags::DIRECTORY {
        return Err(OpenError::Code(ErrorCode::Invalid));
    }
    let is_changed = open_flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
        || access.contains(DescriptorFlags::WRITE);
    if is_changed && folder.perms.write_not_permitted() {
        return Err(OpenError::ReadOnly);
    }
    // A file that is not opened for writing is opened for reading, whatever the guest requested.
    let is_read = access.contains(DescriptorFlags::READ) || !access.contains(DescriptorFlags::WRITE);
    let (access, mode) = match (is_read, is_changed) {
        (true, true) => (OFlags::RDWR, OpenMode::READ | OpenMode::WRITE),
        (false, _) => (OFlags::WRONLY, OpenMode::WRITE),
        (true, false) => (OFlags::RDONLY, OpenMode::READ),
    };
    let mut flags = access;
    flags.set(OFlags::CREATE, open_flags.contains(OpenFlags::CREATE));
    flags.set(OFlags::EXCL, open_flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE));
    // A new file has nothing to truncate.
    flags.set(OFlags::TRUNC, open_flags.contains(OpenFlags::TRUNCATE) && !flags.contains(OFlags::EXCL));
    flags.set(OFlags::NOFOLLOW, !path_flags.contains(PathFlags::SYMLINK_FOLLOW));
    Ok((flags, mode))
}

impl From<OpenFailure> for OpenError {
    fn from(unopened: OpenFailure) -> Self {
        match unopened {
            OpenFailure::Error(error) => Self::Code(io::Error::from(error).into()),
            OpenFailure::Outside => Self::Outside,
            OpenFailure::NoCall => Self::NoCall,
            OpenFailure::Kind(kind) => Self::Kind(match kind {
                FileType::Fifo => "a named pipe",
                FileType::Socket => "a socket",
                FileType::CharacterDevice | FileType::BlockDevice => "a device",
                FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Unknown => {
                    "a special file"
                }
            }),
        }
    }
}
