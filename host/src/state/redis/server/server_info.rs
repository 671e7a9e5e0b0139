//! Facts about a server, and the warnings and errors that follow from them.
//! Asking the server is left to `preflight.rs`.

use crate::state::{Durability, Error, ErrorKind, Notice};

/// The oldest Redis with all needed commands.
const REDIS: (u32, u32) = (6, 2);

/// The oldest Valkey with all needed commands.
const VALKEY: (u32, u32) = (7, 2);

/// The first version of Redis and Valkey with `WAITAOF`.
const WAITAOF: (u32, u32) = (7, 2);

/// The command that grants the rights; user name and password are examples.
const ACL: &str =
    "ACL SETUSER cascade on '>PASSWORD' resetkeys '~cascade:*' resetchannels '&cascade:*' -@all";

/// Known facts about a server; facts that it does not reveal are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServerFacts {
    /// Product and version.
    pub(crate) version: Option<Version>,
    /// The eviction policy.
    pub(crate) eviction: Option<String>,
    /// The form of persistence.
    pub(crate) persistence: Option<Persistence>,
    /// Number of connected replicas.
    pub(crate) replicas: Option<u32>,
    /// Commands that the server lacks or denies this user.
    pub(crate) missing: Vec<String>,
}

/// A product and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// `Redis` or `Valkey`.
    pub(crate) product: Product,
    /// The version as text.
    pub(crate) text: String,
}

/// The server product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Product {
    /// Redis, or a server that reports itself as Redis.
    Redis,
    /// Valkey.
    Valkey,
}

/// Persistence of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Append-only file: every change is written.
    AppendOnly,
    /// Periodic snapshots.
    Snapshots,
    /// No persistence.
    None,
}

impl ServerFacts {
    /// Reads the replies to `INFO` and, if permitted, `CONFIG GET save`.
    pub(crate) fn read(info: &str, save: Option<&str>) -> Self {
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.trim_end().strip_prefix(name)?.strip_prefix(':').map(str::to_owned))
        };
        let valkey = field("valkey_version").map(|text| Version { product: Product::Valkey, text });
        let redis = || field("redis_version").map(|text| Version { product: Product::Redis, text });
        let persistence = match (field("aof_enabled").as_deref(), save) {
            (Some("1"), _) => Some(Persistence::AppendOnly),
            (Some(_), Some("")) => Some(Persistence::None),
            (_, Some(save)) if !save.is_empty() => Some(Persistence::Snapshots),
            _ => None, // unknown
        };
        Self {
            version: valkey.or_else(redis),
            eviction: field("maxmemory_policy"),
            persistence,
            replicas: field("connected_slaves").and_then(|count| count.parse().ok()),
            missing: Vec::new(),
        }
    }

    /// Returns warnings for the user. Fails if the server cannot be used. `uri` is its URI without secrets.
    pub(crate) fn check(&self, uri: &str, needed: &[&str]) -> Result<Vec<Notice>, Error> {
        if let Some(version) = self.version.as_ref().filter(|version| version.is_too_old()) {
            let doing = format!("checking `{uri}`: {} is too old", version.show());
            return Err(
                Error::new(ErrorKind::Refused, doing).hint("Use Redis 6.2 or Valkey 7.2, or a later one.")
            );
        }
        if !self.missing.is_empty() {
            let doing =
                format!("checking `{uri}`: this user may not run {}", self.missing.join(", ").to_uppercase());
            return Err(Error::new(ErrorKind::Refused, doing).hint(grant_hint(needed)));
        }
        Ok([self.eviction_notice(uri), self.persistence_notice(uri)].into_iter().flatten().collect())
    }

    /// Fails if the server is known to be too old, or to have too few replicas, for the required durability.
    pub(crate) fn check_durability(&self, uri: &str, durability: Durability) -> Result<(), Error> {
        match (durability, &self.version) {
            (Durability::Aof, Some(version)) if version.is_before(WAITAOF) => {
                let doing = format!("checking `{uri}`: {} cannot confirm writes to its disk", version.show());
                let hint = "`durability=aof:1` needs WAITAOF, which Redis and Valkey have since 7.2; leave it out, or use \
                            `durability=replica:N`.";
                Err(Error::new(ErrorKind::Refused, doing).hint(hint))
            }
            (Durability::Replica(required), _) => match self.replicas {
                Some(connected) if connected < required => Err(no_replica(uri, connected, required)),
                Some(_) | None => Ok(()),
            },
            (Durability::Server | Durability::Aof, _) => Ok(()),
        }
    }

    fn eviction_notice(&self, uri: &str) -> Option<Notice> {
        let policy = self.eviction.as_deref().filter(|policy| *policy != "noeviction")?;
        let message = format!(
            "`{uri}` drops data when its memory is full (maxmemory-policy {policy}): results may be lost and their \
             tasks run again. Set `maxmemory-policy noeviction`"
        );
        Some(Notice { code: "state-eviction", message })
    }

    fn persistence_notice(&self, uri: &str) -> Option<Notice> {
        match self.persistence {
            Some(Persistence::AppendOnly | Persistence::Snapshots) | None => None,
            Some(Persistence::None) => {
                let message = format!(
                    "`{uri}` keeps nothing on disk: a restart loses its runs. Set `appendonly yes` to keep them"
                );
                Some(Notice { code: "state-persistence", message })
            }
        }
    }
}

/// Returns the error of too few replicas: no write would ever be acknowledged.
fn no_replica(uri: &str, connected: u32, required: u32) -> Error {
    let has = match connected {
        0 => "has no replica".to_owned(),
        1 => "has 1 replica".to_owned(),
        _ => format!("has {connected} replicas"),
    };
    let doing = format!("checking `{uri}`, which {has}: `durability=replica:{required}` asks for {required}");
    Error::new(ErrorKind::Refused, doing)
        .hint("Start one with `replicaof HOST PORT` and wait until it is online, or leave `durability` out.")
}

/// Returns a hint with the line that grants commands.
pub(crate) fn grant_hint(commands: &[&str]) -> String {
    let grants: Vec<String> = commands.iter().map(|command| format!("+{command}")).collect();
    format!("An administrator can grant the rights by: {ACL} {}", grants.join(" "))
}

impl Version {
    fn is_too_old(&self) -> bool {
        let oldest = match self.product {
            Product::Redis => REDIS,
            Product::Valkey => VALKEY,
        };
        self.is_before(oldest)
    }

    fn is_before(&self, other: (u32, u32)) -> bool {
        let mut numbers = self.text.split('.').map(str::parse::<u32>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < other,
            _ => false, // an unreadable version may be any
        }
    }

    /// Formats the product and version: `Redis 7.2.4`.
    pub(crate) fn show(&self) -> String {
        let product = match self.product {
            Product::Redis => "Redis",
            Product::Valkey => "Valkey",
        };
        format!("{product} {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n\
                        # Persistence\r\naof_enabled:0\r\n";

    fn checked(info: &str, save: Option<&str>) -> Result<Vec<Notice>, Error> {
        ServerFacts::read(info, save).check("redis://***@h:6379/0", &["hset", "xadd"])
    }

    fn codes(info: &str, save: Option<&str>) -> Vec<&'static str> {
        let notices = checked(info, save).unwrap();
        notices.into_iter().map(|Notice { code, .. }| code).collect()
    }

    #[test]
    fn server_that_may_lose_data_causes_warnings() {
        let nothing: [&str; 0] = [];
        assert_eq!(codes(INFO, Some("3600 1")), nothing);
        assert_eq!(codes(INFO, None), nothing);
        assert_eq!(codes("", None), nothing);
        assert_eq!(codes(INFO, Some("")), ["state-persistence"]);
        assert_eq!(codes(&INFO.replace("aof_enabled:0", "aof_enabled:1"), Some("")), nothing);
        assert_eq!(codes(&INFO.replace("noeviction", "allkeys-lru"), None), ["state-eviction"]);
    }

    #[test]
    fn old_server_is_rejected() {
        for (version, is_refused) in [
            ("redis_version:6.0.20", true),
            ("redis_version:6.2.0", false),
            ("redis_version:10.0.0", false),
            ("redis_version:7.2.4\r\nvalkey_version:7.1.0", true),
            ("redis_version:7.2.4\r\nvalkey_version:8.0.1", false),
            ("redis_version:unstable", false),
        ] {
            assert_eq!(checked(version, None).is_err(), is_refused, "{version}");
        }
        let error = checked("redis_version:5.0.7", None).unwrap_err();
        assert_eq!(error.to_string(), "checking `redis://***@h:6379/0`: Redis 5.0.7 is too old");
    }

    #[test]
    fn unavailable_durability_is_rejected() {
        let can = |version: &str, durability| {
            ServerFacts::read(version, None).check_durability("redis://h", durability).is_ok()
        };
        assert!(!can("redis_version:7.0.15", Durability::Aof) && can("redis_version:7.2.0", Durability::Aof));
        assert!(can("redis_version:7.0.15", Durability::Replica(1)) && can("", Durability::Aof));
        assert!(
            !can("connected_slaves:1", Durability::Replica(2))
                && can("connected_slaves:2", Durability::Replica(2))
        );
    }

    #[test]
    fn missing_rights_are_named_with_the_granting_line() {
        let facts = ServerFacts { missing: vec!["xadd".into()], ..ServerFacts::read(INFO, None) };
        let error = facts.check("redis://h", &["hset", "xadd"]).unwrap_err();
        assert_eq!(error.to_string(), "checking `redis://h`: this user may not run XADD");
        assert!(error.help().unwrap().ends_with("-@all +hset +xadd"), "{:?}", error.help());
    }
}
