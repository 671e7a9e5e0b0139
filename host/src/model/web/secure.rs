//! URLs that nobody on the way can read or answer for: of notifications, and of components.
//! `sandbox` sends the requests; guests are bound by `prefix` instead.

use crate::model::web::target::{Url, UrlFault};
use std::fmt;
use std::net::IpAddr;
use url::Host;

/// An `https` URL, or an `http` URL that leads to this machine. Path and query may be secret, so `Debug` hides them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SecureUrl(Url);

/// The error of parsing a [`SecureUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecureUrlFault {
    /// The text is no URL that can be requested.
    #[error(transparent)]
    Url(#[from] UrlFault),
    /// Anyone between the two machines could read what is sent, and answer in place of the other.
    #[error("`http` is for this machine only")]
    Plain,
}

impl SecureUrl {
    /// Parses and normalises a URL.
    pub fn parse(text: &str) -> Result<Self, SecureUrlFault> {
        let url = Url::parse(text)?;
        if url.is_secure() || is_loopback(&url.host()) { Ok(Self(url)) } else { Err(SecureUrlFault::Plain) }
    }

    /// Returns the URL.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for SecureUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecureUrl({}/…)", self.0.origin())
    }
}

/// Returns whether a host is this machine by its address, or by the one name that always is.
pub(crate) fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).to_canonical().is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_leads_to_this_machine_only() {
        for text in [
            "https://hooks.example.com/x?token=1",
            "https://10.0.0.1/",
            "http://127.0.0.1:8080/x",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/x",
            "http://LOCALHOST./x",
        ] {
            assert!(SecureUrl::parse(text).is_ok(), "{text}");
        }
        for text in [
            "http://hooks.example.com/",
            "http://10.0.0.1/",
            "http://localhost.example.com/",
            "http://[::2]/",
        ] {
            assert_eq!(SecureUrl::parse(text), Err(SecureUrlFault::Plain), "{text}");
        }
        assert_eq!(SecureUrl::parse("https://u:p@h/"), Err(SecureUrlFault::Url(UrlFault::User)));
        assert_eq!(SecureUrl::parse("h/x"), Err(SecureUrlFault::Url(UrlFault::Malformed)));
    }

    #[test]
    fn debug_shows_no_path() {
        let url = SecureUrl::parse("https://h/services/T0/hunter2?token=hunter2").unwrap();
        assert_eq!(format!("{url:?}"), "SecureUrl(https://h/…)");
    }
}
