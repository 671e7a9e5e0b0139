//! The grants: one row each, with every property that does not depend on the grant's value.
//! Purity, `plan`, `inspect`, the checks and the sandbox's offers are computed from these rows.

/// A key of `grants`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Environment variables.
    Env,
    /// Arguments.
    Args,
    /// Folders to read.
    Read,
    /// Folders to write.
    Write,
    /// Outgoing HTTP requests.
    Http,
    /// Outgoing TCP connections.
    Tcp,
    /// Name resolution.
    Dns,
    /// The real clocks.
    Clock,
    /// Real randomness.
    Random,
    /// `cascade:task/context`.
    Context,
    /// Buckets of `wasi:keyvalue`.
    Keyvalue,
}

/// The behaviour of an import that is called without its grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutGrant {
    /// The call gets a substitute that says nothing about the host, described by this text. Language runtimes import
    /// these interfaces whether a program uses them or not, so the import does not show what the guest needs.
    Substitute(&'static str),
    /// The call is denied, as WASI denies a process without permission. The guest may expect that.
    Refusal,
    /// The call traps, because the interface cannot report a denial. Only a guest's own code imports it.
    Trap,
}

/// An interface that a grant serves, by name prefix, and the functions that need the grant; an empty list means all.
/// Types and harmless functions need no grant: `wasi:http/types` without a handler, sockets that are never created.
pub(super) type Service = (&'static str, &'static [&'static str]);

/// The properties of a grant that do not depend on its value.
#[derive(Debug, Clone, Copy)]
pub struct GrantRow {
    /// The key in a manifest.
    pub key: &'static str,
    /// A manifest line that adds the grant.
    pub example: &'static str,
    /// The behaviour without the grant.
    pub without: WithoutGrant,
    /// Whether tasks with this grant stay pure: its resolved value is part of the cache key, and it exposes nothing
    /// else.
    pub is_pure: bool,
    /// The interfaces that the grant serves.
    pub services: &'static [Service],
    /// Grants that serve the same imports, this one included; any of them suffices.
    pub alternatives: &'static [Grant],
}

impl Grant {
    /// All grants, in manifest order.
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

    /// Returns the grant's row.
    #[must_use]
    pub const fn row(self) -> GrantRow {
        match self {
            Self::Env => GrantRow {
                key: "env",
                example: "env = [\"NAME\"]",
                without: WithoutGrant::Substitute("no variables"),
                is_pure: true,
                services: &[("wasi:cli/environment", &["get-environment"])],
                alternatives: &[Self::Env],
            },
            Self::Args => GrantRow {
                key: "args",
                example: "args = [\"--flag\"]",
                without: WithoutGrant::Substitute("no arguments"),
                is_pure: true,
                services: &[("wasi:cli/environment", &["get-arguments"])],
                alternatives: &[Self::Args],
            },
            Self::Read => GrantRow {
                key: "read",
                example: "read = [\"data\"]",
                without: WithoutGrant::Substitute("no folders of the host"),
                is_pure: false,
                services: &[("wasi:filesystem/", &[])],
                alternatives: &[Self::Read, Self::Write],
            },
            Self::Write => GrantRow {
                key: "write",
                example: "write = [\"out\"]",
                without: WithoutGrant::Substitute("no folders of the host"),
                is_pure: false,
                services: &[("wasi:filesystem/", &[])],
                alternatives: &[Self::Read, Self::Write],
            },
            Self::Http => GrantRow {
                key: "http",
                example: "http = [\"https://api.example.com/\"]",
                without: WithoutGrant::Refusal,
                is_pure: false,
                services: &[("wasi:http/outgoing-handler", &[])],
                alternatives: &[Self::Http],
            },
            Self::Tcp => GrantRow {
                key: "tcp",
                example: "tcp = [\"127.0.0.1:5432\"]",
                without: WithoutGrant::Refusal,
                is_pure: false,
                services: &[("wasi:sockets/tcp-create-socket", &[])],
                alternatives: &[Self::Tcp],
            },
            Self::Dns => switch("dns", "dns = true", WithoutGrant::Refusal, &[Self::Dns], DNS),
            Self::Clock => switch(
                "clock",
                "clock = true",
                WithoutGrant::Substitute("logical clocks"),
                &[Self::Clock],
                CLOCK,
            ),
            Self::Random => switch("random", "random = true", SEEDED, &[Self::Random], RANDOM),
            Self::Context => {
                switch("context", "context = true", WithoutGrant::Trap, &[Self::Context], CONTEXT)
            }
            Self::Keyvalue => GrantRow {
                key: "keyvalue",
                example: "keyvalue = [\"bucket\"]",
                without: WithoutGrant::Refusal,
                is_pure: false,
                services: &[("wasi:keyvalue/", &[])],
                alternatives: &[Self::Keyvalue],
            },
        }
    }

    /// Returns the grant's key in a manifest.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.row().key
    }
}

const DNS: &[Service] = &[("wasi:sockets/ip-name-lookup", &[])];
const CLOCK: &[Service] = &[("wasi:clocks/", &[])];
const RANDOM: &[Service] = &[("wasi:random/", &[])];
const CONTEXT: &[Service] = &[("cascade:task/context", &[])];
const SEEDED: WithoutGrant = WithoutGrant::Substitute("randomness that the call seeds");

/// Returns the row of an impure boolean grant.
const fn switch(
    key: &'static str,
    example: &'static str,
    without: WithoutGrant,
    alternatives: &'static [Grant],
    services: &'static [Service],
) -> GrantRow {
    GrantRow { key, example, without, is_pure: false, services, alternatives }
}

impl WithoutGrant {
    /// Describes the result of a call, in a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Substitute(text) => text,
            Self::Refusal => "calls are refused",
            Self::Trap => "a call traps",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grant_is_listed_once_with_a_valid_example() {
        for (index, grant) in Grant::ALL.into_iter().enumerate() {
            assert!(!Grant::ALL[..index].contains(&grant), "{grant:?}");
            assert!(grant.row().example.starts_with(&format!("{} = ", grant.key())), "{grant:?}");
            assert!(grant.row().alternatives.contains(&grant), "{grant:?}");
            assert!(!grant.row().services.is_empty(), "{grant:?}");
        }
    }
}
