//! Zones of addresses, from the outside in: servers lead the host no further inside than they are themselves.
//! `address_policy` filters by them; guests have their grants instead.

use crate::sandbox::guest::wasi::network::address::is_public;
use std::net::IpAddr;
use url::Host;

/// Where an address lies, from the outside in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Zone {
    /// The public internet.
    Public,
    /// A private network.
    Private,
    /// This machine.
    Loopback,
}

impl Zone {
    /// Returns the zone of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let canonical = address.to_canonical();
        // Systems connect the unspecified address to themselves.
        if canonical.is_loopback() || canonical.is_unspecified() {
            Self::Loopback
        } else if is_public(address) {
            Self::Public
        } else {
            Self::Private
        }
    }
}

/// Returns the zone of a host as a URL names it; `None` for a name that may lead anywhere.
#[must_use]
pub fn zone_of_host(host: &Host<&str>) -> Option<Zone> {
    match host {
        Host::Domain("localhost") => Some(Zone::Loopback),
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(Zone::of((*address).into())),
        Host::Ipv6(address) => Some(Zone::of((*address).into())),
    }
}
