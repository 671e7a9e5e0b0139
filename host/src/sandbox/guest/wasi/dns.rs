//! `wasi:sockets/ip-name-lookup` over the host's own resolver, so that lookups are bounded and match connections.
//! `network/resolver` resolves the names. Without the grant `dns`, every lookup fails.

use crate::sandbox::guest::state::State;
use std::io;
use std::net::IpAddr;
use std::str::FromStr as _;
use url::Host;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::sockets::network::ErrorCode;
use wasmtime_wasi::p2::bindings::sockets::network::IpAddress;
use wasmtime_wasi::p2::bindings::sockets::network::Network;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};

/// The interface, in wasmtime's version of WASI 0.2. The same version is needed to replace wasmtime's functions.
const INTERFACE: &str = "wasi:sockets/ip-name-lookup@0.2.12";

/// State of one lookup.
enum Lookup {
    Pending(AbortOnDropJoinHandle<io::Result<Vec<IpAddr>>>),
    Resolved(std::vec::IntoIter<IpAddr>),
    Failed,
}

impl Lookup {
    fn known(addresses: Vec<IpAddr>) -> Self {
        Self::Resolved(addresses.into_iter())
    }

    fn next(&mut self) -> Result<Option<IpAddress>, ErrorCode> {
        match self {
            Self::Pending(_) => Err(ErrorCode::WouldBlock),
            Self::Resolved(addresses) => Ok(addresses.next().map(IpAddress::from)),
            Self::Failed => Err(ErrorCode::NameUnresolvable),
        }
    }
}

#[async_trait]
impl Pollable for Lookup {
    async fn ready(&mut self) {
        if let Self::Pending(result) = self {
            *self = match result.await {
                // WASI never returns IPv4-mapped IPv6 addresses.
                Ok(found) => Self::known(found.iter().map(IpAddr::to_canonical).collect()),
                Err(_) => Self::Failed,
            };
        }
    }
}

/// Replaces wasmtime's functions of the interface.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut names = linker.instance(INTERFACE)?;
    names.resource("resolve-address-stream", ResourceType::host::<Lookup>(), |mut store, rep| {
        store.data_mut().table.delete(Resource::<Lookup>::new_own(rep))?;
        Ok(())
    })?;
    names.func_wrap("resolve-addresses", |mut store, (network, name): (Resource<Network>, String)| {
        let state = store.data_mut();
        state.table.get(&network)?;
        let result = match state.look_up(&name) {
            Ok(lookup) => Ok(state.table.push(lookup)?),
            Err(code) => Err(code),
        };
        Ok((result,))
    })?;
    names.func_wrap(
        "[method]resolve-address-stream.resolve-next-address",
        |mut store, (lookup,): (Resource<Lookup>,)| Ok((store.data_mut().table.get_mut(&lookup)?.next(),)),
    )?;
    names.func_wrap(
        "[method]resolve-address-stream.subscribe",
        |mut store, (lookup,): (Resource<Lookup>,)| {
            let pollable: Resource<DynPollable> = subscribe(&mut store.data_mut().table, lookup)?;
            Ok((pollable,))
        },
    )
}

impl State {
    fn look_up(&mut self, name: &str) -> Result<Lookup, ErrorCode> {
        let Some(names) = self.names() else {
            self.refusals().log_once("resolving a name was refused; `dns = true` would allow it");
            return Err(ErrorCode::PermanentResolverFailure);
        };
        let name = match Host::parse(name) {
            Ok(Host::Domain(name)) => name,
            Ok(Host::Ipv4(address)) => return Ok(Lookup::known(vec![address.into()])),
            Ok(Host::Ipv6(address)) => return Ok(Lookup::known(vec![address.into()])),
            // In this interface, IPv6 addresses have no brackets.
            Err(_) => match std::net::Ipv6Addr::from_str(name) {
                Ok(address) => return Ok(Lookup::known(vec![address.into()])),
                Err(_) => return Err(ErrorCode::InvalidArgument),
            },
        };
        Ok(Lookup::Pending(spawn(async move { names.addresses(&name).await })))
    }
}
