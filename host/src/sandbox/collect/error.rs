//! Reasons why a program that ended well has no result.
//! `failure` classifies what happens while a guest runs.

use crate::model::FailureClass;
use crate::sandbox::guest::TimedOut;

/// Reason why there is no result.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Uncollected {
    /// Class of the failure.
    pub(crate) class: FailureClass,
    /// Description, a lowercase fragment.
    pub(crate) message: String,
}

impl Uncollected {
    /// Builds the error for a program that did not leave what its output needs.
    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Error, message: message.into() }
    }

    /// Builds the error for an output that no program can have.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Self { class: FailureClass::Input, message: message.into() }
    }

    /// Names the output, where there are several.
    pub(crate) fn in_output(self, name: &str) -> Self {
        Self { message: format!("output `{name}`: {}", self.message), ..self }
    }
}

/// Class and text are set by the caller, as for all timeouts.
impl From<TimedOut> for Uncollected {
    fn from(error: TimedOut) -> Self {
        Self { class: FailureClass::Timeout, message: error.to_string() }
    }
}
