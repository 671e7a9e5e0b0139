//! Grants as seen from a component: which imports each puts something behind, and what a guest finds without it.
//! What the host has for an import at all stands in `offer`; what a manifest gives is for `app`.

use crate::sandbox::offer::Import;
use std::sync::Arc;

/// A key of `grants`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Variables.
    Env,
    /// Arguments.
    Args,
    /// Folders to read.
    Read,
    /// Folders to write.
    Write,
    /// Outgoing requests.
    Http,
    /// Outgoing connections.
    Tcp,
    /// Names of hosts.
    Dns,
    /// The real clocks.
    Clock,
    /// Real chance.
    Random,
    /// Who is calling.
    Context,
    /// Buckets.
    Keyvalue,
}

/// What a guest that calls an import finds without the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutGrant {
    /// Something to work with, in these words. Libraries of languages import these interfaces whether a program uses
    /// them or not, so that such an import says nothing of what the guest needs.
    Modest(&'static str),
    /// The call is refused as WASI refuses a process without rights. The interface is imported by who uses it, and by
    /// runtimes that bring their whole library along; what a guest makes of a refusal is its own affair.
    Refusal,
    /// The call traps: the interface has no way to refuse. No library imports it, so the guest's own code calls it.
    Trap,
}

/// A grant and an interface that it serves, and the functions of it that count; none for all of them. Types alone, or
/// the means to ask, need no grant: `wasi:http/types` without a handler, sockets that nobody creates.
const SERVICES: [(Grant, &str, &[&str]); 11] = [
    (Grant::Env, "wasi:cli/environment", &["get-environment"]),
    (Grant::Args, "wasi:cli/environment", &["get-arguments"]),
    (Grant::Read, "wasi:filesystem/", &[]),
    (Grant::Write, "wasi:filesystem/", &[]),
    (Grant::Http, "wasi:http/outgoing-handler", &[]),
    (Grant::Tcp, "wasi:sockets/tcp-create-socket", &[]),
    (Grant::Dns, "wasi:sockets/ip-name-lookup", &[]),
    (Grant::Clock, "wasi:clocks/", &[]),
    (Grant::Random, "wasi:random/", &[]),
    (Grant::Context, "cascade:task/context", &[]),
    (Grant::Keyvalue, "wasi:keyvalue/", &[]),
];

impl Grant {
    /// All of them, in the order in which a manifest shows them.
    pub const ALL: [Self; 11] = [
        Self::Env,
        Self::Args,
        Self::Read,
        Self::Write,
        Self::Http,
        Self::Tcp,
        Self::Dns,
        Self::Clock,
        Self::Random,
        Self::Context,
        Self::Keyvalue,
    ];

    /// Its key in a manifest.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Args => "args",
            Self::Read => "read",
            Self::Write => "write",
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Dns => "dns",
            Self::Clock => "clock",
            Self::Random => "random",
            Self::Context => "context",
            Self::Keyvalue => "keyvalue",
        }
    }

    /// A line of a manifest that gives it; where it takes a name, one that stands for the user's own.
    #[must_use]
    pub const fn line(self) -> &'static str {
        match self {
            Self::Env => "env = [\"NAME\"]",
            Self::Args => "args = [\"--flag\"]",
            Self::Read => "read = [\"data\"]",
            Self::Write => "write = [\"out\"]",
            Self::Http => "http = [\"https://api.example.com/\"]",
            Self::Tcp => "tcp = [\"127.0.0.1:5432\"]",
            Self::Dns => "dns = true",
            Self::Clock => "clock = true",
            Self::Random => "random = true",
            Self::Context => "context = true",
            Self::Keyvalue => "keyvalue = [\"bucket\"]",
        }
    }

    /// What a guest finds without it.
    #[must_use]
    pub const fn lack(self) -> WithoutGrant {
        match self {
            Self::Env => WithoutGrant::Modest("no variables"),
            Self::Args => WithoutGrant::Modest("no arguments"),
            Self::Read | Self::Write => WithoutGrant::Modest("no folders"),
            Self::Clock => WithoutGrant::Modest("logical clocks"),
            Self::Random => WithoutGrant::Modest("chance that the call seeds"),
            Self::Http | Self::Tcp | Self::Dns | Self::Keyvalue => WithoutGrant::Refusal,
            Self::Context => WithoutGrant::Trap,
        }
    }

    /// The functions of an import that it puts something behind.
    #[must_use]
    pub fn serves(self, import: &Import) -> Vec<Arc<str>> {
        let name = import.name.split('@').next().unwrap_or_default();
        let counts = |function: &Arc<str>| {
            SERVICES.iter().any(|(grant, interface, functions)| {
                *grant == self
                    && name.starts_with(interface)
                    && (functions.is_empty() || functions.contains(&&**function))
            })
        };
        import.functions.iter().filter(|function| counts(function)).cloned().collect()
    }
}

impl WithoutGrant {
    /// What a call finds, in a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Modest(text) => text,
            Self::Refusal => "calls are refused",
            Self::Trap => "a call traps",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::offer::OFFERS;
    use crate::sandbox::offer::Offer;
    use crate::sandbox::offer::offer;

    fn import(name: &str, functions: &[&str]) -> Import {
        let functions = functions.iter().map(|function| Arc::from(*function)).collect();
        Import { name: name.into(), functions, offer: offer(name) }
    }

    fn served_by(name: &str, functions: &[&str]) -> Vec<&'static str> {
        let import = import(name, functions);
        Grant::ALL.iter().filter(|grant| !grant.serves(&import).is_empty()).map(|grant| grant.key()).collect()
    }

    #[test]
    fn a_grant_serves_functions_and_not_names() {
        assert_eq!(served_by("wasi:cli/environment@0.2.6", &["get-environment"]), ["env"]);
        assert_eq!(served_by("wasi:cli/environment@0.2.6", &["get-arguments", "initial-cwd"]), ["args"]);
        assert_eq!(served_by("wasi:clocks/wall-clock@0.2.6", &[]), [""; 0], "a type alone");
        assert_eq!(served_by("wasi:http/types@0.2.6", &["[constructor]fields"]), [""; 0]);
        assert_eq!(served_by("wasi:sockets/tcp@0.2.6", &["[method]tcp-socket.shutdown"]), [""; 0]);
        assert_eq!(served_by("wasi:sockets/tcp-create-socket@0.2.6", &["create-tcp-socket"]), ["tcp"]);
        assert_eq!(served_by("wasi:filesystem/types@0.2.6", &["[method]descriptor.read"]), ["read", "write"]);
        assert_eq!(served_by("wasi:keyvalue/store@0.2.0-draft", &["open"]), ["keyvalue"]);
    }

    #[test]
    fn what_a_grant_serves_is_offered_with_that_grant() {
        for (grant, interface, _) in SERVICES {
            let offered = OFFERS.iter().filter(|(name, ..)| name.starts_with(interface));
            let mut offered = offered.map(|(name, _, offer)| (name, *offer)).peekable();
            assert!(offered.peek().is_some(), "{interface}");
            for (name, offer) in offered {
                let is_granted = matches!(offer, Offer::Granted(keys) if keys.contains(&grant.key()));
                assert!(is_granted, "{name} is {offer:?}");
            }
        }
    }
}
