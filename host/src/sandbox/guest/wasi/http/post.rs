//! Requests of the host itself, over the same connections and under the same address rules as those of guests.
//! `app` decides what is sent, and whether again.

use crate::model::HookUrl;
use crate::sandbox::guest::wasi::Network;
use crate::sandbox::guest::wasi::http::connect::{Stream, connect};
use crate::sandbox::guest::wasi::http::exchange::{drive_while, http1_over};
use crate::sandbox::guest::wasi::http::failure;
use crate::sandbox::guest::wasi::network::{GuestNames, NoAddress, TaskLookups, addresses};
use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full};
use std::net::IpAddr;
use std::sync::Arc;
use wasmtime_wasi_http::{Error, WasiBody};

/// Sends requests of the host.
pub struct Poster(pub(crate) Arc<Network>);

/// The reason why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The name leads to a private address.
    #[error("its name leads to the private address {0}")]
    Private(IpAddr),
    /// The name has no address.
    #[error("its name has no address")]
    NoAddress,
    /// The server cannot prove its name.
    #[error("its certificate is not valid for its name, or not by a known authority")]
    Certificate,
    /// Another failure, which may pass.
    #[error("{0}")]
    Exchange(String),
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        match error {
            Error::TlsCertificateError => Self::Certificate,
            error => Self::Exchange(error.to_string()), // all others may pass
        }
    }
}

impl Poster {
    /// Posts JSON with one more header, and returns the status of the answer. Redirects are not followed, and the body of
    /// the answer is not read. The caller sets a timeout; dropping the future closes the connection.
    pub async fn post(
        &self,
        to: &HookUrl,
        header: Option<(&'static str, String)>,
        body: Bytes,
    ) -> Result<u16, NoAnswer> {
        let url = to.url();
        let body: WasiBody = Full::new(body).map_err(|never| match never {}).boxed_unsync();
        let request = Request::post(url.path_and_query())
            .header(HOST, url.authority())
            .header(CONTENT_TYPE, "application/json")
            .header("user-agent", concat!("cascade-host/", env!("CARGO_PKG_VERSION")));
        let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request.body(body).map_err(|error| NoAnswer::Exchange(error.to_string()))?;
        // Lookups of the host have the quotas of a guest of their own.
        let names = GuestNames::new(self.0.names(), &TaskLookups::default());
        let addresses = addresses(&names, &url.host(), url.port()).await.map_err(|none| match none {
            NoAddress::Private(address) => NoAnswer::Private(address),
            NoAddress::Unknown => NoAnswer::NoAddress,
        })?;
        let stream = connect(&addresses).await?;
        let stream: Box<dyn Stream> =
            if url.is_secure() { self.0.tls.wrap(stream, &url.host()).await? } else { Box::new(stream) };
        let (mut sender, mut driver) = http1_over(stream).await?;
        let response = drive_while(&mut driver, sender.send_request(request)).await;
        Ok(response.map_err(|error| failure::exchange_error(&error))?.status().as_u16())
    }
}
