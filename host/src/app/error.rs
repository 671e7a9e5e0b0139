//! Why a command could not do what it was asked, in classes that the exit code follows from.
//! How a task failed is no error here: it is part of a run's report.

use crate::config::{FileFault, SettingsFault};
use crate::model::{Faults, RunId, Shortage};
use crate::sandbox::LoadError;
use crate::state;
use std::error::Error as StdError;
use std::path::PathBuf;

/// Why a command could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest is wrong; here is all of it.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// What was asked cannot be done, and nothing was.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The settings of this host are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsFault),
    /// The settings file of this host is wrong.
    #[error(transparent)]
    SettingsFile(#[from] FileFault),
    /// A component cannot be used.
    #[error(transparent)]
    Component(#[from] LoadError),
    /// The state or the cache refused, or was lost.
    #[error(transparent)]
    Backend(#[from] state::Error),
    /// There is no such run, or no such task in it.
    #[error("{message}")]
    Missing {
        /// What is not there.
        message: String,
        /// What would help.
        help: String,
    },
    /// What came out cannot be written to where it was asked for.
    #[error("cannot write to stdout")]
    Unprinted(#[source] std::io::Error),
    /// Events cannot be written to the file that was asked for.
    #[error("cannot write all events to `{}`", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The run was lost by the backend while this host worked on it.
    #[error("the run `{run}` cannot go on")]
    Lost {
        /// The run.
        run: RunId,
        /// Why.
        #[source]
        source: state::Error,
    },
}

/// A command that was refused before anything was done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What cannot be done, a lowercase fragment.
    pub message: String,
    /// Facts that explain it.
    pub notes: Vec<String>,
    /// What would help.
    pub help: Option<String>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Refusal {
    /// A refusal for the reason that `message` gives.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), notes: Vec::new(), help: None, source: None }
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what would help.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the cause; where that is a shortage, nothing helps but what helps against it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        self.help =
            Shortage::from_error(source.as_ref()).map(|shortage| shortage.help().to_owned()).or(self.help);
        self.source = Some(source);
        self
    }
}
