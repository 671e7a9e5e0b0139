//! The failure of one attempt, and whether another may succeed.
//! `retries` makes the pauses.

use crate::fetch::Error;
use crate::sandbox::NoAnswer;
use std::time::Duration;

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// Another attempt may succeed, after the pause that the server asks for.
    Again(Error, Option<Duration>),
    /// No other attempt would succeed.
    ForGood(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::ForGood(error)
    }
}

impl Failed {
    /// Reads why there was no answer.
    pub(crate) fn unanswered(origin: String, source: NoAnswer) -> Self {
        let may_pass = match &source {
            NoAnswer::Exchange(_) | NoAnswer::NoAddress => true,
            NoAnswer::Refused(status) => is_passing(*status),
            NoAnswer::Proxy(_) | NoAnswer::Private(_) | NoAnswer::Certificate => false,
        };
        let error = Error::Unreachable { origin, source };
        if may_pass { Self::Again(error, None) } else { Self::ForGood(error) }
    }

    /// Reads an answer that is an error.
    pub(crate) fn status((origin, status): (String, u16), text: String, after: Option<Duration>) -> Self {
        let error = Error::Status { origin, status, text };
        if is_passing(status) { Self::Again(error, after) } else { Self::ForGood(error) }
    }
}

/// Returns whether a status is one of too early, too often, or the server's own fault.
fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..)
}
