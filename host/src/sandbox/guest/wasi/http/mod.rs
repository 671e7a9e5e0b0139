//! Outgoing `wasi:http`: admission of each request by the grants, and sending to a checked address.
//! `exchange` sends. Guests follow redirects themselves; each is a new request and needs admission too.

mod connect;
mod exchange;
mod client;
mod failure;
mod paced;
mod tls;
mod request_texts;
#[cfg(test)]
mod tests;

pub use client::{Answer, Client, NoAnswer, Outgoing, Proxy, Route};
pub(crate) use tls::Tls;

use crate::model::Url;
use crate::sandbox::guest::prepared::Prepared;
use crate::sandbox::guest::state::State;
use crate::sandbox::guest::wasi::http::exchange::Exchange;
use crate::sandbox::guest::wasi::network::{GuestNames, Refusals};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::Semaphore;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView as _;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, OutgoingRequest};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

/// The interface in wasmtime's version of WASI 0.2. Its one function is replaced.
const INTERFACE: &str = "wasi:http/outgoing-handler@0.2.12";

/// Maximum number of connections of one guest: each holds buffers of the host.
const MAX_CONNECTIONS: usize = 32;

/// Maximum size of one request's headers, in bytes: a guest may hold many requests that it never sends.
pub(crate) const MAX_FIELDS: usize = 32 << 10;

/// Maximum size of a piece of a request's body, in bytes. Up to two pieces wait for the network.
const CHUNK: usize = 16 << 10;

/// Maximum size of headers and pieces for guests without the grant `http`, in bytes.
pub(crate) const MAX_UNGRANTED: usize = 4 << 10;

/// The response, and the future that drives the connection until the body is read.
pub(crate) type IncomingResponse = (http::Response<WasiBody>, IoFuture<()>);

/// A future that wasmtime awaits.
pub(crate) type IoFuture<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

/// HTTP state of one guest.
pub(crate) struct Http {
    /// State of wasmtime's implementation.
    pub(crate) ctx: WasiHttpCtx,
    /// Admission of requests.
    pub(crate) filter: RequestFilter,
}

impl Http {
    /// Creates the state of a guest that has sent nothing.
    pub(crate) fn new(prepared: &Arc<Prepared>, refusals: Refusals) -> Self {
        let filter = RequestFilter {
            prepared: Arc::clone(prepared),
            names: GuestNames::new(prepared.network.names(), &prepared.lookups),
            refusals,
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        };
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(if filter.may_send() { MAX_FIELDS } else { MAX_UNGRANTED });
        Self { ctx, filter }
    }
}

/// Replaces wasmtime's sending of requests, which has no quota of connections, and the setters of request texts.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Request = (Resource<OutgoingRequest>, Option<Resource<types::RequestOptions>>);
    linker.instance(INTERFACE)?.func_wrap("handle", |mut store, (request, options): Request| {
        let state = store.data_mut();
        state.reserve_file()?;
        let sent: Result<_, ErrorCode> = match state.http().handle(request, options) {
            Ok(response) => Ok(response),
            Err(error) => Err(error.downcast()?),
        };
        Ok((sent,))
    })?;
    request_texts::link(linker)
}

/// Admission of requests: checks them against the grants and the quota of connections.
pub(crate) struct RequestFilter {
    prepared: Arc<Prepared>,
    names: GuestNames,
    refusals: Refusals,
    connections: Arc<Semaphore>,
}

impl RequestFilter {
    /// Returns the number of the guest's connections.
    pub(crate) fn connections(&self) -> usize {
        MAX_CONNECTIONS.saturating_sub(self.connections.available_permits())
    }

    fn may_send(&self) -> bool {
        !self.prepared.grants.http.is_empty()
    }

    /// Admits a request. Fails if no grant covers it, or the guest has too many connections.
    fn admit<B>(&self, request: &http::Request<B>) -> Result<Exchange, Error> {
        let url = Url::parse(&request.uri().to_string()).map_err(|fault| {
            self.refusals.log_once(&format!("a request was refused: {fault}"));
            Error::HttpRequestDenied
        })?;
        // A tunnel leads wherever its far end decides.
        if request.method() == http::Method::CONNECT {
            self.refusals
                .log_once(&format!("a tunnel through `{}` was refused; no grant allows it", url.origin()));
            return Err(Error::HttpRequestDenied);
        }
        if !self.prepared.grants.http.iter().any(|prefix| prefix.allows(&url)) {
            let origin = url.origin();
            self.refusals.log_once(&format!(
                "a request to `{origin}` was refused; `http = [\"{origin}/\"]`, or a path below it, would allow it"
            ));
            return Err(Error::HttpRequestDenied);
        }
        let permit = Arc::clone(&self.connections).try_acquire_owned();
        Ok(Exchange {
            url,
            network: Arc::clone(&self.prepared.network),
            names: self.names.clone(),
            refusals: self.refusals.clone(),
            permit: permit.map_err(|_| Error::ConnectionLimitReached)?,
        })
    }
}

impl WasiHttpHooks for RequestFilter {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmitted: IoFuture<()>,
    ) -> IoFuture<IncomingResponse> {
        match self.admit(&request) {
            Ok(exchange) => Box::new(exchange.send(request, options.unwrap_or_default())),
            Err(error) => Box::new(async { Err(error) }),
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        if self.may_send() { CHUNK } else { MAX_UNGRANTED }
    }
}
