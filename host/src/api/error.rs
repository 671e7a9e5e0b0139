//! The error of the library, as one opaque type with a kind.
//! `app` decides what went wrong; failures of tasks are in the report of a run.

use crate::app;
use crate::app::Refusal;
use std::error::Error as StdError;
use std::fmt;

/// The reason why a pipeline cannot be checked or run, or why an output cannot be read.
///
/// A failed task is not an error; see [`crate::Report::status`] and [`crate::Report::failures`].
///
/// ```
/// # use cascade_host::{ErrorKind, Pipeline};
/// let error = Pipeline::from_text("cascade = 1\nname = 7\n", ".").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Manifest);
/// assert!(error.to_string().contains("manifest:2:8: "));
/// ```
pub struct Error(Box<app::Error>);

/// The subject of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The manifest, a component or an input has faults. The message lists all, each with line and column.
    Manifest,
    /// The request cannot be met: a wrong param, another plan under the same run id, no such output.
    Refused,
    /// A setting of the host is invalid.
    Settings,
    /// A component cannot be loaded or prepared.
    Component,
    /// The state backend or the cache refused, or cannot be reached.
    Backend,
    /// The backend lost the run while this host worked on it. Finished tasks are kept.
    Lost,
    /// A file could not be read or written.
    Io,
}

impl Error {
    /// Creates an error of the kind [`ErrorKind::Refused`].
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        app::Error::from(Refusal::new(message)).into()
    }

    /// Returns what the error is about.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            app::Error::Faults(_) => ErrorKind::Manifest,
            app::Error::Refused(_) | app::Error::Missing { .. } | app::Error::Occupied { .. } => {
                ErrorKind::Refused
            }
            app::Error::Settings(_) | app::Error::SettingsFile(_) => ErrorKind::Settings,
            app::Error::Component(_) => ErrorKind::Component,
            app::Error::Backend(_) => ErrorKind::Backend,
            app::Error::Lost { .. } => ErrorKind::Lost,
            app::Error::Unprinted(_)
            | app::Error::Unwritten { .. }
            | app::Error::Unsaved { .. }
            | app::Error::Unplaced(_) => ErrorKind::Io,
        }
    }

    /// Returns a suggestion for the user, or `None` if the message suffices.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match &*self.0 {
            app::Error::Refused(refusal) | app::Error::Unplaced(refusal) => refusal.help.clone(),
            app::Error::Missing { help, .. } => Some(help.clone()),
            app::Error::Settings(fault) => fault.help().map(str::to_owned),
            app::Error::Component(error) => error.help().map(Into::into),
            app::Error::Backend(error) | app::Error::Lost { source: error, .. } => {
                error.help().map(str::to_owned)
            }
            // A fault of a manifest has its help in its message; files have only a cause.
            app::Error::Faults(_)
            | app::Error::SettingsFile(_)
            | app::Error::Occupied { .. }
            | app::Error::Unprinted(_)
            | app::Error::Unwritten { .. }
            | app::Error::Unsaved { .. } => None,
        }
    }
}

impl From<app::Error> for Error {
    fn from(error: app::Error) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Shows the message, the causes and the help on lines of their own: what `main` prints for a `Result`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, "\n  cause: {error}")?;
            cause = error.source();
        }
        self.help().map_or(Ok(()), |help| write!(f, "\n  help: {help}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
