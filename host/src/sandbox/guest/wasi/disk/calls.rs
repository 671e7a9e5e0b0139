//! The calls of `wasi:filesystem` on both kinds of descriptors: those of the private disk, and those of granted folders.
//! `operations` serves the former, wasmtime the latter; functions with an implementation of our own for granted
//! folders are in `opening`, `listings`, `streams` and `non_utf8`, which ask here first.

use crate::sandbox::guest::program::Unfit;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::disk::descriptor::{DiskFile, DiskListing, SharedTree};
use crate::sandbox::guest::wasi::disk::quota::DiskQuota;
use crate::sandbox::guest::wasi::disk::streams::{DiskInput, DiskOutput};
use crate::sandbox::guest::wasi::disk::tree::{DEV, DiskError, DiskResult, MAX_PIECE, TMP, Tree, WORK};
use bytes::Bytes;
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView as _};
use wasmtime_wasi::p2::bindings::filesystem::types;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream, ErrorCode,
    Filesize, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

/// Links the calls. Some are replaced afterwards.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, HasSelf<State>>(linker, |state| state)
}

/// Splits the end of the call from an error for the guest.
pub(crate) fn split<T>(result: DiskResult<T>) -> wasmtime::Result<Result<T, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(DiskError::Code(code)) => Ok(Err(code)),
        Err(DiskError::Full(hit)) => Err(hit.into()),
    }
}

fn fs_error(error: DiskError) -> FsError {
    match error {
        DiskError::Code(code) => code.into(),
        DiskError::Full(hit) => FsError::trap(hit),
    }
}

impl State {
    /// Returns the file or folder of the private disk of a descriptor.
    pub(crate) fn disk_file(&self, descriptor: &Resource<Descriptor>) -> Option<DiskFile> {
        self.table.get(&Resource::<DiskFile>::new_borrow(descriptor.rep())).ok().cloned()
    }

    /// Gives the guest a descriptor of a file or folder of the private disk.
    pub(crate) fn add_disk_file(&mut self, file: DiskFile) -> wasmtime::Result<Resource<Descriptor>> {
        Ok(Resource::new_own(self.table.push(file)?.rep()))
    }

    /// Takes a descriptor of the private disk back.
    pub(crate) fn close_disk_file(&mut self, descriptor: &Resource<Descriptor>) -> wasmtime::Result<()> {
        self.table.delete(Resource::<DiskFile>::new_own(descriptor.rep()))?;
        Ok(())
    }

    /// Returns the folders of the private disk, except where a granted folder has that place.
    pub(crate) fn disk_folders(
        &mut self,
        granted: &[String],
    ) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mut folders = Vec::new();
        // The working directory first: Go takes the first folder for it, and libc the root.
        let work = self.has_working_directory().then_some((WORK, "/"));
        for (node, path) in work.into_iter().chain([(TMP, "/tmp"), (DEV, "/dev")]) {
            if granted.iter().any(|granted| covers(granted, path)) {
                continue;
            }
            let held = self.disk().hold(node);
            let access = match node {
                TMP | WORK => DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
                _ => DescriptorFlags::READ, // `/dev` is fixed
            };
            folders.push((self.add_disk_file(DiskFile { held, access })?, path.to_owned()));
        }
        Ok(folders)
    }

    /// Creates the disk of a command, with the files of its working directory.
    pub(crate) fn fill_working_directory(&mut self, files: &[(Arc<str>, Bytes)]) -> wasmtime::Result<()> {
        let quota = DiskQuota::new(self.call.limits.disk, self.memory.account().clone());
        let tree = SharedTree::new(Tree::with_working_directory(quota.with_working_directory()));
        let root = DiskFile { held: tree.hold(WORK), access: DescriptorFlags::READ };
        for (path, content) in files {
            split(root.give(path, content))?.map_err(|_taken| Unfit::Taken(Arc::clone(path)))?;
        }
        self.disk = Some(tree);
        Ok(())
    }

    /// Returns the private disk, created on first use.
    fn disk(&mut self) -> &SharedTree {
        let Self { disk, memory, call, .. } = self;
        disk.get_or_insert_with(|| {
            SharedTree::new(Tree::new(DiskQuota::new(call.limits.disk, memory.account().clone())))
        })
    }

    /// Opens a listing of a folder of the private disk.
    pub(crate) fn list_disk(file: &DiskFile) -> DiskResult<DiskListing> {
        file.tree().entries(file.node())?;
        Ok(DiskListing::new(file.held.clone()))
    }

    /// Opens a stream that reads a file of the private disk.
    pub(crate) fn read_disk_from(
        &mut self,
        file: &DiskFile,
        position: u64,
    ) -> wasmtime::Result<Result<Resource<DynInputStream>, ErrorCode>> {
        if matches!(file.tree().stat(file.node()).map(|stat| stat.type_), Ok(DescriptorType::Directory)) {
            return Ok(Err(ErrorCode::IsDirectory));
        }
        if let Err(code) = file.check_readable() {
            return Ok(Err(code));
        }
        if let Some(device) = file.device() {
            return self.device_input(device);
        }
        let stream: DynInputStream = Box::new(DiskInput { file: file.held.clone(), position });
        Ok(Ok(self.table.push(stream)?))
    }

    /// Opens a stream that writes a file of the private disk.
    pub(crate) fn write_disk_to(
        &mut self,
        file: &DiskFile,
        position: Option<u64>,
    ) -> wasmtime::Result<Result<Resource<DynOutputStream>, ErrorCode>> {
        if let Err(code) = file.check_writable() {
            return Ok(Err(code));
        }
        if let Some(device) = file.device() {
            return self.device_output(device).map(Ok);
        }
        let stream: DynOutputStream = Box::new(DiskOutput { file: file.held.clone(), position });
        Ok(Ok(self.table.push(stream)?))
    }
}

/// Returns whether a granted folder has the place of a folder of the private disk, so that the guest finds the former.
pub(crate) fn covers(granted: &str, path: &str) -> bool {
    let names = |path: &str| -> Vec<String> {
        path.split('/').filter(|name| !matches!(*name, "" | ".")).map(str::to_owned).collect()
    };
    let granted = names(granted);
    granted.is_empty() || granted == names(path)
}

impl types::Host for State {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        self.filesystem().filesystem_error_code(error)
    }
}

impl HostDescriptor for State {
    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
        len: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(_) => Ok(()),
            None => self.filesystem().advise(fd, offset, len, advice).await,
        }
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(_) => Ok(()),
            None => self.filesystem().sync_data(fd).await,
        }
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        match self.disk_file(&fd) {
            Some(file) => Ok(file.access),
            None => self.filesystem().get_flags(fd).await,
        }
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        match self.disk_file(&fd) {
            Some(file) => file.tree().stat(file.node()).map(|stat| stat.type_).map_err(fs_error),
            None => self.filesystem().get_type(fd).await,
        }
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(file) => {
                file.check_writable()?;
                file.tree().set_size(file.node(), size).map_err(fs_error)
            }
            None => self.filesystem().set_size(fd, size).await,
        }
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(file) => file.tree().set_times(file.node(), accessed, modified).map_err(fs_error),
            None => self.filesystem().set_times(fd, accessed, modified).await,
        }
    }

    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        len: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        let Some(file) = self.disk_file(&fd) else {
            return self.filesystem().read(fd, len, offset).await;
        };
        file.check_readable()?;
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(MAX_PIECE);
        let piece = match file.device() {
            Some(device) => self.read_device(device, len)?,
            None => file.tree().read(file.node(), offset, len).map_err(fs_error)?.to_vec(),
        };
        let is_end = piece.is_empty() && len > 0;
        Ok((piece, is_end))
    }

    async fn write(
        &mut self,
        fd: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        let Some(file) = self.disk_file(&fd) else {
            return self.filesystem().write(fd, bytes, offset).await;
        };
        file.check_writable()?;
        let len = Filesize::try_from(bytes.len()).unwrap_or(Filesize::MAX);
        match file.device() {
            Some(device) => self.write_device(device, bytes)?,
            None => file.tree().write(file.node(), Some(offset), &bytes).map(drop).map_err(fs_error)?,
        }
        Ok(len)
    }

    async fn read_directory(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DirectoryEntryStream>> {
        self.filesystem().read_directory(fd).await
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(_) => Ok(()),
            None => self.filesystem().sync(fd).await,
        }
    }

    async fn create_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(folder) => folder.create_folder_at(&path).map_err(fs_error),
            None => self.filesystem().create_directory_at(fd, path).await,
        }
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        match self.disk_file(&fd) {
            Some(file) => file.tree().stat(file.node()).map_err(fs_error),
            None => self.filesystem().stat(fd).await,
        }
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        match self.disk_file(&fd) {
            Some(folder) => folder.stat_at(flags, &path).map_err(fs_error),
            None => self.filesystem().stat_at(fd, flags, path).await,
        }
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.filesystem().set_times_at(fd, flags, path, accessed, modified).await
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        old_path: String,
        to: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        match (self.disk_file(&fd), self.disk_file(&to)) {
            (Some(from), Some(to)) => from.link_at(flags, &old_path, &to, &new_path).map_err(fs_error),
            (None, None) => self.filesystem().link_at(fd, flags, old_path, to, new_path).await,
            _ => Err(ErrorCode::CrossDevice.into()), // one of each
        }
    }

    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        access: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        self.filesystem().open_at(fd, flags, path, open_flags, access).await
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.filesystem(), fd)
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.filesystem().readlink_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(folder) => folder.remove_folder_at(&path).map_err(fs_error),
            None => self.filesystem().remove_directory_at(fd, path).await,
        }
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        old_path: String,
        to: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        match (self.disk_file(&fd), self.disk_file(&to)) {
            (Some(from), Some(to)) => from.rename_at(&old_path, &to, &new_path).map_err(fs_error),
            (None, None) => self.filesystem().rename_at(fd, old_path, to, new_path).await,
            _ => Err(ErrorCode::CrossDevice.into()), // one of each
        }
    }

    async fn symlink_at(&mut self, fd: Resource<Descriptor>, target: String, path: String) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(folder) => folder.symlink_at(target, &path).map_err(fs_error),
            None => self.filesystem().symlink_at(fd, target, path).await,
        }
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        match self.disk_file(&fd) {
            Some(folder) => folder.unlink_at(&path).map_err(fs_error),
            None => self.filesystem().unlink_file_at(fd, path).await,
        }
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        self.filesystem().read_via_stream(fd, offset)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        self.filesystem().write_via_stream(fd, offset)
    }

    fn append_via_stream(&mut self, fd: Resource<Descriptor>) -> FsResult<Resource<DynOutputStream>> {
        self.filesystem().append_via_stream(fd)
    }

    async fn is_same_object(
        &mut self,
        a: Resource<Descriptor>,
        b: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        match (self.disk_file(&a), self.disk_file(&b)) {
            (Some(a), Some(b)) => Ok(a.node() == b.node()),
            (None, None) => self.filesystem().is_same_object(a, b).await,
            _ => Ok(false), // one of each
        }
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        match self.disk_file(&fd) {
            Some(file) => Ok(file.hash()),
            None => self.filesystem().metadata_hash(fd).await,
        }
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        match self.disk_file(&fd) {
            Some(folder) => folder.hash_at(flags, &path).map_err(fs_error),
            None => self.filesystem().metadata_hash_at(fd, flags, path).await,
        }
    }
}

/// Replaced by `listings`, which has listings of its own.
impl HostDirectoryEntryStream for State {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.filesystem().read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.filesystem(), stream)
    }
}
