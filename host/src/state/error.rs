//! The error type of the state ports.
//! Failures of tasks are not errors of a backend: see the records of `failure.rs`.

use crate::model::RunId;
use bytes::Bytes;
use std::error::Error as StdError;
use std::fmt;

/// A backend's failure: the operation, its kind and its cause.
#[derive(Debug)]
pub struct Error {
    /// The kind; it decides the exit code.
    pub kind: ErrorKind,
    doing: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Kinds of failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// The URI is invalid or not supported by this build.
    Uri,
    /// The backend cannot be reached, or the connection was lost.
    Unavailable,
    /// The backend was reached and cannot be used: missing rights, a foreign key, or another layout version.
    Refused,
    /// The run does not exist.
    NoRun,
    /// The run exists with another digest. Carries the stored plan record.
    OtherDigest(Bytes),
    /// The stored data is invalid: another program wrote or damaged it.
    Damaged,
    /// The run is held by another live host.
    Held,
    /// A request that the contract of the port forbids.
    Misuse,
    /// A guest's request that a limit or the stored value forbids. The message gives the reason, without any fact that
    /// the guest must not know.
    Declined,
}

impl Error {
    /// Creates the failure of `doing`, a lowercase fragment.
    pub fn new(kind: ErrorKind, doing: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), hint: None, source: None }
    }

    /// Creates the error of a stored result that is not a value of its type; `name` is its task or element.
    pub fn unreadable(run: &RunId, name: &str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let doing = format!("reading the stored result of `{name}` in run `{run}`");
        Self::new(ErrorKind::Damaged, doing).caused_by(cause).hint(format!(
            "Another program has written `{name}` in `cascade:run:{run}:results`; `run --fresh` starts the run over."
        ))
    }

    /// Adds a hint, a sentence of its own.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns the hint.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let source: &(dyn StdError + 'static) = self.source.as_deref()?;
        Some(source)
    }
}
