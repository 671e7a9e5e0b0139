//! What a guest is told of a stream's error: what went wrong, and nothing of the host that it went wrong in.
//! Which errors there are is for wasmtime.

use crate::sandbox::guest::state::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};

/// The interface in wasmtime's version of WASI 0.2: this function of it is shadowed.
const INTERFACE: &str = "wasi:io/error@0.2.12";

/// Links the text of an error over wasmtime's, which has a backtrace of the host where its environment asks for those.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap(
        "[method]error.to-debug-string",
        |store: StoreContextMut<'_, State>, (error,): (Resource<wasmtime::Error>,)| {
            Ok((format!("{:#}", store.data().table.get(&error)?),))
        },
    )
}
