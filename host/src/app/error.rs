//! The errors of commands, in classes that decide the exit code.
//! Failures of tasks are not errors here: they are part of a run's report.

use crate::config::{FileFault, SettingsFault};
use crate::model::{Faults, RunId, Shortage};
use crate::sandbox::LoadError;
use crate::state;
use std::error::Error as StdError;
use std::path::PathBuf;

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest has faults; all of them.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The request cannot be met, and nothing was done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host's settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsFault),
    /// The host's settings file is wrong.
    #[error(transparent)]
    SettingsFile(#[from] FileFault),
    /// A component cannot be used.
    #[error(transparent)]
    Component(#[from] LoadError),
    /// The state or the cache refused or was lost.
    #[error(transparent)]
    Backend(#[from] state::Error),
    /// No such run, or no such task in it.
    #[error("{message}")]
    Missing {
        /// The missing run or task.
        message: String,
        /// The help text.
        help: String,
    },
    /// Output cannot be written to stdout.
    #[error("cannot write to stdout")]
    Unprinted(#[source] std::io::Error),
    /// Events cannot be written to the requested file.
    #[error("cannot write all events to `{}`", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Outputs cannot be written as files, since their names collide or lead out.
    #[error(transparent)]
    Unplaced(Refusal),
    /// An output file cannot be written.
    #[error("cannot write the output file `{}`", path.display())]
    Unsaved {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Other hosts work on the run, which this host avoids.
    #[error("other hosts work on run `{run}`")]
    Occupied {
        /// The run.
        run: RunId,
    },
    /// The run was lost by the backend while this host worked on it.
    #[error("the run `{run}` cannot continue")]
    Lost {
        /// The run.
        run: RunId,
        /// The cause.
        #[source]
        source: state::Error,
    },
}

/// A request that was refused before anything was done.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The message, a lowercase fragment.
    pub message: String,
    /// Explanatory facts.
    pub notes: Vec<String>,
    /// The help text.
    pub help: Option<String>,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Refusal {
    /// Creates a refusal with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), notes: Vec::new(), help: None, source: None }
    }

    /// Adds an explanatory fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Sets the help text.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets the cause. For a shortage, its help replaces the present one.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = source.into();
        self.help =
            Shortage::from_error(source.as_ref()).map(|shortage| shortage.help().to_owned()).or(self.help);
        self.source = Some(source);
        self
    }
}
