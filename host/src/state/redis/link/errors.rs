//! Classifies errors of client and server by remedy: wait, reconnect, load a script, or give up.
//! The classes use codes and kinds, never message texts; `retry.rs` decides how long to try.

use crate::state::redis::link::names::UnknownName;
use crate::state::{Error, ErrorKind, RedisTopology, RedisUri, stray};
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
    nature: Nature,
    hint: Option<Cow<'static, str>>,
    cause: Box<dyn StdError + Send + Sync>,
}

/// What went wrong, as far as it tells what would help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// The server wants to know first who asks.
    NoLogin,
    /// The server does not accept the user or the password.
    WrongLogin,
    /// No address is known for the host's name.
    NoName,
    /// The system could not connect, or the connection ended.
    Network(io::ErrorKind),
    /// There was no answer.
    Silence,
    /// The answer was none of a Redis.
    Gibberish,
    /// Anything else.
    Other,
}

/// What helps a user who lacks rights; `preflight` knows the whole line and says it instead.
pub(crate) const NOT_ALLOWED: &str = "Grant the user what is missing with `ACL SETUSER`.";

/// Error codes of the server, with remedy and hint.
const CODES: &[(&str, Remedy, Option<&str>)] = &[
    ("LOADING", Remedy::Wait, Some("Redis is loading its data; try again once it has finished.")),
    ("BUSY", Remedy::Wait, Some("A script of somebody else keeps Redis busy; `SCRIPT KILL` ends it.")),
    ("MASTERDOWN", Remedy::Wait, Some("This server is a replica that has lost its master; name the master.")),
    (
        "CLUSTERDOWN",
        Remedy::Wait,
        Some("The cluster does not serve all of its slots; look at `CLUSTER INFO`."),
    ),
    ("TRYAGAIN", Remedy::Wait, None),
    (
        "OOM",
        Remedy::Wait,
        Some("Redis has reached its `maxmemory`; raise it, or remove runs that are not needed any more."),
    ),
    ("MISCONF", Remedy::Wait, Some("Redis cannot save to its disk and takes no writes; its log says why.")),
    ("NOREPLICAS", Remedy::Wait, Some("Fewer replicas are connected than `min-replicas-to-write` asks for.")),
    ("READONLY", Remedy::Reconnect, Some("This server is a read-only replica; name the master.")),
    ("UNBLOCKED", Remedy::Reconnect, None),
    ("NOSCRIPT", Remedy::Load, None),
    ("NOAUTH", Remedy::Refuse, Some(PASSWORD)),
    ("WRONGPASS", Remedy::Refuse, Some(PASSWORD)),
    ("NOPERM", Remedy::Refuse, Some(NOT_ALLOWED)),
    (
        "WRONGTYPE",
        Remedy::Refuse,
        Some("A key that belongs to the run holds something else; choose another run id."),
    ),
    ("MOVED", Remedy::Refuse, Some(CLUSTER)),
    ("ASK", Remedy::Refuse, Some(CLUSTER)),
    ("CROSSSLOT", Remedy::Refuse, Some(CLUSTER)),
];

const PASSWORD: &str =
    "Give the user and the password in the URI, or the password in CASCADE_REDIS_PASSWORD.";
const CLUSTER: &str = "This server belongs to a cluster; use `redis+cluster://`.";
const NOBODY: &str = "Nobody listens there: start Redis, or correct the host and the port in the URI.";
const NO_NAME: &str = "Check the host's name in the URI, or the name server that this machine asks.";
const NO_SOCKET: &str =
    "There is no such socket: start Redis with `unixsocket`, or correct the path in the URI.";
const NO_ENTRY: &str = "This user may not open the socket: Redis' `unixsocketperm` says who may.";
const NO_WAY: &str =
    "No way leads to that address: check the host in the URI, and the networks and firewalls in between.";
const SILENT: &str = "Check whether the server is stopped or overloaded, whether the host and the port in the URI are its, and the firewalls in between.";
const SILENT_TLS: &str =
    "Check whether the server is stopped or overloaded; if that port does not speak TLS, use `redis://`.";
const NO_REDIS: &str =
    "What answers there is no plain Redis: correct the port, or use `rediss://` if it speaks TLS.";
const PLAIN: &str = "Nothing speaks TLS there; use `redis://`, or the port that does.";
const MAYBE_PLAIN: &str = "If that port does not speak TLS, use `redis://`.";
const MAYBE_ENCRYPTED: &str = "If that port speaks TLS, use `rediss://`. A server that has as many clients as its `maxclients` allows hangs up, too.";
const AUTHORITY: &str = "Name the authority that signed the server's certificate with `?ca=FILE`.";

impl ServerError {
    /// Classifies an error of the client.
    pub(crate) fn classify(error: RedisError) -> Self {
        let (remedy, hint) = judged(&error);
        Self { remedy, nature: nature(&error), hint: hint.map(Cow::Borrowed), cause: Box::new(error) }
    }

    /// A reply that did not arrive in time.
    pub(crate) fn no_answer(seconds: f64) -> Self {
        let cause = format!("no answer within {seconds:.1} s").into();
        Self { remedy: Remedy::Reconnect, nature: Nature::Silence, hint: None, cause }
    }

    /// A write that too few replicas, or no disk, acknowledged.
    pub(crate) fn not_durable(had: i64, wanted: u32) -> Self {
        let cause =
            format!("a write was acknowledged by {had} of the {wanted} that the URI's `durability` asks for");
        Self { remedy: Remedy::Wait, nature: Nature::Other, hint: None, cause: cause.into() }
    }

    /// Whether the server wants to know first who asks.
    pub(crate) fn is_login(&self) -> bool {
        self.nature == Nature::NoLogin
    }

    /// The cause in words.
    pub(crate) fn cause(&self) -> String {
        self.cause.to_string()
    }

    /// The same, where it came up while a connection to a URI was made: what would help is known by where it leads.
    pub(crate) fn while_connecting(self, uri: &RedisUri) -> Self {
        let (is_socket, is_tls) = (matches!(uri.place, RedisTopology::Socket(_)), uri.tls.is_some());
        if self.nature == Nature::WrongLogin
            && let Some(stray) = uri.password.as_ref().and_then(|password| stray(password.expose()))
        {
            let hint = format!("{PASSWORD} In the password that was given, {stray}.");
            return Self { hint: Some(hint.into()), ..self };
        }
        if self.hint.is_some() {
            return self;
        }
        let hint = match self.nature {
            Nature::NoName => NO_NAME,
            Nature::Network(io::ErrorKind::NotFound) if is_socket => NO_SOCKET,
            Nature::Network(io::ErrorKind::PermissionDenied) if is_socket => NO_ENTRY,
            Nature::Network(io::ErrorKind::ConnectionRefused) => NOBODY,
            Nature::Network(
                io::ErrorKind::HostUnreachable
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::AddrNotAvailable
                | io::ErrorKind::TimedOut,
            ) => NO_WAY,
            Nature::Silence if is_tls => SILENT_TLS,
            Nature::Silence => SILENT,
            Nature::Gibberish if !is_tls && !is_socket => NO_REDIS,
            Nature::Network(_) if self.remedy == Remedy::Reconnect && !is_socket => {
                if is_tls {
                    MAYBE_PLAIN
                } else {
                    MAYBE_ENCRYPTED
                }
            }
            Nature::NoLogin | Nature::WrongLogin | Nature::Network(_) | Nature::Gibberish | Nature::Other => {
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

fn judged(error: &RedisError) -> (Remedy, Option<&'static str>) {
    if let Some(code) = error.code() {
        return coded(code, error.detail().unwrap_or_default());
    }
    if let Some(tls) = tls(error) {
        return match tls {
            rustls::Error::InvalidMessage(_) => (Remedy::Refuse, Some(PLAIN)),
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

fn coded(code: &str, detail: &str) -> (Remedy, Option<&'static str>) {
    // The one temporary refusal without a code of its own.
    if code == "ERR" && detail.starts_with("max number of clients") {
        return (
            Remedy::Reconnect,
            Some("Redis has as many connections as its `maxclients` allows; raise it."),
        );
    }
    let known = CODES.iter().find(|(known, _, _)| *known == code);
    known.map_or((Remedy::Refuse, None), |(_, remedy, hint)| (*remedy, *hint))
}

fn nature(error: &RedisError) -> Nature {
    match (error.code(), error.kind()) {
        (Some("NOAUTH"), _) => Nature::NoLogin,
        (Some("WRONGPASS"), _) | (_, redis::ErrorKind::AuthenticationFailed) => Nature::WrongLogin,
        (_, redis::ErrorKind::Parse) => Nature::Gibberish,
        (_, redis::ErrorKind::Io) => {
            match cause(error, |cause| Some(cause.downcast_ref::<io::Error>()?.kind())) {
                _ if cause(error, |cause| inner(cause)?.downcast_ref::<UnknownName>()).is_some() => {
                    Nature::NoName
                }
                Some(kind) => Nature::Network(kind),
                // The client does not say more of a connection that the other end has closed.
                None => Nature::Network(io::ErrorKind::ConnectionReset),
            }
        }
        _ => Nature::Other, // what other codes ask for is known by their hints
    }
}

/// The cause in the encryption, if there is one.
fn tls(error: &RedisError) -> Option<&rustls::Error> {
    cause(error, |cause| {
        cause.downcast_ref::<rustls::Error>().or_else(|| inner(cause)?.downcast_ref::<rustls::Error>())
    })
}

/// What an error of the system was made of.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + Send + Sync + 'static)> {
    error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
}

/// What is found in the first of the causes that has it.
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
    fn each_code_is_waited_for_reconnected_after_or_refused() {
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
            assert_eq!(coded(code, "").0, remedy, "{code}");
        }
        assert_eq!(coded("ERR", "max number of clients reached").0, Remedy::Reconnect);
    }

    #[test]
    fn a_connection_that_breaks_is_reconnected() {
        let error = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert_eq!(ServerError::classify(error).remedy, Remedy::Reconnect);
    }
}
