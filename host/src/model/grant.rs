//! The grants: one row each, with everything about a grant that does not depend on its value.
//! Purity, `plan`, `inspect`, the checks and the sandbox's offers are folds over these rows.

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

/// What a guest that calls an import finds without the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WithoutGrant {
    /// A harmless substitute, in these words. Language runtimes import these interfaces whether a program uses them or
    /// not, so such an import says nothing about what the guest needs.
    Modest(&'static str),
    /// The call is refused as WASI refuses a process without rights. The guest may expect that.
    Refusal,
    /// The call traps, because the interface has no way to refuse. Only a guest's own code imports it.
    Trap,
}

/// An interface that a grant serves, by the beginning of its name, and the functions that count; none for all of them.
/// Types alone, or the means to ask, need no grant: `wasi:http/types` without a handler, sockets that nobody creates.
pub type Service = (&'static str, &'static [&'static str]);

/// What is known about a grant whatever its value is.
#[derive(Debug, Clone, Copy)]
pub struct GrantRow {
    /// Its key in a manifest.
    pub key: &'static str,
    /// A line of a manifest that gives it.
    pub example: &'static str,
    /// What a guest finds without it.
    pub without: WithoutGrant,
    /// Whether a task that has it is pure: its resolved value is part of the cache key, and it shows the guest nothing else.
    pub is_pure: bool,
    /// The interfaces that it serves.
    pub services: &'static [Service],
    /// Grants that serve the same imports, itself among them: any of them is enough.
    pub alternatives: &'static [Grant],
}

impl Grant {
    /// All grants, in the order in which a manifest shows them.
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

    /// The row of this grant.
    #[must_use]
    pub const fn row(self) -> GrantRow {
        match self {
            Self::Env => GrantRow {
                key: "env",
                example: "env = [\"NAME\"]",
                without: WithoutGrant::Modest("no variables"),
                is_pure: true,
                services: &[("wasi:cli/environment", &["get-environment"])],
                alternatives: &[Self::Env],
            },
            Self::Args => GrantRow {
                key: "args",
                example: "args = [\"--flag\"]",
                without: WithoutGrant::Modest("no arguments"),
                is_pure: true,
                services: &[("wasi:cli/environment", &["get-arguments"])],
                alternatives: &[Self::Args],
            },
            Self::Read => GrantRow {
                key: "read",
                example: "read = [\"data\"]",
                without: WithoutGrant::Modest("no folders"),
                is_pure: false,
                services: &[("wasi:filesystem/", &[])],
                alternatives: &[Self::Read, Self::Write],
            },
            Self::Write => GrantRow {
                key: "write",
                example: "write = [\"out\"]",
                without: WithoutGrant::Modest("no folders"),
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
            Self::Clock => {
                switch("clock", "clock = true", WithoutGrant::Modest("logical clocks"), &[Self::Clock], CLOCK)
            }
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

    /// Its key in a manifest.
    #[must_use]
    pub const fn key(self) -> &'static str {
        self.row().key
    }
}

const DNS: &[Service] = &[("wasi:sockets/ip-name-lookup", &[])];
const CLOCK: &[Service] = &[("wasi:clocks/", &[])];
const RANDOM: &[Service] = &[("wasi:random/", &[])];
const CONTEXT: &[Service] = &[("cascade:task/context", &[])];
const SEEDED: WithoutGrant = WithoutGrant::Modest("randomness that the call seeds");

/// The row of an impure grant that is on or off.
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

    #[test]
    fn every_grant_is_listed_once_and_its_example_begins_with_its_key() {
        for (at, grant) in Grant::ALL.into_iter().enumerate() {
            assert!(!Grant::ALL[..at].contains(&grant), "{grant:?}");
            assert!(grant.row().example.starts_with(&format!("{} = ", grant.key())), "{grant:?}");
            assert!(grant.row().alternatives.contains(&grant), "{grant:?}");
            assert!(!grant.row().services.is_empty(), "{grant:?}");
        }
    }
}
