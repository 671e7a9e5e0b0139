//! Reasons why a component cannot be fetched, with their help. No reason contains a secret.
//! `app` adds the component and its place in the manifest.

use crate::model::{Digest, Shortage, Size, show_duration};
use crate::sandbox::{Exceeded, NoAnswer};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The reason why a component cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The component is not here, and the network may not be used.
    #[error("it is not on this machine, and `--offline` forbids to fetch it")]
    Offline,
    /// The server cannot be reached.
    #[error("no answer from `{origin}`")]
    Unreachable {
        /// Scheme, host and port.
        origin: String,
        /// The cause.
        #[source]
        source: NoAnswer,
    },
    /// The server does not answer, or stops in the middle.
    #[error("`{origin}` {what}")]
    Silent {
        /// Scheme, host and port.
        origin: String,
        /// Its conduct, as a clause: `closes the connection`.
        what: String,
    },
    /// The server answers with an error.
    #[error("`{origin}` answers {status}{}", said(.text))]
    Status {
        /// Scheme, host and port.
        origin: String,
        /// The status.
        status: u16,
        /// The server's own text, on one line; may be empty.
        text: String,
    },
    /// The registry asks for a login.
    #[error("`{registry}` demands a login{}", said(.text))]
    NoLogin {
        /// The registry.
        registry: String,
        /// The server's own text, on one line; may be empty.
        text: String,
    },
    /// The registry does not accept the login.
    #[error("`{registry}` refuses the login of {place}{}", said(.text))]
    Denied {
        /// The registry.
        registry: String,
        /// Where the login is from.
        place: String,
        /// The server's own text, on one line; may be empty.
        text: String,
    },
    /// The file with logins is unreadable.
    #[error("cannot read the logins in `{}`", path.display())]
    Logins {
        /// The file.
        path: PathBuf,
        /// The cause, without content of the file.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The program that knows the login fails.
    #[error("the program `{program}`, which knows the login of `{registry}`, {what}")]
    Helper {
        /// The program.
        program: String,
        /// The registry.
        registry: String,
        /// The failure, as a clause.
        what: String,
    },
    /// A redirect leads somewhere that is not allowed.
    #[error("`{origin}` redirects to `{to}`, {why}")]
    Redirect {
        /// Scheme, host and port.
        origin: String,
        /// Scheme, host and port of the target.
        to: String,
        /// The reason, as a clause.
        why: &'static str,
    },
    /// The answer is not one of a registry.
    #[error("`{origin}` sends {what}")]
    Malformed {
        /// Scheme, host and port.
        origin: String,
        /// The mistake in it.
        what: String,
    },
    /// The artifact is no component.
    #[error("the artifact is no component: {0}")]
    NotComponent(String),
    /// The bytes that came have another digest than the requested ones.
    #[error("{what} has the SHA-256 {found}, not {expected}")]
    Digest {
        /// The requested thing: a manifest or a layer.
        what: &'static str,
        /// The requested digest.
        expected: Digest,
        /// The digest of the bytes that came.
        found: Digest,
    },
    /// The component is not the pinned one.
    #[error("the component has the SHA-256 {0}")]
    NotPinned(Digest),
    /// The component is too large.
    #[error("{}", Exceeded::Component(*.0))]
    TooLarge(Size),
    /// The component cannot be written to disk.
    #[error("cannot store the component")]
    Store(#[source] io::Error),
    /// A variable cannot be used.
    #[error("the environment variable `{name}` cannot be used: {what}")]
    Variable {
        /// The name.
        name: &'static str,
        /// The mistake in its value.
        what: String,
    },
    /// The fetch has reached its time limit.
    #[error("it takes longer than {}", show_duration(*.0))]
    Slow(Duration),
    /// The system has no thread for the fetch.
    #[error("cannot start to fetch")]
    Start(#[source] io::Error),
}

/// Formats the text of a server.
fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

impl Error {
    /// Returns the help text, if something would help.
    pub(crate) fn help(&self) -> Option<String> {
        Some(match self {
            Self::Offline => "run once without `--offline`, and it stays on this machine".to_owned(),
            Self::Unreachable { source: NoAnswer::Certificate, .. } => {
                "if an authority of your own signs it, name its PEM file in `SSL_CERT_FILE`".to_owned()
            }
            Self::Unreachable { source: NoAnswer::Private(_), .. } => {
                "a server on the internet may not lead to private addresses; write the final URL into the manifest"
                    .to_owned()
            }
            Self::Unreachable { source: NoAnswer::Refused(407), .. } => {
                "write the login of the proxy into `HTTPS_PROXY`, as `http://user:password@host:3128`".to_owned()
            }
            Self::Unreachable { .. } | Self::Silent { .. } => {
                "check the network; behind a proxy, set `HTTPS_PROXY`. What was fetched before is used with `--offline`"
                    .to_owned()
            }
            Self::Status { status: 404, .. } => {
                "check name and tag; a registry may hide a private repository until `docker login`".to_owned()
            }
            Self::Status { status: 429, .. } => {
                "wait, or log in by `docker login`: registries limit requests without a login more".to_owned()
            }
            Self::Status { .. } => "try again later, or ask who runs the server".to_owned(),
            Self::NoLogin { registry, .. } => format!("log in: `docker login {registry}`"),
            Self::Denied { registry, .. } => {
                format!("log in as a user who may read it: `docker login {registry}`")
            }
            Self::Logins { .. } => "mend the file, or name another folder in `DOCKER_CONFIG`".to_owned(),
            Self::Helper { program, .. } => {
                format!("try `{program} list`; or log in without it, in a folder that `DOCKER_CONFIG` names")
            }
            Self::Redirect { .. } => "write the final URL into the manifest".to_owned(),
            Self::NotComponent(_) => {
                "an artifact has one layer `application/wasm`, as `wkg oci push` writes it".to_owned()
            }
            Self::TooLarge(max) => Exceeded::Component(*max).help().to_owned(),
            Self::Store(error) | Self::Start(error) => {
                return Shortage::from_error(error).map(|shortage| shortage.help().to_owned());
            }
            Self::Variable { name, .. } => format!("correct or unset `{name}`"),
            Self::Slow(_) => "fetch the file by other means, and name its `path`".to_owned(),
            Self::Malformed { .. } => "check that the host is a registry".to_owned(),
            Self::Digest { .. } => "fetch it again; if it stays, the server sends something else".to_owned(),
            Self::NotPinned(_) => return None,
        })
    }
}
