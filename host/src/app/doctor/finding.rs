//! The outcome of one check.
//! The checks are in the other files of this folder.

use crate::model::{Shortage, Size};
use std::error::Error;
use std::time::Duration;

/// The subject of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A limit of a guest.
    Guest,
    /// A limit of the compiler.
    Compiler,
    /// The machine's support for the sandbox.
    Machine,
    /// The folder of compiled code.
    Code,
    /// The state backend.
    State,
}

impl About {
    /// Returns the word for the subject.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Compiler => "compiler",
            Self::Machine => "machine",
            Self::Code => "code-cache",
            Self::State => "state",
        }
    }
}

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The check passed.
    Proven,
    /// The check passed, with something the operator should know.
    Noted,
    /// The check failed.
    Failed,
}

impl Verdict {
    /// Returns the word for the verdict.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Noted => "noted",
            Self::Failed => "FAILED",
        }
    }
}

/// The delay of a stop after its deadline, and the machine's own latency at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Late {
    /// The total delay.
    pub total: Duration,
    /// The time that the machine takes to wake as many threads.
    pub machine: Duration,
}

impl Late {
    /// Returns the part of the delay that the host causes.
    pub(crate) fn own(self) -> Duration {
        self.total.saturating_sub(self.machine)
    }
}

/// The outcome of one check.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// The subject.
    pub about: About,
    /// The name of the check.
    pub name: &'static str,
    /// The verdict.
    pub verdict: Verdict,
    /// The limit that was hit, or the observation.
    pub text: String,
    /// The duration of the check.
    pub took: Option<Duration>,
    /// The delay of the stop after its deadline.
    pub late: Option<Late>,
    /// The growth of this process's memory during the check.
    pub memory: Option<Size>,
}

impl Finding {
    /// Creates a finding without figures.
    pub(crate) fn new(about: About, name: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self { about, name, verdict, text: text.into(), took: None, late: None, memory: None }
    }

    /// Adds the duration.
    pub(crate) fn within(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }
}

/// Formats an error with its causes on one line.
pub(crate) fn error_line(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    match Shortage::from_error(error) {
        Some(shortage) => format!("{text}. {}", shortage.help()),
        None => text,
    }
}
