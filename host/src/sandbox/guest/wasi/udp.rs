//! Sockets of UDP: there are none, whatever is granted, since a datagram leads wherever it says.
//! The guest is told as wasmtime tells it, and the operator by the task's log.

use crate::sandbox::guest::state::State;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::UdpSocket;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};

/// The interface that makes sockets, in wasmtime's version of WASI 0.2: it is shadowed.
const INTERFACE: &str = "wasi:sockets/udp-create-socket@0.2.12";

/// Links the refusal over wasmtime's, which tells nobody.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap("create-udp-socket", |mut store, _: (IpAddressFamily,)| {
        let refusals = store.data_mut().refusals();
        refusals.log_once("a socket of UDP was refused; nothing allows it");
        Ok((Err::<Resource<UdpSocket>, _>(ErrorCode::AccessDenied),))
    })
}
