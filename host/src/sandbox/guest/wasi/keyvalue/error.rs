//! How an operation on a bucket ends that was not done: an error for the guest, or the end of the guest.
//! The guest learns what it can act on; where the backend is, and what it said, stands in the guest's log alone.

use crate::sandbox::guest::limits::LimitHit;
use crate::state::{Error, ErrorKind, OutOfBounds};
use wasmtime::component::ResourceTableError;

/// Why an operation was not done.
pub(crate) enum KeyvalueError {
    /// The guest ends here.
    Trap(wasmtime::Error),
    /// No bucket has such a name.
    NoSuchStore,
    /// The bucket is not granted.
    AccessDenied,
    /// Anything else, in words for the guest.
    Other(String),
}

impl From<wasmtime::Error> for KeyvalueError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<ResourceTableError> for KeyvalueError {
    fn from(error: ResourceTableError) -> Self {
        Self::Trap(error.into())
    }
}

impl From<LimitHit> for KeyvalueError {
    fn from(hit: LimitHit) -> Self {
        Self::Trap(hit.into())
    }
}

impl From<OutOfBounds> for KeyvalueError {
    fn from(bound: OutOfBounds) -> Self {
        Self::Other(bound.to_string())
    }
}

/// What a guest is told of a backend's error, and what its log is told besides.
pub(crate) fn guest_text(error: &Error) -> (String, Option<String>) {
    let text = match error.kind {
        ErrorKind::Declined => {
            let hint = error.help().map(|hint| format!(". {hint}")).unwrap_or_default();
            return (format!("{error}{hint}"), None);
        }
        ErrorKind::Unavailable => {
            "the state backend cannot be reached; whether a write was done is not known"
        }
        ErrorKind::Uri
        | ErrorKind::Refused
        | ErrorKind::Damaged
        | ErrorKind::NoRun
        | ErrorKind::OtherDigest(_)
        | ErrorKind::Held
        | ErrorKind::Misuse => "the state backend refuses it",
    };
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let log = causes.fold(error.to_string(), |log, cause| format!("{log}: {cause}"));
    (text.to_owned(), Some(log))
}
