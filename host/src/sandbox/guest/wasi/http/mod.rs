//! Outgoing `wasi:http`: a request is held against the grants, and sent to an address that was checked.
//! Redirects are for the guest to follow; each is a request of its own, and held against the grants as well.

mod connect;
mod exchange;
mod failure;
mod paced;
mod secure;
mod texts;
#[cfg(test)]
mod tests;

pub(crate) use secure::Secure;

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

/// The interface in wasmtime's version of WASI 0.2: its one function is shadowed.
const INTERFACE: &str = "wasi:http/outgoing-handler@0.2.12";

/// Connections that a guest may have at the same time: each holds buffers of the host's.
const MAX_CONNECTIONS: usize = 32;

/// How large the headers of one request may be, in bytes: a guest may hold many of them without sending any.
pub(crate) const MAX_FIELDS: usize = 32 << 10;

/// How much of a request's body is taken from the guest at once: as many bytes wait for the network twice.
const CHUNK: usize = 16 << 10;

/// The same for guests that may send nothing.
pub(crate) const USELESS: usize = 4 << 10;

/// The response, and what drives the connection until its body has been read.
pub(crate) type Answer = (http::Response<WasiBody>, Sent<()>);

/// What wasmtime waits for.
pub(crate) type Sent<T> = Box<dyn Future<Output = Result<T, Error>> + Send>;

/// What one guest may do over HTTP.
pub(crate) struct Http {
    pub(crate) ctx: WasiHttpCtx,
    pub(crate) gate: Gate,
}

impl Http {
    /// A guest that has sent nothing yet.
    pub(crate) fn new(prepared: &Arc<Prepared>, refusals: Refusals) -> Self {
        let gate = Gate {
            prepared: Arc::clone(prepared),
            names: GuestNames::new(prepared.network.names(), &prepared.lookups),
            refusals,
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        };
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(if gate.may_send() { MAX_FIELDS } else { USELESS });
        Self { ctx, gate }
    }
}

/// Links the sending of requests over wasmtime's, which counts no connections, and what texts they may have.
pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    type Request = (Resource<OutgoingRequest>, Option<Resource<types::RequestOptions>>);
    linker.instance(INTERFACE)?.func_wrap("handle", |mut store, (request, options): Request| {
        let state = store.data_mut();
        state.make_room()?;
        let sent: Result<_, ErrorCode> = match state.http().handle(request, options) {
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.downcast()?),
        };
        Ok((sent,))
    })?;
    texts::link(linker)
}

/// Holds requests against the grants.
pub(crate) struct Gate {
    prepared: Arc<Prepared>,
    names: GuestNames,
    refusals: Refusals,
    connections: Arc<Semaphore>,
}

impl Gate {
    /// How many connections the guest has.
    pub(crate) fn connections(&self) -> usize {
        MAX_CONNECTIONS.saturating_sub(self.connections.available_permits())
    }

    fn may_send(&self) -> bool {
        !self.prepared.grants.http.is_empty()
    }

    /// A request that is granted, ready to be sent.
    fn admit<B>(&self, request: &http::Request<B>) -> Result<Exchange, Error> {
        let url = Url::parse(&request.uri().to_string()).map_err(|fault| {
            self.refusals.log_once(&format!("a request was refused: {fault}"));
            Error::HttpRequestDenied
        })?;
        // A tunnel leads wherever its other end wants.
        if request.method() == http::Method::CONNECT {
            self.refusals
                .log_once(&format!("a tunnel through `{}` was refused; nothing allows it", url.origin()));
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

impl WasiHttpHooks for Gate {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _transmitted: Sent<()>,
    ) -> Sent<Answer> {
        match self.admit(&request) {
            Ok(exchange) => Box::new(exchange.send(request, options.unwrap_or_default())),
            Err(error) => Box::new(async { Err(error) }),
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        if self.may_send() { CHUNK } else { USELESS }
    }
}
