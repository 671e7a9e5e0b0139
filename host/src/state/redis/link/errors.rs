//! Classifies errors of client and server by remedy: wait, reconnect, load a script, or give up.
//! The classes use codes and kinds, never message texts; `retry.rs` decides how long to try.

use crate::state::redis::link::resolver::UnknownHost;
use crate::state::{Error, ErrorKind, RedisTopology, RedisUri, find_invisible};
use redis::RedisError;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

/// The remedy for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The server is up but cannot serve at the moment.
    Wait,
    /// The connection is broken, or leads to the wrong server by now.
    Reconnect,
    /// The server does not know the script.
    Load,
    /// Retrying would not help.
    Refuse,
}

/// An error with its remedy.
#[derive(Debug)]
pub(crate) struct ServerError {
    pub(crate) remedy: Remedy,
    category: Category,
    hint: Option<Cow<'static, str>>,
    cause: Box<dyn StdError + Send + Sync>,
}

/// The category of an error, which selects the hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Category {
    /// The server requires a login.
    LoginRequired,
    /// The server rejects the user or the password.
    WrongLogin,
    /// The host name has no address.
    UnknownHost,
    /// The system could not connect, or the connection ended.
    Network(io::ErrorKind),
    /// There was no reply.
    Timeout,
    /// The reply is not one of Redis.
    InvalidReply,
    /// Anything else.
    Other,
}

/// Hint for missing rights; `preflight` replaces it with the complete line.
pub(crate) const NOT_ALLOWED: &str = "Grant the user what is missing with `ACL SETUSER`.";

/// Error codes of the server, with remedy and hint.
const CODES: &[(&str, Remedy, Option<&str>)] = &[
    ("LOADING", Remedy::Wait, Some("Redis is loading its data; try again once it has finished.")),
    ("BUSY", Remedy::Wait, Some("A script of another client blocks Redis; `SCRIPT KILL` ends it.")),
    (
        "MASTERDOWN",
        Remedy::Wait,
        Some("This server is a replica that has lost its master; use the URI of the master."),
    ),
    ("CLUSTERDOWN", Remedy::Wait, Some("The cluster does not serve all of its slots; see `CLUSTER INFO`.")),
    ("TRYAGAIN", Remedy::Wait, None),
    ("OOM", Remedy::Wait, Some("Redis has reached its `maxmemory`; raise it, or remove old runs.")),
    ("MISCONF", Remedy::Wait, Some("Redis cannot save to disk and rejects writes; its log has the cause.")),
    ("NOREPLICAS", Remedy::Wait, Some("Fewer replicas are connected than `min-replicas-to-write` requires.")),
    ("READONLY", Remedy::Reconnect, Some("This server is a read-only replica; use the URI of the master.")),
    ("UNBLOCKED", Remedy::Reconnect, None),
    ("NOSCRIPT", Remedy::Load, None),
    ("NOAUTH", Remedy::Refuse, Some(PASSWORD)),
    ("WRONGPASS", Remedy::Refuse, Some(PASSWORD)),
    ("NOPERM", Remedy::Refuse, Some(NOT_ALLOWED)),
    (
        "WRONGTYPE",
        Remedy::Refuse,
        Some("A key of the run has a value of another program; choose another run id."),
    ),
    ("MOVED", Remedy::Refuse, Some(CLUSTER)),
    ("ASK", Remedy::Refuse, Some(CLUSTER)),
    ("CROSSSLOT", Remedy::Refuse, Some(CLUSTER)),
];

const PASSWORD: &str = "Set user and password in the URI, or the password in CASCADE_REDIS_PASSWORD.";
const CLUSTER: &str = "This server belongs to a cluster; use `redis+cluster://`.";
const NO_LISTENER: &str =
    "No server listens there: start Redis, or correct the host and the port in the URI.";
const UNKNOWN_HOST: &str = "Check the host name in the URI, and the name server of this machine.";
const NO_SOCKET: &str =
    "There is no such socket: start Redis with `unixsocket`, or correct the path in the URI.";
const SOCKET_DENIED: &str =
    "This user may not open the socket: Redis sets its permissions by `unixsocketperm`.";
const NO_ROUTE: &str = "There is no route to that address: check the host in the URI, and the networks and firewalls in between.";
const SILENT_SERVER: &str = "Check whether the server is stopped or overloaded, the host and the port in the URI, and the firewalls in between.";
const SILENT_TLS: &str =
    "Check whether the server is stopped or overloaded; if that port does not speak TLS, use `redis://`.";
const NOT_REDIS: &str =
    "The server there does not speak plain Redis: correct the port, or use `rediss://` if it speaks TLS.";
const NOT_TLS: &str = "The server there does not speak TLS; use `redis://`, or its TLS port.";
const MAYBE_NOT_TLS: &str = "If that port does not speak TLS, use `redis://`.";
const MAYBE_TLS: &str =
    "If that port speaks TLS, use `rediss://`. A server that has reached its `maxclients` hangs up, too.";
const AUTHORITY: &str = "Pass the authority that signed the server's certificate: `?ca=FILE`.";

impl ServerError {
    /// Classifies an error of the client.
    pub(crate) fn classify(error: RedisError) -> Self {
        let (remedy, hint) = remedy_for(&error);
        Self { remedy, category: category(&error), hint: hint.map(Cow::Borrowed), cause: Box::new(error) }
    }

    /// Creates the error of a reply that did not arrive in time.
    pub(crate) fn timed_out(seconds: f64) -> Self {
        let cause = format!("no answer within {seconds:.1} s").into();
        Self { remedy: Remedy::Reconnect, category: Category::Timeout, hint: None, cause }
    }

    /// Creates the error of a write that too few replicas, or no disk, acknowledged.
    pub(crate) fn not_durable(acknowledged_by: i64, required: u32) -> Self {
        let cause = format!(
            "a write was acknowledged by {acknowledged_by} of the {required} that the URI's `durability` requires"
        );
        Self { remedy: Remedy::Wait, category: Category::Other, hint: None, cause: cause.into() }
    }

    /// Returns whether the server requires a login.
    pub(crate) fn needs_login(&self) -> bool {
        self.category == Category::LoginRequired
    }

    /// Returns the text of the cause.
    pub(crate) fn cause(&self) -> String {
        self.cause.to_string()
    }

    /// Adds a hint to an error of connecting, which depends on the URI.
    pub(crate) fn while_connecting(self, uri: &RedisUri) -> Self {
        let (is_socket, is_tls) = (matches!(uri.topology, RedisTopology::Socket(_)), uri.tls.is_some());
        if self.category == Category::WrongLogin
            && let Some(found) = uri.password.as_ref().and_then(|password| find_invisible(password.expose()))
        {
            let hint = format!("{PASSWORD} In the current password, {found}.");
            return Self { hint: Some(hint.into()), ..self };
        }
        if self.hint.is_some() {
            return self;
        }
        let hint = match self.category {
            Category::UnknownHost => UNKNOWN_HOST,
            Category::Network(io::ErrorKind::NotFound) if is_socket => NO_SOCKET,
            Category::Network(io::ErrorKind::PermissionDenied) if is_socket => SOCKET_DENIED,
            Category::Network(io::ErrorKind::ConnectionRefused) => NO_LISTENER,
            Category::Network(
                io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::TimedOut,
            ) => NO_ROUTE,
            Category::Timeout if is_tls => SILENT_TLS,
            Category::Timeout => SILENT_SERVER,
            Category::InvalidReply if !is_tls && !is_socket => NOT_REDIS,
            Category::Network(_) if self.remedy == Remedy::Reconnect && !is_socket => {
                if is_tls {
                    MAYBE_NOT_TLS
                } else {
                    MAYBE_TLS
                }
            }
            Category::LoginRequired
            | Category::WrongLogin
            | Category::Network(_)
            | Category::InvalidReply
            | Category::Other => {
                return self;
            }
        };
        Self { hint: Some(hint.into()), ..self }
    }

    /// Converts to the port's error.
    pub(crate) fn into_error(self, doing: String) -> Error {
        let kind = match self.remedy {
            Remedy::Refuse => ErrorKind::Refused,
            Remedy::Wait | Remedy::Reconnect | Remedy::Load => ErrorKind::Unavailable,
        };
        let error = Error::new(kind, doing).caused_by(self.cause);
        match self.hint {
            Some(hint) => error.hint(hint.into_owned()),
            None => error,
        }
    }
}

fn remedy_for(error: &RedisError) -> (Remedy, Option<&'static str>) {
    if let Some(code) = error.code() {
        return remedy_for_code(code, error.detail().unwrap_or_default());
    }
    if let Some(tls) = tls(error) {
        return match tls {
            rustls::Error::InvalidMessage(_) => (Remedy::Refuse, Some(NOT_TLS)),
            rustls::Error::InvalidCertificate(_) => (Remedy::Refuse, Some(AUTHORITY)),
            _ => (Remedy::Reconnect, None), // other handshake errors may come from the network
        };
    }
    match error.kind() {
        redis::ErrorKind::AuthenticationFailed => (Remedy::Refuse, Some(PASSWORD)),
        redis::ErrorKind::InvalidClientConfig => (Remedy::Refuse, None),
        _ => (Remedy::Reconnect, None), // the network, or an unreadable reply
    }
}

fn remedy_for_code(code: &str, detail: &str) -> (Remedy, Option<&'static str>) {
    // The one temporary refusal without a code of its own.
    if code == "ERR" && detail.starts_with("max number of clients") {
        return (Remedy::Reconnect, Some("Redis has reached its `maxclients`; raise it."));
    }
    let known = CODES.iter().find(|(known, _, _)| *known == code);
    known.map_or((Remedy::Refuse, None), |(_, remedy, hint)| (*remedy, *hint))
}

fn category(error: &RedisError) -> Category {
    match (error.code(), error.kind()) {
        (Some("NOAUTH"), _) => Category::LoginRequired,
        (Some("WRONGPASS"), _) | (_, redis::ErrorKind::AuthenticationFailed) => Category::WrongLogin,
        (_, redis::ErrorKind::Parse) => Category::InvalidReply,
        (_, redis::ErrorKind::Io) => {
            match cause(error, |cause| Some(cause.downcast_ref::<io::Error>()?.kind())) {
                _ if cause(error, |cause| inner(cause)?.downcast_ref::<UnknownHost>()).is_some() => {
                    Category::UnknownHost
                }
                Some(kind) => Category::Network(kind),
                // The client gives no details of a connection that the other end has closed.
                None => Category::Network(io::ErrorKind::ConnectionReset),
            }
        }
        _ => Category::Other, // other codes have hints of their own
    }
}

/// Returns the TLS error among the causes, if there is one.
fn tls(error: &RedisError) -> Option<&rustls::Error> {
    cause(error, |cause| {
        cause.downcast_ref::<rustls::Error>().or_else(|| inner(cause)?.downcast_ref::<rustls::Error>())
    })
}

/// Returns the error inside an I/O error.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + Send + Sync + 'static)> {
    error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
}

/// Returns the first match of `find` among the causes.
fn cause<'a, T>(
    error: &'a RedisError,
    find: impl Fn(&'a (dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut cause = error.source();
    while let Some(mut error) = cause {
        // The client shares some causes in an `Arc`.
        if let Some(shared) = error.downcast_ref::<Arc<dyn StdError + Send + Sync>>() {
            error = shared.as_ref();
        }
        if let Some(found) = find(error) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_remedy() {
        for (code, remedy) in [
            ("LOADING", Remedy::Wait),
            ("BUSY", Remedy::Wait),
            ("MASTERDOWN", Remedy::Wait),
            ("OOM", Remedy::Wait),
            ("MISCONF", Remedy::Wait),
            ("NOREPLICAS", Remedy::Wait),
            ("READONLY", Remedy::Reconnect),
            ("NOSCRIPT", Remedy::Load),
            ("WRONGPASS", Remedy::Refuse),
            ("NOPERM", Remedy::Refuse),
            ("CROSSSLOT", Remedy::Refuse),
            ("SOMETHINGNEW", Remedy::Refuse),
        ] {
            assert_eq!(remedy_for_code(code, "").0, remedy, "{code}");
        }
        assert_eq!(remedy_for_code("ERR", "max number of clients reached").0, Remedy::Reconnect);
    }

    #[test]
    fn broken_connection_is_reconnected() {
        let error = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(ServerError::classify(error).remedy, Remedy::Reconnect);
    }
}
