//! Bounds on a request's method, scheme, authority and path: a guest may hold many requests that it never sends.
//! wasmtime checks their syntax, and the filter in `mod.rs` checks the grants.

use crate::sandbox::guest::state::State;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::types::HostOutgoingRequest as _;
use wasmtime_wasi_http::p2::bindings::http::types::{Method, OutgoingRequest, Scheme};

/// The interface in wasmtime's version of WASI 0.2, of which these functions are replaced.
const INTERFACE: &str = "wasi:http/types@0.2.12";

/// Maximum size of one text, in bytes: most servers accept no longer ones.
const MAX_TEXT: usize = 8 << 10;

type Request = Resource<OutgoingRequest>;
type SetResult = Result<(), ()>;

/// Replaces wasmtime's setters, which accept texts of any length.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store, (request, method): (Request, Method)| {
            let text = if let Method::Other(text) = &method { text } else { "" };
            set_bounded(text.len(), || store.data_mut().http().set_method(request, method))
        },
    )?;
    interface.func_wrap(
        "[method]outgoing-request.set-scheme",
        |mut store, (request, scheme): (Request, Option<Scheme>)| {
            let text = if let Some(Scheme::Other(text)) = &scheme { text } else { "" };
            set_bounded(text.len(), || store.data_mut().http().set_scheme(request, scheme))
        },
    )?;
    interface.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store, (request, text): (Request, Option<String>)| {
            let len = text.as_ref().map_or(0, String::len);
            set_bounded(len, || store.data_mut().http().set_authority(request, text))
        },
    )?;
    interface.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store, (request, text): (Request, Option<String>)| {
            let len = text.as_ref().map_or(0, String::len);
            set_bounded(len, || store.data_mut().http().set_path_with_query(request, text))
        },
    )
}

/// Sets a text of `len` bytes. A text that is too long gets the same error as a malformed one.
fn set_bounded(
    len: usize,
    set: impl FnOnce() -> wasmtime::Result<SetResult>,
) -> wasmtime::Result<(SetResult,)> {
    if len > MAX_TEXT { Ok((Err(()),)) } else { set().map(|set| (set,)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits")
            .section("Limits of a call")
            .line("method, authority or path")
            .cell(1)
            .says(&size(MAX_TEXT));
    }
}
