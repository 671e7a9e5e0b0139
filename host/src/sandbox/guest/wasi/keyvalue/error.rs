//! Outcome of a failed bucket operation: an error for the guest, or a trap.
//! The guest gets what it can act on; the address and the words of the backend go to the guest's log alone.

use crate::sandbox::guest::limits::LimitHit;
use crate::state::{Error, ErrorKind, OutOfBounds};
use wasmtime::component::ResourceTableError;

/// Reasons why an operation failed.
pub(crate) enum KeyvalueError {
    /// The guest traps.
    Trap(wasmtime::Error),
    /// The name of the bucket is invalid.
    NoSuchStore,
    /// The bucket is not granted.
    AccessDenied,
    /// Any other reason, as text for the guest.
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

/// Returns the text for the guest, and the text for its log if that has more to say.
pub(crate) fn guest_text(error: &Error) -> (String, Option<String>) {
    let text = match error.kind {
        ErrorKind::Declined => {
            let hint = error.help().map(|hint| format!(". {hint}")).unwrap_or_default();
            return (format!("{error}{hint}"), None);
        }
        ErrorKind::Unavailable => "the state backend is unreachable; a write may or may not have happened",
        ErrorKind::Uri
        | ErrorKind::Refused
        | ErrorKind::Damaged
        | ErrorKind::NoRun
        | ErrorKind::OtherDigest(_)
        | ErrorKind::Held
        | ErrorKind::Misuse => "the state backend refused the operation",
    };
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let log = causes.fold(error.to_string(), |log, cause| format!("{log}: {cause}"));
    (text.to_owned(), Some(log))
}
