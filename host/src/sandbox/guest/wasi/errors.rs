//! Text of a stream's error for the guest: what went wrong, and nothing about the host.
//! The errors themselves are wasmtime's.

use crate::sandbox::guest::state::State;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};

/// The interface in wasmtime's version of WASI 0.2, of which one function is replaced.
const INTERFACE: &str = "wasi:io/error@0.2.12";

/// Replaces wasmtime's text, which includes a host backtrace if the host's environment asks for one.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap(
        "[method]error.to-debug-string",
        |store: StoreContextMut<'_, State>, (error,): (Resource<wasmtime::Error>,)| {
            Ok((format!("{:#}", store.data().table.get(&error)?),))
        },
    )
}
