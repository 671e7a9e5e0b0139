//! A host and a port to connect to, as `tcp` grants write them.
//! Name resolution is in `sandbox`.

use crate::model::domain::is_domain;
use std::fmt;
use std::net::IpAddr;
use url::Host;

/// `host:port` in normal form, with an IPv6 address in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    host: Host,
    port: u16,
}

/// The error of parsing an [`Endpoint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// The text has a scheme.
    #[error("a `tcp` grant is a host and a port, not a URL")]
    Url,
    /// The port is missing or invalid.
    #[error("a `tcp` grant ends in a port from 1 to 65535")]
    Port,
    /// An IPv6 address lacks its brackets.
    #[error("an IPv6 address needs brackets before the port: `[::1]:80`")]
    Brackets,
    /// The host is neither a name nor an address.
    #[error("a `tcp` grant starts with a host name or an address")]
    Host,
    /// The text is not in normal form.
    #[error("the `tcp` grant is not in normal form")]
    NotNormal {
        /// The normal form.
        normal: String,
    },
}

impl Endpoint {
    /// Parses `host:port`.
    pub fn parse(text: &str) -> Result<Self, EndpointFault> {
        if text.contains("://") {
            return Err(EndpointFault::Url);
        }
        let (name, written) = text.rsplit_once(':').ok_or(EndpointFault::Port)?;
        let port: u16 = written.parse().ok().filter(|port| *port > 0).ok_or(EndpointFault::Port)?;
        if name.is_empty() {
            return Err(EndpointFault::Host);
        }
        if name.contains(':') && !name.starts_with('[') {
            return Err(EndpointFault::Brackets);
        }
        if name.contains('*') {
            return Err(EndpointFault::Host);
        }
        let host = Host::parse(name).map_err(|_| EndpointFault::Host)?;
        let host = match host {
            Host::Domain(name) => {
                let bare = name.strip_suffix('.').unwrap_or(&name);
                Host::Domain(Some(bare).filter(|bare| is_domain(bare)).ok_or(EndpointFault::Host)?.to_owned())
            }
            address @ (Host::Ipv4(_) | Host::Ipv6(_)) => address,
        };
        let endpoint = Self { host, port };
        let is_other_host = name.is_ascii() && name.to_ascii_lowercase() != endpoint.host.to_string();
        // The port has leading zeros or a sign.
        if is_other_host || written != port.to_string() {
            return Err(EndpointFault::NotNormal { normal: endpoint.to_string() });
        }
        Ok(endpoint)
    }

    /// Returns the name or the address.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Returns the port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl From<(IpAddr, u16)> for Endpoint {
    fn from((address, port): (IpAddr, u16)) -> Self {
        let host = match address {
            IpAddr::V4(address) => Host::Ipv4(address),
            IpAddr::V6(address) => Host::Ipv6(address),
        };
        Self { host, port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_endpoints_parse() {
        for (text, shown) in [
            ("127.0.0.1:5432", "127.0.0.1:5432"),
            ("[::1]:80", "[::1]:80"),
            ("DB.example.com:5432", "db.example.com:5432"),
            ("bücher.example:80", "xn--bcher-kva.example:80"),
            ("localhost:1", "localhost:1"),
        ] {
            assert_eq!(Endpoint::parse(text).map(|it| it.to_string()), Ok(shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn invalid_endpoints_are_rejected() {
        let not_normal = |normal: &str| EndpointFault::NotNormal { normal: normal.to_owned() };
        for (text, fault) in [
            ("http://h:80", EndpointFault::Url),
            ("127.0.0.1", EndpointFault::Port),
            ("h:0", EndpointFault::Port),
            ("h:65536", EndpointFault::Port),
            ("h:", EndpointFault::Port),
            ("h:http", EndpointFault::Port),
            ("h:-1", EndpointFault::Port),
            ("h:+80", not_normal("h:80")),
            ("h:080", not_normal("h:80")),
            ("[::1]", EndpointFault::Port),
            (":80", EndpointFault::Host),
            ("::1", EndpointFault::Brackets),
            ("h..h:80", EndpointFault::Host),
            ("h$:80", EndpointFault::Host),
            ("[fe80::1%eth0]:80", EndpointFault::Host),
            ("::1:80", EndpointFault::Brackets),
            ("[::1:80", EndpointFault::Host),
            ("a b:80", EndpointFault::Host),
            ("*.h:80", EndpointFault::Host),
            ("u@h:80", EndpointFault::Host),
            ("2130706433:80", not_normal("127.0.0.1:80")),
            ("h.:80", not_normal("h:80")),
            ("[0::1]:80", not_normal("[::1]:80")),
        ] {
            assert_eq!(Endpoint::parse(text), Err(fault), "{text}");
        }
    }
}
