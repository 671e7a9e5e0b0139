//! Parses the URIs of backends into [`StateUri`], without side effects.
//! Connecting is left to backends. Users, passwords and unreadable texts are never shown.

use crate::state::Error;
use crate::state::invisible_chars::{describe, find_control};
use crate::state::uri_query::{Query, decoded, fault};
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Default timeout of the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Default lease: how long a host without heartbeat keeps its claims.
const LEASE: Duration = Duration::from_secs(10);

/// Range of leases. A shorter one would expire in an ordinary pause of a machine; a longer one would delay takeovers.
pub(crate) const LEASES: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(1);

/// The URI of a backend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StateUri {
    /// `memory:`: within this process.
    Memory,
    /// Redis or Valkey, in one of its topologies.
    Redis(Box<RedisUri>),
}

/// The backends that URIs name; a factory has an opener for each one in the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendKind {
    /// Memory of this process.
    Memory,
    /// Redis, Valkey and compatible servers.
    Redis,
}

/// The URI of a Redis or Valkey.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedisUri {
    /// The topology and its addresses.
    pub topology: RedisTopology,
    /// The user, if not the default one.
    pub user: Option<Secret>,
    /// The password.
    pub password: Option<Secret>,
    /// The database number.
    pub db: u32,
    /// TLS settings; none for plain connections.
    pub tls: Option<Tls>,
    /// Timeout of the first connection.
    pub connect_timeout: Duration,
    /// Timeout of a reply; none for the backend's default.
    pub timeout: Option<Duration>,
    /// The lease: how long a host without heartbeat keeps its claims.
    pub lease: Duration,
    /// The durability that a write must reach before it counts.
    pub durability: Durability,
}

/// Topology of a Redis deployment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RedisTopology {
    /// One server.
    Server(Address),
    /// A Unix socket of this machine.
    Socket(PathBuf),
    /// The server that the sentinels currently report as the master.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Address>,
        /// The master's name.
        master: String,
    },
    /// A cluster, reached through some of its nodes.
    Cluster(Vec<Address>),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an IP address, IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// TLS settings. Without `ca`, the system's certificate authorities are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// The file of trusted authorities.
    pub ca: Option<PathBuf>,
    /// Files with the host's own certificate and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// The durability that a write must reach before it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// In the server's memory.
    Server,
    /// Acknowledged by this many replicas too.
    Replica(u32),
    /// On the server's disk.
    Aof,
}

/// A text that is compared and used, but never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, to be sent to the server.
    #[cfg(any(test, feature = "redis"))]
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl StateUri {
    /// Parses a URI, without the white space around it, such as the line end of a file. The error never repeats the
    /// text, which may contain a password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if let Some(found) = find_control(text) {
            let hint = "Remove it; in a password, percent-encode it: a line end is `%0A`.";
            return Err(fault(&format!("reading the URI of a backend, whose {found}"), hint));
        }
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| unknown_scheme("reading the URI of a backend"))?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme == MEMORY {
            let is_bare = rest.is_empty();
            return is_bare
                .then_some(Self::Memory)
                .ok_or_else(|| fault("reading a `memory:` URI", "`memory:` takes no address."));
        }
        let form = SCHEMES.iter().find(|(known, _)| *known == scheme).map(|(_, form)| *form);
        let form = form.ok_or_else(|| unknown_scheme("reading the scheme of a backend's URI"))?;
        let rest = rest.strip_prefix("//").ok_or_else(|| {
            fault(
                "reading a Redis URI",
                "After the scheme come `://` and a host: `redis://localhost:6379/0`.",
            )
        })?;
        redis(form, rest).map(|redis| Self::Redis(Box::new(redis)))
    }

    /// Returns the backend that the URI names.
    #[must_use]
    pub const fn kind(&self) -> BackendKind {
        match self {
            Self::Memory => BackendKind::Memory,
            Self::Redis(_) => BackendKind::Redis,
        }
    }

    /// Returns the lease: how long a host without heartbeat keeps its claims.
    #[must_use]
    pub const fn lease(&self) -> Duration {
        match self {
            Self::Memory => LEASE,
            Self::Redis(redis) => redis.lease,
        }
    }

    /// Adds a password from another source, unless the URI has one.
    #[must_use]
    pub fn or_password(mut self, password: &Secret) -> Self {
        if let Self::Redis(redis) = &mut self {
            redis.password.get_or_insert_with(|| password.clone());
        }
        self
    }
}

/// Shows the URI without user, password and query.
impl fmt::Display for StateUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Redis(redis) => redis.fmt(f),
        }
    }
}

impl fmt::Display for RedisUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.user.is_some() || self.password.is_some() { "***@" } else { "" };
        let db = self.db;
        match &self.topology {
            RedisTopology::Server(address) => {
                let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
                write!(f, "{scheme}://{login}{address}/{db}")
            }
            RedisTopology::Socket(path) => write!(f, "redis+unix://{login}{}?db={db}", path.display()),
            RedisTopology::Sentinel { sentinels, master } => {
                write!(f, "redis+sentinel://{login}{}/{master}/{db}", joined(sentinels))
            }
            RedisTopology::Cluster(nodes) => write!(f, "redis+cluster://{login}{}", joined(nodes)),
        }
    }
}

fn joined(addresses: &[Address]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The form of a URI, by scheme.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Server { is_tls: bool },
    Socket,
    Sentinel,
    Cluster,
}

/// The scheme of this process.
const MEMORY: &str = "memory";

/// The schemes of Redis and Valkey.
const SCHEMES: [(&str, Form); 10] = [
    ("redis", Form::Server { is_tls: false }),
    ("valkey", Form::Server { is_tls: false }),
    ("rediss", Form::Server { is_tls: true }),
    ("valkeys", Form::Server { is_tls: true }),
    ("redis+unix", Form::Socket),
    ("valkey+unix", Form::Socket),
    ("redis+sentinel", Form::Sentinel),
    ("valkey+sentinel", Form::Sentinel),
    ("redis+cluster", Form::Cluster),
    ("valkey+cluster", Form::Cluster),
];

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

fn unknown_scheme(doing: &str) -> Error {
    let hint = "A URI starts with one of memory:, redis://, rediss://, valkey://, valkeys://, redis+unix://, \
                redis+sentinel:// and redis+cluster://.";
    fault(doing, hint)
}

fn redis(form: Form, rest: &str) -> Result<RedisUri, Error> {
    if rest.contains('#') {
        let hint = "A URI of a state has no fragment; in a password, `#` is written `%23`.";
        return Err(fault("reading a Redis URI", hint));
    }
    let (front, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = front.find('/').map_or((front, ""), |slash| front.split_at(slash));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    let (user, password) = login.map_or(Ok((None, None)), read_login)?;
    let mut query = Query::read(query)?;
    let (topology, db) = topology(form, hosts, path, &mut query)?;
    let tls = tls(form, &mut query)?;
    let connect_timeout = query.duration("connect-timeout")?.unwrap_or(CONNECT_TIMEOUT);
    let timeout = query.duration("timeout")?;
    let lease = lease(&mut query)?;
    let durability = durability(query.take("durability").as_deref())?;
    query.finish()?;
    Ok(RedisUri { topology, user, password, db, tls, connect_timeout, timeout, lease, durability })
}

fn read_login(login: &str) -> Result<(Option<Secret>, Option<Secret>), Error> {
    let (user, password) =
        login.split_once(':').map_or((login, None), |(user, password)| (user, Some(password)));
    let secret = |text: &str| decoded(text, "reading the login of a Redis URI").map(Secret::new);
    let user = if user.is_empty() { None } else { Some(secret(user)?) };
    let password = password.filter(|password| !password.is_empty()).map(secret).transpose()?;
    Ok((user, password))
}

fn topology(form: Form, hosts: &str, path: &str, query: &mut Query) -> Result<(RedisTopology, u32), Error> {
    let steps = path.strip_prefix('/').unwrap_or(path);
    match form {
        Form::Server { .. } => Ok((RedisTopology::Server(address(hosts, PORT)?), number(steps)?)),
        Form::Socket => {
            if !hosts.is_empty() || steps.is_empty() || path.contains('@') {
                let hint = "The path is absolute, after three slashes: `redis+unix:///run/redis.sock?db=0`; an `@` in \
                            it is written `%40`.";
                return Err(fault("reading the socket of a Redis URI", hint));
            }
            let path = decoded(path, "reading the socket of a Redis URI")?;
            let db = query.take("db").unwrap_or_default();
            Ok((RedisTopology::Socket(path.into()), number(&db)?))
        }
        Form::Sentinel => {
            let (master, db) = steps.split_once('/').unwrap_or((steps, ""));
            let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if master.is_empty() || !master.chars().all(is_valid) {
                let hint =
                    "After the sentinels comes the master's name: `redis+sentinel://host:26379/mymaster/0`.";
                return Err(fault("reading the master's name in a Redis URI", hint));
            }
            let sentinels = addresses(hosts, SENTINEL_PORT)?;
            Ok((RedisTopology::Sentinel { sentinels, master: master.to_owned() }, number(db)?))
        }
        Form::Cluster => {
            if !steps.is_empty() {
                let hint = "A cluster has no numbered databases: nothing follows its nodes.";
                return Err(fault("reading the path of a Redis cluster's URI", hint));
            }
            Ok((RedisTopology::Cluster(addresses(hosts, PORT)?), 0))
        }
    }
}

fn addresses(hosts: &str, port: u16) -> Result<Vec<Address>, Error> {
    hosts.split(',').map(|host| address(host, port)).collect()
}

fn address(text: &str, default: u16) -> Result<Address, Error> {
    let invalid = || {
        let hint = "A host is a name or an address and an optional port from 1 to 65535, `db.example:6379` or `[::1]:6379`; in a \
                    password, `/`, `?`, `#`, `@`, `:` and `%` are percent-encoded.";
        fault("reading a host of a Redis URI", hint)
    };
    let (host, port) = match text.strip_prefix('[') {
        Some(text) => {
            let (host, after) = text.split_once(']').ok_or_else(invalid)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| invalid())?;
            let port =
                if after.is_empty() { None } else { Some(after.strip_prefix(':').ok_or_else(invalid)?) };
            (host, port)
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if let Some(blank) = text.chars().find(|c| c.is_whitespace()) {
        let doing = format!("reading a host of a Redis URI, which contains {}", describe(blank));
        return Err(fault(&doing, "Remove it; in a password, percent-encode it: a space is `%20`."));
    }
    if host.is_empty() || !host.chars().all(is_valid) {
        return Err(invalid());
    }
    let port = match port {
        None => default,
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().map_err(|_| invalid())?
        }
        Some(_) => return Err(invalid()), // empty, or not a number
    };
    if port == 0 { Err(invalid()) } else { Ok(Address { host: host.to_owned(), port }) }
}

/// Parses a database number; an empty text is number 0.
fn number(text: &str) -> Result<u32, Error> {
    let invalid = || {
        fault("reading the database of a Redis URI", "A database is a whole number: `redis://localhost/0`.")
    };
    match text {
        "" => Ok(0),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_err(|_| invalid()),
        _ => Err(invalid()), // signs, spaces and words
    }
}

fn tls(form: Form, query: &mut Query) -> Result<Option<Tls>, Error> {
    let ca = query.take("ca").map(PathBuf::from);
    let identity = match (query.take("cert"), query.take("key")) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((PathBuf::from(cert), PathBuf::from(key))),
        (Some(_), None) | (None, Some(_)) => {
            return Err(fault("reading the certificate of a Redis URI", "`cert` and `key` come together."));
        }
    };
    let is_requested = ca.is_some() || identity.is_some();
    match form {
        Form::Server { is_tls: true } => Ok(Some(Tls { ca, identity })),
        // These schemes have no encrypted variant: an authority or an identity turns encryption on.
        Form::Sentinel | Form::Cluster => Ok(is_requested.then_some(Tls { ca, identity })),
        Form::Server { is_tls: false } | Form::Socket if is_requested => Err(fault(
            "reading the certificates of a Redis URI",
            "Certificates need an encrypted scheme: `rediss://`.",
        )),
        Form::Server { is_tls: false } | Form::Socket => Ok(None),
    }
}

fn lease(query: &mut Query) -> Result<Duration, Error> {
    match query.duration("lease")? {
        None => Ok(LEASE),
        Some(lease) if LEASES.contains(&lease) => Ok(lease),
        Some(_) => Err(fault("reading `lease` of a Redis URI", "A lease is from `1s` to `1h` long.")),
    }
}

fn durability(text: Option<&str>) -> Result<Durability, Error> {
    let invalid = || {
        fault(
            "reading `durability` of a Redis URI",
            "The value is `replica:N`, with N above zero, or `aof:1`.",
        )
    };
    match text.map(|text| text.split_once(':')) {
        None => Ok(Durability::Server),
        Some(Some(("aof", "1"))) => Ok(Durability::Aof),
        Some(Some(("replica", replicas))) => match number(replicas).map_err(|_| invalid())? {
            0 => Err(invalid()),
            replicas => Ok(Durability::Replica(replicas)),
        },
        Some(_) => Err(invalid()), // neither of the two
    }
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
