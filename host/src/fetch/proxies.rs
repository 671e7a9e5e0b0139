//! Proxies from `HTTPS_PROXY`, and the hosts that need none from `NO_PROXY`, as other programs read them.
//! `sandbox` opens the tunnels.

use crate::config::Environment;
use crate::fetch::Error;
use crate::fetch::basic_login::basic;
use crate::model::Url;
use crate::sandbox::{Proxy, Zone, zone_of_host};
use std::net::IpAddr;
use url::Host;

/// The variable with the proxy, in the spellings that are common.
const PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];

/// The variable with exceptions.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The proxy for encrypted connections, and its exceptions. Plain connections lead to this machine only, and need none.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    proxy: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// Hosts that are reached without the proxy.
#[derive(Debug, PartialEq, Eq)]
enum Exception {
    /// All.
    All,
    /// A name with the names below it, or only the latter; and only at this port, if there is one.
    Name { name: String, with_itself: bool, port: Option<u16> },
    /// The addresses with this prefix; and only at this port, if there is one.
    Addresses { network: IpAddr, bits: u32, port: Option<u16> },
}

impl Proxies {
    /// Reads the variables.
    pub(crate) fn of(environment: &Environment) -> Result<Self, Error> {
        let Some((name, text)) = variable(environment, PROXY)? else { return Ok(Self::default()) };
        let proxy = parse(text).map_err(|what| Error::Variable { name, what: what.to_owned() })?;
        let exceptions = variable(environment, EXCEPTIONS)?.map_or("", |(_, text)| text);
        let exceptions = exceptions.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Self { proxy: Some(proxy), exceptions: exceptions.filter_map(Exception::parse).collect() })
    }

    /// Returns the proxy for a URL; `None` for this machine, for exceptions, and for plain connections.
    pub(crate) fn of_url(&self, url: &Url) -> Option<&Proxy> {
        let proxy = self.proxy.as_ref().filter(|_| url.is_secure())?;
        let host = url.host();
        let is_local = zone_of_host(&host) == Some(Zone::Loopback);
        let is_exception = self.exceptions.iter().any(|exception| exception.covers(&host, url.port()));
        (!is_local && !is_exception).then_some(proxy)
    }
}

/// Returns the first variable that is set.
fn variable<'e>(
    environment: &'e Environment,
    names: [&'static str; 2],
) -> Result<Option<(&'static str, &'e str)>, Error> {
    for name in names {
        let text = environment
            .setting(name)
            .map_err(|_| Error::Variable { name, what: "it is not UTF-8".to_owned() })?;
        if let Some(text) = text {
            return Ok(Some((name, text)));
        }
    }
    Ok(None)
}

/// Parses a proxy: a URL, or host and port alone. The error does not quote it, since it may hold a password.
fn parse(text: &str) -> Result<Proxy, &'static str> {
    const SHAPE: &str = "it is no URL such as `http://user:password@host:3128`";
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url = url::Url::parse(&text).map_err(|_| SHAPE)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("only proxies with `http://` or `https://` are supported");
    }
    let authorization = if url.username().is_empty() {
        None
    } else {
        let (user, password) = (decoded(url.username()), url.password().map(decoded).unwrap_or_default());
        Some(basic(&user, &password))
    };
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| SHAPE)?;
    let bare = Url::parse(url.as_str()).map_err(|_| SHAPE)?;
    Ok(Proxy::new(bare, authorization))
}

/// Decodes percent-encoding.
fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

impl Exception {
    /// Parses an entry; one that means nothing covers nothing, as in other programs.
    fn parse(entry: &str) -> Option<Self> {
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((network, bits)) = entry.split_once('/') {
            return Some(Self::Addresses {
                network: network.parse().ok()?,
                bits: bits.parse().ok()?,
                port: None,
            });
        }
        if let Ok(address) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(Self::Addresses { network: address, bits: 128, port: None });
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) => (name, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(Self::Addresses { network: address, bits: 128, port });
        }
        let below = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
        let name = below.unwrap_or(name).to_ascii_lowercase();
        Some(Self::Name { name, with_itself: below.is_none(), port })
    }

    fn covers(&self, host: &Host<&str>, at: u16) -> bool {
        let is_at = |port: &Option<u16>| port.is_none_or(|port| port == at);
        let address = |host: &Host<&str>| match host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        match (self, host) {
            (Self::All, _) => true,
            (Self::Name { name, with_itself, port }, Host::Domain(host)) => {
                let is_below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                is_at(port) && (is_below || *with_itself && host == name)
            }
            (Self::Addresses { network, bits, port }, host) => {
                let found = address(host).map(|address| address.to_canonical());
                is_at(port) && found.is_some_and(|found| is_within(found, network.to_canonical(), *bits))
            }
            (Self::Name { .. }, Host::Ipv4(_) | Host::Ipv6(_)) => false,
        }
    }
}

/// Returns whether an address has the first bits of a network.
fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits.min(u32::BITS)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits.min(u128::BITS)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(exceptions: &str) -> Proxies {
        Proxies::of(&[("HTTPS_PROXY", "proxy.example:3128"), ("NO_PROXY", exceptions)].into()).unwrap()
    }

    fn is_direct(exceptions: &str, url: &str) -> bool {
        proxies(exceptions).of_url(&Url::parse(url).unwrap()).is_none()
    }

    #[test]
    fn exceptions_are_read_as_by_other_programs() {
        for (exceptions, direct, through) in [
            (
                "",
                &["https://127.0.0.1/", "https://localhost/", "https://[::1]:1/", "http://x.org/"][..],
                &["https://x.org/"][..],
            ),
            ("*", &["https://x.org/"], &[]),
            ("x.org", &["https://x.org/", "https://a.x.org/"], &["https://ax.org/", "https://x.org.evil/"]),
            (".x.org, y.org", &["https://a.x.org/", "https://y.org/"], &["https://x.org/"]),
            ("*.x.org", &["https://a.x.org/"], &["https://x.org/"]),
            ("x.org:8443", &["https://x.org:8443/"], &["https://x.org/"]),
            (
                "10.0.0.0/8 fd00::/8",
                &["https://10.1.2.3/", "https://[fd00::1]/"],
                &["https://11.0.0.1/", "https://x.org/"],
            ),
            ("10.0.0.1", &["https://10.0.0.1/", "https://[::ffff:10.0.0.1]/"], &["https://10.0.0.2/"]),
            (
                "10.0.0.1:5000,[fd00::1]:5000",
                &["https://10.0.0.1:5000/", "https://[fd00::1]:5000/"],
                &["https://10.0.0.1/"],
            ),
            ("X.ORG,,x.org:no,/", &["https://x.org/"], &["https://y.org/"]),
        ] {
            for url in direct {
                assert!(is_direct(exceptions, url), "{exceptions:?} {url}");
            }
            for url in through {
                assert!(!is_direct(exceptions, url), "{exceptions:?} {url}");
            }
        }
    }

    #[test]
    fn login_of_a_proxy_is_decoded_and_never_shown() {
        let login = Proxies::of(&[("https_proxy", "https://us%40er:p%2Bw+d@proxy.example")].into()).unwrap();
        let url = Url::parse("https://x.org/").unwrap();
        let expected =
            Proxy::new(Url::parse("https://proxy.example/").unwrap(), Some(basic("us@er", "p+w+d")));
        assert_eq!(login.of_url(&url), Some(&expected));
        for text in ["socks5://:hunter2@h", "http://:hunter2@", "http://u:hunter2@h:99999"] {
            let error = Proxies::of(&[("HTTPS_PROXY", text)].into()).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("HTTPS_PROXY") && !shown.contains("hunter2"), "{shown}");
        }
        assert!(Proxies::of(&[("HTTPS_PROXY", "")].into()).unwrap().of_url(&url).is_none());
    }
}
