//! Reasons why a request of the host got no answer.
//! Callers decide which of them may pass.

use crate::sandbox::guest::wasi::network::NoAddress;
use std::net::IpAddr;
use wasmtime_wasi_http::Error;

/// The reason why a request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
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
    /// The proxy does not connect to the server.
    #[error("the proxy answers {0}")]
    Refused(u16),
    /// The proxy cannot be used.
    #[error("the proxy cannot be used: {0}")]
    Proxy(Box<Self>),
    /// Another failure, which may pass.
    #[error("{0}")]
    Exchange(String),
}

impl NoAnswer {
    pub(crate) fn unsendable(part: &str) -> Self {
        Self::Exchange(format!("the {part} cannot be sent"))
    }

    pub(crate) fn of_proxy(error: Self) -> Self {
        Self::Proxy(Box::new(error))
    }
}

impl From<Error> for NoAnswer {
    fn from(error: Error) -> Self {
        match error {
            Error::TlsCertificateError => Self::Certificate,
            error => Self::Exchange(error.to_string()), // all others may pass
        }
    }
}

impl From<NoAddress> for NoAnswer {
    fn from(none: NoAddress) -> Self {
        match none {
            NoAddress::Private(address) => Self::Private(address),
            NoAddress::Unknown => Self::NoAddress,
        }
    }
}
