//! An HTTP exchange: a request and its response on their own connection.
//! Admission is decided in `mod.rs`. Dropping the guest's handles closes the connection.

use crate::model::Url;
use crate::sandbox::guest::wasi::Network;
use crate::sandbox::guest::wasi::http::connect::{Stream, connect};
use crate::sandbox::guest::wasi::http::paced::Paced;
use crate::sandbox::guest::wasi::http::{IncomingResponse, IoFuture, failure};
use crate::sandbox::guest::wasi::network::{GuestNames, NoAddress, Refusals, addresses};
use futures_util::FutureExt as _;
use futures_util::future::{Either, Fuse, FusedFuture as _, select};
use http::Request;
use http::header::{HOST, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// Maximum size of a connection's buffer, in bytes. Response headers must fit into it.
const BUFFER: usize = 64 << 10;

/// An admitted request, with what is needed to send it.
pub(crate) struct Exchange {
    /// URL that was checked against the grants.
    pub(crate) url: Url,
    /// Network that all guests share.
    pub(crate) network: Arc<Network>,
    /// Resolver of the guest.
    pub(crate) names: GuestNames,
    /// Log of refusals.
    pub(crate) refusals: Refusals,
    /// Permit of the guest's quota of connections, held until the connection ends.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The future that moves bytes between the connection and its request and response.
pub(crate) type Driver = Fuse<http1::Connection<TokioIo<Box<dyn Stream>>, WasiBody>>;

impl Exchange {
    /// Sends the request and waits for the head of the response. Redirects are returned, not followed.
    pub(crate) async fn send(
        self,
        mut request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<IncomingResponse, Error> {
        self.set_url(&mut request)?;
        let open = async { http1_over(self.connect().await?).await };
        let (mut sender, mut driver) =
            within(options.connect_timeout, open).await.unwrap_or(Err(Error::ConnectionTimeout))?;
        let response =
            drive_while(&mut driver, within(options.first_byte_timeout, sender.send_request(request)));
        let response = response
            .await
            .ok_or(Error::ConnectionReadTimeout)?
            .map_err(|error| failure::exchange_error(&error))?;
        let between_bytes = options.between_bytes_timeout;
        let body = |incoming: Incoming| Paced::new(incoming, between_bytes).boxed_unsync();
        let rest: IoFuture<()> = Box::new(drive(driver, self.permit));
        Ok((response.map(body), rest))
    }

    /// Rewrites the request to what was checked: path, query and the header `host` all come from the URL.
    fn set_url(&self, request: &mut Request<WasiBody>) -> Result<(), Error> {
        *request.uri_mut() = self.url.path_and_query().parse().map_err(|_| Error::HttpRequestUriInvalid)?;
        let host = HeaderValue::from_str(self.url.authority()).map_err(|_| Error::HttpRequestUriInvalid)?;
        request.headers_mut().insert(HOST, host);
        Ok(())
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Error> {
        let stream = connect(&self.addresses().await?).await?;
        if self.url.is_secure() {
            return self.network.tls.wrap(stream, &self.url.host()).await;
        }
        Ok(Box::new(stream))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        match addresses(&self.names, &self.url.host(), self.url.port()).await {
            Ok(addresses) => Ok(addresses),
            Err(NoAddress::Private(address)) => {
                self.log_private(address);
                Err(Error::HttpRequestDenied)
            }
            Err(NoAddress::Unknown) => {
                Err(Error::DnsError { rcode: Some("the name has no address".to_owned()), info_code: None })
            }
        }
    }

    fn log_private(&self, address: IpAddr) {
        let scheme = if self.url.is_secure() { "https" } else { "http" };
        let granted_url = format!("{scheme}://{}/", SocketAddr::from((address, self.url.port())));
        self.refusals.log_once(&format!(
            "a request to `{}` was refused: its name resolves to the private address {address}; \
             only a grant of the address itself would allow it, `http = [\"{granted_url}\"]`",
            self.url.origin()
        ));
    }
}

/// Opens HTTP over a connection.
pub(crate) async fn http1_over(
    stream: Box<dyn Stream>,
) -> Result<(http1::SendRequest<WasiBody>, Driver), Error> {
    let opened = http1::Builder::new().max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
    let (sender, connection) = opened.map_err(|error| failure::exchange_error(&error))?;
    Ok((sender, connection.fuse()))
}

/// Returns `None` if the work took longer than `limit`.
async fn within<T>(limit: Option<Duration>, work: impl Future<Output = T>) -> Option<T> {
    match limit {
        Some(limit) => timeout(limit, work).await.ok(),
        None => Some(work.await),
    }
}

/// Runs `work` while driving the connection that it needs.
pub(crate) async fn drive_while<T>(driver: &mut Driver, work: impl Future<Output = T>) -> T {
    let work = pin!(work);
    match select(work, driver).await {
        Either::Left((result, _)) => result,
        // The connection has ended, so `work` returns with the reason.
        Either::Right((_, work)) => work.await,
    }
}

/// Drives the connection to its end. Its errors reach the guest through the body.
async fn drive(driver: Driver, permit: OwnedSemaphorePermit) -> Result<(), Error> {
    if !driver.is_terminated() {
        drop(driver.await);
    }
    drop(permit);
    Ok(())
}
