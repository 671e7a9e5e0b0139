//! Outgoing TCP sockets of a guest: connections to granted endpoints only.
//! The sockets are wasmtime's; `network` decides which addresses a grant covers.

use crate::invoke::Listener;
use crate::model::Endpoint;
use crate::sandbox::guest::prepared::Prepared;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::network::{GuestNames, Refusals, may_connect};
use std::net::SocketAddr;
use std::sync::Arc;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::tcp::TcpSocket;
use wasmtime_wasi::p2::bindings::sockets::tcp_create_socket::Host as _;
use wasmtime_wasi::p2::{SocketError, SocketResult};
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsView as _};

/// The interface that creates sockets, in wasmtime's version of WASI 0.2. Its function is replaced.
const INTERFACE: &str = "wasi:sockets/tcp-create-socket@0.2.12";

/// Maximum number of sockets of one guest: each is an open file of this process.
const MAX_SOCKETS: usize = 64;

/// Replaces wasmtime's creation of sockets, which has no quota.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap("create-tcp-socket", |mut store, (family,): (IpAddressFamily,)| {
        let created = match store.data_mut().make_socket(family) {
            Ok(socket) => Ok(socket),
            Err(error) => Err(error.downcast()?),
        };
        Ok((created,))
    })
}

impl State {
    fn make_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        if !self.has_sockets() {
            self.refusals().log_once(
                "a TCP socket was refused; `tcp = [\"HOST:PORT\"]` with its destination would allow it",
            );
            return Err(ErrorCode::AccessDenied.into());
        }
        if !self.files.sockets.has_capacity(MAX_SOCKETS, &self.table) {
            return Err(ErrorCode::NewSocketLimit.into());
        }
        self.reserve_file().map_err(SocketError::trap)?;
        let socket = self.sockets().create_tcp_socket(family)?;
        self.files.sockets.add(&socket);
        Ok(socket)
    }
}

/// Allows connections to granted endpoints. Without the grant `tcp`, the guest has no sockets at all.
pub(crate) fn allow(builder: &mut WasiCtxBuilder, prepared: &Arc<Prepared>, listener: &Arc<dyn Listener>) {
    if prepared.grants.tcp.is_empty() {
        return;
    }
    let filter = TcpFilter {
        prepared: Arc::clone(prepared),
        names: GuestNames::new(prepared.network.names(), &prepared.lookups),
        refusals: Refusals::new(listener),
    };
    builder.allow_tcp(true).socket_addr_check(move |address, reason| {
        let filter = filter.clone();
        Box::pin(async move { filter.allows(address, reason).await })
    });
}

#[derive(Clone)]
struct TcpFilter {
    prepared: Arc<Prepared>,
    names: GuestNames,
    refusals: Refusals,
}

impl TcpFilter {
    async fn allows(&self, address: SocketAddr, reason: SocketAddrUse) -> bool {
        match reason {
            // Binding to any address and port 0 is part of connecting; the system chooses the port.
            SocketAddrUse::TcpBind => {
                let is_free = address.ip().is_unspecified() && address.port() == 0;
                if !is_free {
                    self.refuse(&format!("binding a socket to `{address}`"));
                }
                is_free
            }
            SocketAddrUse::TcpConnect => self.is_granted(address).await,
            SocketAddrUse::TcpListen => {
                self.refuse("listening for connections");
                false
            }
            SocketAddrUse::TcpAccept
            | SocketAddrUse::UdpBind
            | SocketAddrUse::UdpSend
            | SocketAddrUse::UdpReceive => false,
        }
    }

    fn refuse(&self, action: &str) {
        self.refusals.log_once(&format!(
            "{action} was refused; no grant allows it: `tcp` grants only outgoing connections"
        ));
    }

    async fn is_granted(&self, address: SocketAddr) -> bool {
        let is_granted = may_connect(&self.prepared.grants.tcp, &self.names, address).await;
        if !is_granted {
            let endpoint = Endpoint::from((address.ip().to_canonical(), address.port()));
            self.refusals.log_once(&format!(
                "a connection to `{endpoint}` was refused; `tcp = [\"{endpoint}\"]` would allow it"
            ));
        }
        is_granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("limits")
            .section("Limits of a call")
            .line("sockets of a guest")
            .cell(1)
            .says(&count(MAX_SOCKETS));
    }
}
