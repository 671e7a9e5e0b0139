//! Sends a request of the host: to a checked address or through a proxy, encrypted where the URL says so.
//! `answer` is read by the caller; `tunnel` speaks to proxies.

use crate::model::{SecureUrl, Url};
use crate::sandbox::guest::wasi::Network;
use crate::sandbox::guest::wasi::http::client::tunnel;
use crate::sandbox::guest::wasi::http::client::{Answer, NoAnswer, Proxy};
use crate::sandbox::guest::wasi::http::connect::{Stream, connect};
use crate::sandbox::guest::wasi::http::exchange::{drive_while, http1_over};
use crate::sandbox::guest::wasi::http::{Tls, failure};
use crate::sandbox::guest::wasi::network::{
    GuestNames, TaskLookups, Zone, addresses, addresses_within, zone_of_host,
};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpStream;
use url::Host;
use wasmtime_wasi_http::WasiBody;

/// How the host calls itself.
const AGENT: &str = concat!("cascade-host/", env!("CARGO_PKG_VERSION"));

/// Sends requests of the host. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    network: Arc<Network>,
    /// Authorities in place of the default ones.
    own_tls: Option<Arc<Tls>>,
}

/// A request of the host.
pub struct Outgoing<'a> {
    /// The method.
    pub method: Method,
    /// The URL.
    pub url: &'a Url,
    /// Headers besides `host` and `user-agent`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Where a request may lead.
#[derive(Clone, Copy)]
pub enum Route<'a> {
    /// To the address in the URL, or to the public addresses of its name, as for guests.
    Granted,
    /// To addresses up to this zone, through the proxy if there is one. A proxy resolves names itself.
    Within(Zone, Option<&'a Proxy>),
}

/// The error of a text without a certificate in the PEM format.
#[derive(Debug, thiserror::Error)]
#[error("it has no certificate in the PEM format")]
pub struct NoCertificates;

impl Client {
    pub(crate) const fn new(network: Arc<Network>) -> Self {
        Self { network, own_tls: None }
    }

    /// Returns a client that trusts the authorities in a PEM text, and no others.
    pub fn with_authorities(self, pem: &[u8]) -> Result<Self, NoCertificates> {
        let mut authorities = RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
        let (added, _) = authorities.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(NoCertificates);
        }
        Ok(Self { own_tls: Some(Arc::new(Tls::with_roots(Some(authorities)))), ..self })
    }

    /// Sends a request, and returns the head of the answer; the body is read from it. Redirects are not followed.
    ///
    /// The caller sets a timeout; dropping the future closes the connection.
    pub async fn send(&self, outgoing: Outgoing<'_>, route: Route<'_>) -> Result<Answer, NoAnswer> {
        let Outgoing { method, url, headers, body } = outgoing;
        let (stream, zone) = self.open(url, route).await?;
        let stream: Box<dyn Stream> =
            if url.is_secure() { self.tls().wrap(stream, &url.host()).await? } else { stream };
        let body: WasiBody = Full::new(body).map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::builder().method(method).uri(url.path_and_query());
        if let Some(own) = request.headers_mut() {
            *own = headers;
            own.insert(
                HOST,
                HeaderValue::from_str(url.authority()).map_err(|_| NoAnswer::unsendable("URL"))?,
            );
            own.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        }
        let request = request.body(body).map_err(|_| NoAnswer::unsendable("URL"))?;
        let (mut sender, mut driver) = http1_over(stream).await?;
        let response = drive_while(&mut driver, sender.send_request(request)).await;
        Ok(Answer::new(response.map_err(|error| failure::exchange_error(&error))?, driver, zone))
    }

    /// Posts JSON with one more header, and returns the status of the answer, whose body is not read.
    pub async fn post(
        &self,
        to: &SecureUrl,
        header: Option<(&'static str, String)>,
        body: Bytes,
    ) -> Result<u16, NoAnswer> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = header {
            let value = HeaderValue::from_str(&value).map_err(|_| NoAnswer::unsendable("header"))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        let outgoing = Outgoing { method: Method::POST, url: to.url(), headers, body };
        Ok(self.send(outgoing, Route::Granted).await?.status())
    }

    fn tls(&self) -> &Tls {
        self.own_tls.as_deref().unwrap_or(&self.network.tls)
    }

    /// Connects, and returns the zone that the connection leads to.
    async fn open(&self, url: &Url, route: Route<'_>) -> Result<(Box<dyn Stream>, Zone), NoAnswer> {
        // Lookups of the host have the quotas of a guest of their own.
        let names = GuestNames::new(self.network.names(), &TaskLookups::default());
        let (host, port) = (url.host(), url.port());
        match route {
            Route::Granted => direct(&addresses(&names, &host, port).await?).await,
            Route::Within(zone, None) => direct(&addresses_within(&names, (&host, port), zone).await?).await,
            Route::Within(zone, Some(proxy)) => {
                let leads_to = zone_of_host(&host).unwrap_or(Zone::Public);
                if let (true, Some(address)) = (leads_to > zone, literal(&host)) {
                    return Err(NoAnswer::Private(address));
                }
                Ok((self.tunnel(&names, proxy, url).await?, leads_to))
            }
        }
    }

    /// Opens a tunnel through a proxy, which is the user's choice and may be anywhere.
    async fn tunnel(&self, names: &GuestNames, proxy: &Proxy, to: &Url) -> Result<Box<dyn Stream>, NoAnswer> {
        let url = proxy.url();
        let found = addresses_within(names, (&url.host(), url.port()), Zone::Loopback).await;
        let (stream, _) = direct(&found.map_err(|none| NoAnswer::of_proxy(none.into()))?)
            .await
            .map_err(NoAnswer::of_proxy)?;
        let stream = if url.is_secure() {
            self.tls().wrap(stream, &url.host()).await.map_err(|error| NoAnswer::of_proxy(error.into()))?
        } else {
            stream
        };
        tunnel::open(stream, proxy, to).await
    }
}

async fn direct(addresses: &[SocketAddr]) -> Result<(Box<dyn Stream>, Zone), NoAnswer> {
    let stream: TcpStream = connect(addresses).await?;
    let zone = stream.peer_addr().map_or(Zone::Public, |address| Zone::of(address.ip()));
    Ok((Box::new(stream), zone))
}

/// Returns the address that a URL names itself.
fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
        Host::Domain(_) => None,
    }
}
