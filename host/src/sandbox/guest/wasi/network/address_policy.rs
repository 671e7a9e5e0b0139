//! Policy of addresses: a granted host leads to the address in the grant, or to the public addresses of its name.
//! `resolver` finds the addresses. Callers connect to the returned addresses, never to the name again.

use crate::model::Endpoint;
use crate::sandbox::guest::wasi::network::address::is_public;
use crate::sandbox::guest::wasi::network::resolver::GuestNames;
use crate::sandbox::guest::wasi::network::zone::Zone;
use std::net::{IpAddr, SocketAddr};
use url::Host;

/// The only name that leads to this machine.
const LOCALHOST: &str = "localhost";

/// Reasons why a granted host has no usable address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAddress {
    /// All addresses of the name are private; this is one of them.
    Private(IpAddr),
    /// The name cannot be resolved.
    Unknown,
}

/// Returns the addresses that a granted host may be reached at.
pub(crate) async fn addresses(
    names: &GuestNames,
    host: &Host<&str>,
    port: u16,
) -> Result<Vec<SocketAddr>, NoAddress> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![(*address, port).into()]),
        Host::Ipv6(address) => return Ok(vec![(*address, port).into()]),
        Host::Domain(name) => *name,
    };
    let found = names.addresses(name).await.map_err(|_| NoAddress::Unknown)?;
    usable(&found, port, |address| may_resolve_to(name, address))
}

/// Returns the addresses up to a zone that a host may be reached at, whether the URL has a name or an address.
pub(crate) async fn addresses_within(
    names: &GuestNames,
    (host, port): (&Host<&str>, u16),
    zone: Zone,
) -> Result<Vec<SocketAddr>, NoAddress> {
    let found = match host {
        Host::Ipv4(address) => vec![IpAddr::V4(*address)],
        Host::Ipv6(address) => vec![IpAddr::V6(*address)],
        Host::Domain(name) => names.addresses(name).await.map_err(|_| NoAddress::Unknown)?,
    };
    usable(&found, port, |address| Zone::of(address) <= zone)
}

/// Returns the usable ones of a host's addresses: a name with both kinds is reached at these.
fn usable(
    found: &[IpAddr],
    port: u16,
    is_usable: impl Fn(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, NoAddress> {
    let usable: Vec<_> = found.iter().filter(|address| is_usable(**address)).collect();
    match (usable.first(), found.first()) {
        (None, Some(private)) => Err(NoAddress::Private(*private)),
        _ => Ok(usable.into_iter().map(|address| (*address, port).into()).collect()),
    }
}

/// Returns whether an address is granted, directly or through a name that resolves to it.
pub(crate) async fn may_connect(granted: &[Endpoint], names: &GuestNames, address: SocketAddr) -> bool {
    // An IPv4-mapped IPv6 address leads to the same host as the IPv4 address.
    let target = address.ip().to_canonical();
    for endpoint in granted.iter().filter(|endpoint| endpoint.port() == address.port()) {
        let is_granted = match endpoint.host() {
            Host::Ipv4(granted) => IpAddr::V4(*granted) == target,
            Host::Ipv6(granted) => granted.to_canonical() == target,
            Host::Domain(name) => {
                may_resolve_to(name, target)
                    && names.addresses(name).await.is_ok_and(|found| found.contains(&target))
            }
        };
        if is_granted {
            return true;
        }
    }
    false
}

/// Returns whether a guest may reach an address through a name.
///
/// The owner of a zone controls its names, and must not reach private addresses through them.
fn may_resolve_to(name: &str, address: IpAddr) -> bool {
    if name == LOCALHOST { address.is_loopback() } else { is_public(address) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::guest::wasi::network::resolver::{Resolve, Resolver, TaskLookups};
    use std::io;
    use std::sync::Arc;

    struct AddressTable;

    impl Resolve for AddressTable {
        fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            let texts: &[&str] = match name {
                "localhost" => &["::1", "127.0.0.1", "10.0.0.1"],
                "public.example" => &["93.184.216.34", "2606:2800::1"],
                "mixed.example" => &["10.0.0.1", "93.184.216.34"],
                "inside.example" => &["127.0.0.1", "::1"],
                "mapped.example" => &["::ffff:127.0.0.1"],
                "metadata.example" => &["169.254.169.254"],
                _ => return Err(io::ErrorKind::NotFound.into()),
            };
            Ok(texts.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    fn names() -> GuestNames {
        GuestNames::new(&Resolver::with_resolve(Arc::new(AddressTable)), &TaskLookups::default())
    }

    async fn resolved(host: &str) -> Result<Vec<String>, NoAddress> {
        let host = Host::parse(host).unwrap();
        let host = match &host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        let found = addresses(&names(), &host, 80).await?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn names_lead_to_public_addresses_and_localhost_to_this_machine() {
        for (host, expected) in [
            ("public.example", &["93.184.216.34:80", "[2606:2800::1]:80"][..]),
            ("mixed.example", &["93.184.216.34:80"]),
            ("localhost", &["[::1]:80", "127.0.0.1:80"]),
            ("127.0.0.1", &["127.0.0.1:80"]),
            ("[fd00::1]", &["[fd00::1]:80"]),
        ] {
            assert_eq!(resolved(host).await.unwrap(), expected, "{host}");
        }
        for host in ["inside.example", "mapped.example", "metadata.example"] {
            assert!(matches!(resolved(host).await, Err(NoAddress::Private(_))), "{host}");
        }
        assert!(matches!(resolved("nobody.example").await, Err(NoAddress::Unknown)));
    }

    #[tokio::test]
    async fn servers_lead_no_further_inside_than_they_are() {
        async fn within(host: &str, zone: Zone) -> Option<Vec<String>> {
            let host = Host::parse(host).unwrap();
            let host = match &host {
                Host::Domain(name) => Host::Domain(name.as_str()),
                Host::Ipv4(address) => Host::Ipv4(*address),
                Host::Ipv6(address) => Host::Ipv6(*address),
            };
            let found = addresses_within(&names(), (&host, 443), zone).await;
            found.ok().map(|found| found.iter().map(ToString::to_string).collect())
        }
        for (host, zone, expected) in [
            ("public.example", Zone::Public, Some(&["93.184.216.34:443", "[2606:2800::1]:443"][..])),
            ("mixed.example", Zone::Public, Some(&["93.184.216.34:443"])),
            ("mixed.example", Zone::Private, Some(&["10.0.0.1:443", "93.184.216.34:443"])),
            ("metadata.example", Zone::Public, None),
            ("metadata.example", Zone::Private, Some(&["169.254.169.254:443"])),
            ("169.254.169.254", Zone::Public, None),
            ("10.0.0.1", Zone::Public, None),
            ("inside.example", Zone::Private, None),
            ("mapped.example", Zone::Private, None),
            ("127.0.0.1", Zone::Private, None),
            ("0.0.0.0", Zone::Private, None),
            ("[::1]", Zone::Private, None),
            ("inside.example", Zone::Loopback, Some(&["127.0.0.1:443", "[::1]:443"])),
        ] {
            let expected = expected.map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(within(host, zone).await, expected, "{host} {zone:?}");
        }
    }

    #[tokio::test]
    async fn sockets_reach_only_granted_endpoints() {
        for (granted, address, expected) in [
            ("127.0.0.1:5432", "127.0.0.1:5432", true),
            ("127.0.0.1:5432", "127.0.0.1:5433", false),
            ("127.0.0.1:5432", "127.0.0.2:5432", false),
            ("127.0.0.1:5432", "[::ffff:127.0.0.1]:5432", true),
            ("127.0.0.1:5432", "[::1]:5432", false),
            ("[::1]:80", "[::1]:80", true),
            ("localhost:80", "127.0.0.1:80", true),
            ("localhost:80", "10.0.0.1:80", false),
            ("public.example:80", "93.184.216.34:80", true),
            ("public.example:80", "93.184.216.34:443", false),
            ("public.example:80", "93.184.216.35:80", false),
            ("mixed.example:80", "10.0.0.1:80", false),
            ("inside.example:80", "127.0.0.1:80", false),
            ("mapped.example:80", "127.0.0.1:80", false),
            ("nobody.example:80", "93.184.216.34:80", false),
        ] {
            let endpoints = [Endpoint::parse("192.0.2.1:1").unwrap(), Endpoint::parse(granted).unwrap()];
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(may_connect(&endpoints, &names(), address).await, expected, "{granted} {address}");
        }
    }
}
