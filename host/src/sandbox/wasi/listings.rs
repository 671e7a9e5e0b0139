//! Listings of folders, few at a time: wasmtime holds all names of a folder for each that is open.
//! What a folder has in it is for wasmtime to read.

use crate::sandbox::state::State;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{Descriptor, DirectoryEntryStream, ErrorCode};

/// The interface in wasmtime's version of WASI 0.2: this function of it is shadowed.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// Listings that a guest may have open at the same time.
const MAX_LISTINGS: usize = 16;

type Listed = Result<Resource<DirectoryEntryStream>, ErrorCode>;

/// Links the opening of listings over wasmtime's, which counts none.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_async(
        "[method]descriptor.read-directory",
        |mut store, (folder,): (Resource<Descriptor>,)| {
            Box::new(async move {
                let listed: Listed = match store.data_mut().list_folder(folder).await {
                    Ok(listing) => Ok(listing),
                    Err(error) => Err(error.downcast()?),
                };
                Ok((listed,))
            })
        },
    )
}

impl State {
    async fn list_folder(
        &mut self,
        folder: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        if !self.listings.are_below(MAX_LISTINGS, &self.table) {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        let listing = self.filesystem().read_directory(folder).await?;
        self.listings.take(&listing);
        Ok(listing)
    }
}
