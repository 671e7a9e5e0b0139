//! UDP sockets: always refused, whatever is granted, because each datagram names its own destination.
//! The guest gets the same error as from wasmtime; the refusal is logged for the operator.

use crate::sandbox::guest::state::State;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::UdpSocket;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};

/// The interface that creates sockets, in wasmtime's version of WASI 0.2. Its function is replaced.
const INTERFACE: &str = "wasi:sockets/udp-create-socket@0.2.12";

/// Replaces wasmtime's refusal, which logs nothing.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap("create-udp-socket", |mut store, _: (IpAddressFamily,)| {
        let refusals = store.data_mut().refusals();
        refusals.log_once("a UDP socket was refused; no grant allows it");
        Ok((Err::<Resource<UdpSocket>, _>(ErrorCode::AccessDenied),))
    })
}
