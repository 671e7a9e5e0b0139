//! Interfaces that the host offers to components, by name, each with the grants that serve it.
//! `guest/wasi` links them.

use crate::model::Grant;
use std::sync::Arc;

/// An import of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Name of the import: `ns:pkg/iface@1.0.0`, or a plain name.
    pub name: Arc<str>,
    /// Functions that the component imports from the interface.
    pub functions: Vec<Arc<str>>,
    /// Signatures of its functions by name, of an import that the host does not have: empty if they are too large to show.
    pub signatures: Vec<(Arc<str>, String)>,
    /// The host's offer for the import.
    pub offer: Offer,
}

impl Import {
    /// Returns the functions that a core module imports from a module that no host has.
    pub(crate) fn of_module(name: Arc<str>, functions: Vec<Arc<str>>) -> Self {
        Self { name, functions, signatures: Vec::new(), offer: Offer::Module }
    }

    /// Returns the imported functions that a grant serves: none if they trap.
    #[must_use]
    pub fn served_by(&self, grant: Grant) -> Vec<Arc<str>> {
        if self.offer == Offer::Trap {
            return Vec::new();
        }
        let name = self.name.split('@').next().unwrap_or_default();
        let is_served = |function: &Arc<str>| {
            grant.row().services.iter().any(|(interface, functions)| {
                name.starts_with(interface) && (functions.is_empty() || functions.contains(&&**function))
            })
        };
        self.functions.iter().filter(|function| is_served(function)).cloned().collect()
    }
}

/// The offer for an import: the host's, or the manifest's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Nothing: a component with such an import cannot be called.
    Unknown,
    /// Nothing: functions that a core module imports from no interface. They can only trap.
    Module,
    /// Nothing, because nothing is needed: the interface has only types.
    Types,
    /// Functions that trap, as the manifest wants it.
    Trap,
    /// The whole interface, without a grant.
    Always,
    /// An interface whose calls always fail: no grant serves it.
    Refused,
    /// An interface whose calls fail unless one of these grants is given.
    Granted(&'static [Grant]),
}

/// Offered interfaces, with the prefix of their version. Every other interface is unknown.
pub(crate) const OFFERS: [(&str, &str, Offer); 35] = [
    ("wasi:cli/environment", "0.2.", Offer::Granted(&[Grant::Env, Grant::Args])),
    ("wasi:cli/exit", "0.2.", Offer::Always),
    ("wasi:cli/stdin", "0.2.", Offer::Always),
    ("wasi:cli/stdout", "0.2.", Offer::Always),
    ("wasi:cli/stderr", "0.2.", Offer::Always),
    ("wasi:cli/terminal-input", "0.2.", Offer::Always),
    ("wasi:cli/terminal-output", "0.2.", Offer::Always),
    ("wasi:cli/terminal-stdin", "0.2.", Offer::Always),
    ("wasi:cli/terminal-stdout", "0.2.", Offer::Always),
    ("wasi:cli/terminal-stderr", "0.2.", Offer::Always),
    ("wasi:clocks/wall-clock", "0.2.", Offer::Granted(&[Grant::Clock])),
    ("wasi:clocks/monotonic-clock", "0.2.", Offer::Granted(&[Grant::Clock])),
    ("wasi:filesystem/types", "0.2.", Offer::Granted(&[Grant::Read, Grant::Write])),
    ("wasi:filesystem/preopens", "0.2.", Offer::Granted(&[Grant::Read, Grant::Write])),
    ("wasi:http/types", "0.2.", Offer::Granted(&[Grant::Http])),
    ("wasi:http/outgoing-handler", "0.2.", Offer::Granted(&[Grant::Http])),
    ("wasi:io/error", "0.2.", Offer::Always),
    ("wasi:io/poll", "0.2.", Offer::Always),
    ("wasi:io/streams", "0.2.", Offer::Always),
    ("wasi:random/random", "0.2.", Offer::Granted(&[Grant::Random])),
    ("wasi:random/insecure", "0.2.", Offer::Granted(&[Grant::Random])),
    ("wasi:random/insecure-seed", "0.2.", Offer::Granted(&[Grant::Random])),
    ("wasi:sockets/network", "0.2.", Offer::Granted(&[Grant::Tcp])),
    ("wasi:sockets/instance-network", "0.2.", Offer::Granted(&[Grant::Tcp])),
    ("wasi:sockets/tcp", "0.2.", Offer::Granted(&[Grant::Tcp])),
    ("wasi:sockets/tcp-create-socket", "0.2.", Offer::Granted(&[Grant::Tcp])),
    ("wasi:sockets/udp", "0.2.", Offer::Refused),
    ("wasi:sockets/udp-create-socket", "0.2.", Offer::Refused),
    ("wasi:sockets/ip-name-lookup", "0.2.", Offer::Granted(&[Grant::Dns])),
    ("wasi:keyvalue/store", "0.2.0-draft", Offer::Granted(&[Grant::Keyvalue])),
    ("wasi:keyvalue/atomics", "0.2.0-draft", Offer::Granted(&[Grant::Keyvalue])),
    ("wasi:keyvalue/batch", "0.2.0-draft", Offer::Granted(&[Grant::Keyvalue])),
    ("wasi:logging/logging", "", Offer::Always),
    ("cascade:task/context", "0.1.", Offer::Granted(&[Grant::Context])),
    ("cascade:task/progress", "0.1.", Offer::Always),
];

/// Returns what the host offers for an interface.
pub(crate) fn offer(import: &str) -> Offer {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    OFFERS
        .iter()
        .find(|(known, version_prefix, _)| name == *known && version.starts_with(version_prefix))
        .map_or(Offer::Unknown, |(_, _, offer)| *offer)
}

/// Returns whether an import is of a WASI version after 0.2, which this host does not support.
pub(crate) fn is_later_wasi(import: &str) -> bool {
    let version =
        import.strip_prefix("wasi:").and_then(|import| import.split_once('@')).map(|(_, version)| version);
    version.is_some_and(|version| version.starts_with("0.3"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_known_by_name_and_version() {
        for (import, known) in [
            ("wasi:cli/stdout@0.2.6", Offer::Always),
            ("wasi:clocks/wall-clock@0.2.0", Offer::Granted(&[Grant::Clock])),
            ("wasi:sockets/udp-create-socket@0.2.0", Offer::Refused),
            ("wasi:clocks/timezone@0.2.0", Offer::Unknown),
            ("wasi:cli/run@0.2.0", Offer::Unknown),
            ("wasi:logging/logging", Offer::Always),
            ("wasi:logging/logging@0.1.0-draft", Offer::Always),
            ("cascade:task/context@0.1.0", Offer::Granted(&[Grant::Context])),
            ("wasi:keyvalue/store@0.2.0-draft", Offer::Granted(&[Grant::Keyvalue])),
            ("wasi:keyvalue/atomics@0.2.0-draft2", Offer::Granted(&[Grant::Keyvalue])),
            ("wasi:keyvalue/watcher@0.2.0-draft2", Offer::Unknown),
            ("wasi:keyvalue/store@0.1.0", Offer::Unknown),
            ("wasi:cli/stdout@0.3.0", Offer::Unknown),
            ("wasi:http/incoming-handler@0.2.0", Offer::Unknown),
            ("acme:tools/hammer@1.0.0", Offer::Unknown),
            ("plain", Offer::Unknown),
        ] {
            assert_eq!(offer(import), known, "{import}");
        }
        assert!(is_later_wasi("wasi:cli/stdout@0.3.0"));
        assert!(!is_later_wasi("wasi:cli/stdout@0.2.9"));
    }

    fn grants_for(name: &str, functions: &[&str]) -> Vec<&'static str> {
        let functions = functions.iter().map(|function| Arc::from(*function)).collect();
        let import = Import { name: name.into(), functions, signatures: Vec::new(), offer: offer(name) };
        let grants = Grant::ALL.into_iter().filter(|grant| !import.served_by(*grant).is_empty());
        grants.map(Grant::key).collect()
    }

    #[test]
    fn grant_serves_functions_and_not_names() {
        assert_eq!(grants_for("wasi:cli/environment@0.2.6", &["get-environment"]), ["env"]);
        assert_eq!(grants_for("wasi:cli/environment@0.2.6", &["get-arguments", "initial-cwd"]), ["args"]);
        assert_eq!(grants_for("wasi:clocks/wall-clock@0.2.6", &[]), [""; 0], "a type alone");
        assert_eq!(grants_for("wasi:http/types@0.2.6", &["[constructor]fields"]), [""; 0]);
        assert_eq!(grants_for("wasi:sockets/tcp@0.2.6", &["[method]tcp-socket.shutdown"]), [""; 0]);
        assert_eq!(grants_for("wasi:sockets/tcp-create-socket@0.2.6", &["create-tcp-socket"]), ["tcp"]);
        assert_eq!(
            grants_for("wasi:filesystem/types@0.2.6", &["[method]descriptor.read"]),
            ["read", "write"]
        );
        assert_eq!(grants_for("wasi:keyvalue/store@0.2.0-draft", &["open"]), ["keyvalue"]);
    }

    #[test]
    fn interfaces_that_a_grant_serves_are_offered_with_it() {
        for grant in Grant::ALL {
            for (interface, _) in grant.row().services {
                let offered = OFFERS.iter().filter(|(name, ..)| name.starts_with(interface));
                let mut offered = offered.map(|(name, _, offer)| (name, *offer)).peekable();
                assert!(offered.peek().is_some(), "{interface}");
                for (name, offer) in offered {
                    let is_granted = matches!(offer, Offer::Granted(grants) if grants.contains(&grant));
                    assert!(is_granted, "{name} is {offer:?}");
                }
            }
        }
    }
}
