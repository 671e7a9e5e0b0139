//! TLS: the server must prove the name or the address in the URL.
//! `connect` makes sure that the connection leads to a checked address.

use crate::sandbox::guest::wasi::http::connect::Stream;
use crate::sandbox::guest::wasi::http::failure;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use tokio_rustls::TlsConnector;
use url::Host;
use wasmtime_wasi_http::Error;

/// Certificate authorities that guests trust, and the connector, created on first use.
pub(crate) struct Tls {
    authorities: Option<RootCertStore>,
    connector: OnceLock<Option<TlsConnector>>,
}

impl Tls {
    /// Trusts the default authorities, which are the same on every machine.
    pub(crate) const fn with_default_roots() -> Self {
        Self::with_roots(None)
    }

    /// Trusts the given authorities, or the default ones if there are none.
    pub(crate) const fn with_roots(authorities: Option<RootCertStore>) -> Self {
        Self { authorities, connector: OnceLock::new() }
    }

    /// Encrypts a connection. Fails unless the server proves to be `host`.
    pub(crate) async fn wrap<S: Stream + 'static>(
        &self,
        stream: S,
        host: &Host<&str>,
    ) -> Result<Box<dyn Stream>, Error> {
        let name = match host {
            Host::Domain(name) => {
                ServerName::try_from((*name).to_owned()).map_err(|_| Error::HttpRequestUriInvalid)?
            }
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(*address)),
        };
        let connector =
            self.connector.get_or_init(|| self.connector()).as_ref().ok_or(Error::ConfigurationError)?;
        let encrypted = connector.connect(name, stream).await.map_err(|error| failure::tls_error(&error))?;
        Ok(Box::new(encrypted))
    }

    /// Returns `None` if the cryptography supports no version of TLS, which no build of it does.
    fn connector(&self) -> Option<TlsConnector> {
        let default_roots = || RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let authorities = self.authorities.clone().unwrap_or_else(default_roots);
        let versions = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = versions.with_safe_default_protocol_versions().ok()?;
        let mut config = config.with_root_certificates(authorities).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Some(TlsConnector::from(Arc::new(config)))
    }
}
