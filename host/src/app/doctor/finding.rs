//! One thing that was tried, and what came of it.
//! What is tried stands beside.

use crate::model::{Shortage, Size};
use std::error::Error;
use std::time::Duration;

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A limit of a guest.
    Guest,
    /// A bound of compiling.
    Compiler,
    /// What this machine gives the sandbox.
    Machine,
    /// The folder of compiled code.
    Code,
    /// The state backend.
    State,
}

impl About {
    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Compiler => "compiler",
            Self::Machine => "machine",
            Self::Code => "code-cache",
            Self::State => "state",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Proven,
    /// It works, and somebody should know something about it.
    Noted,
    /// It is not as it should be.
    Failed,
}

impl Verdict {
    /// A word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Noted => "noted",
            Self::Failed => "FAILED",
        }
    }
}

/// How late something was stopped, and how late the machine was by itself at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Late {
    /// The whole of it.
    pub by: Duration,
    /// What the machine takes for waking as many threads.
    pub machine: Duration,
}

impl Late {
    /// What is left for the host to answer for.
    pub(crate) fn own(self) -> Duration {
        self.by.saturating_sub(self.machine)
    }
}

/// One thing that was tried.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// What was tried.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was hit, or found.
    pub said: String,
    /// How long it took.
    pub took: Option<Duration>,
    /// How long after its deadline it was stopped.
    pub late: Option<Late>,
    /// By how much the memory of this process grew meanwhile.
    pub memory: Option<Size>,
}

impl Finding {
    /// A finding without figures.
    pub(crate) fn new(about: About, name: &'static str, verdict: Verdict, said: impl Into<String>) -> Self {
        Self { about, name, verdict, said: said.into(), took: None, late: None, memory: None }
    }

    /// The same with the time that it took.
    pub(crate) fn within(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }
}

/// An error with its causes, on one line.
pub(crate) fn whole(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    match Shortage::from_error(error) {
        Some(shortage) => format!("{text}. {}", shortage.help()),
        None => text,
    }
}
