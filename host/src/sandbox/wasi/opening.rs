//! The opening of files: what leaves its folder, or would write where only reading is granted, is told in the task's log.
//! What may be opened is for wasmtime to say, how many for `files`.

use crate::model::excerpt;
use crate::sandbox::state::State;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor as _;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};

/// The interface in wasmtime's version of WASI 0.2: this function of it is shadowed.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

type Parameters = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
type Opened = Result<Resource<Descriptor>, ErrorCode>;

/// Links the opening of files over wasmtime's, which counts none and tells nobody but the guest.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store, parameters: Parameters| {
            Box::new(async move { Ok((store.data_mut().open_file(parameters).await?,)) })
        },
    )
}

impl State {
    async fn open_file(&mut self, (folder, at, path, how, wanted): Parameters) -> wasmtime::Result<Opened> {
        self.make_room()?;
        let refusal = refusal(&path, how, wanted);
        match self.filesystem().open_at(folder, at, path, how, wanted).await {
            Ok(opened) => Ok(Ok(self.keep_file(opened)?)),
            Err(error) => {
                let code = error.downcast()?;
                if code == ErrorCode::NotPermitted {
                    self.refusals().tell(&refusal);
                }
                Ok(Err(code))
            }
        }
    }
}

/// The longest path that is told whole, in characters.
const MAX_PATH: usize = 120;

/// What is told of a file that is not opened.
fn refusal(path: &str, how: OpenFlags, wanted: DescriptorFlags) -> String {
    let path = excerpt(path, MAX_PATH);
    let is_written = how.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)
        || wanted.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY);
    if is_written {
        format!(
            "opening `{path}` for writing was refused; `write = [\"FOLDER\"]`, with the folder that it is in, would allow it"
        )
    } else {
        format!(
            "opening `{path}` outside of its folder was refused; `read = [\"FOLDER\"]`, with the folder that it is in, would allow it"
        )
    }
}
