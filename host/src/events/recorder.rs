//! Stamps facts with their time and hands them to every sink.
//! Sinks decide what to do with a fact; they must not wait.

use crate::events::{Event, Fact, FailureFact, Subject};
use crate::model::{Clock, Secrets};
use std::sync::Arc;

/// Takes events as they happen. Called from many threads.
pub trait Sink: Send + Sync {
    /// Records one event; returns at once.
    fn record(&self, event: &Event);
}

/// The one way to say that something happened.
#[derive(Clone)]
pub struct Recorder {
    clock: Arc<dyn Clock>,
    sinks: Arc<[Arc<dyn Sink>]>,
    secrets: Secrets,
}

impl Recorder {
    /// A recorder that hands every event to all of `sinks`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { clock, sinks: sinks.into(), secrets: Secrets::default() }
    }

    /// The same recorder, which takes these texts out of everything that it hands on.
    #[must_use]
    pub fn hiding(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// A text without secrets, for what is kept beside events.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.secrets.hide(text).into_owned()
    }

    /// A recorder that hands every event to one more sink.
    #[must_use]
    pub fn with(&self, sink: Arc<dyn Sink>) -> Self {
        let sinks = self.sinks.iter().cloned().chain([sink]).collect();
        Self { clock: Arc::clone(&self.clock), sinks, secrets: self.secrets.clone() }
    }

    /// Whether nobody listens, so that facts need not be made.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Records a fact of the run.
    pub fn run(&self, fact: Fact) {
        self.emit(None, fact);
    }

    /// Records a fact of a task.
    pub fn task(&self, subject: Subject, fact: Fact) {
        self.emit(Some(subject), fact);
    }

    fn emit(&self, subject: Option<Subject>, fact: Fact) {
        if self.is_idle() {
            return;
        }
        let event = Event { at: self.clock.now(), subject, fact: self.without_secrets(fact) };
        for sink in &*self.sinks {
            sink.record(&event);
        }
    }

    /// Guests and users write texts; all else in a fact is the host's own.
    fn without_secrets(&self, fact: Fact) -> Fact {
        let hide = |text: &str| self.secrets.hide(text).into_owned();
        let failure = |failure: FailureFact| FailureFact { error: hide(&failure.error), ..failure };
        match fact {
            Fact::TaskLog { stream, text } => Fact::TaskLog { stream, text: hide(&text) },
            Fact::TaskProgress { fraction, message } => {
                Fact::TaskProgress { fraction, message: hide(&message) }
            }
            Fact::TaskFailed(failed) => Fact::TaskFailed(failure(failed)),
            Fact::OutputFailed { output, failure: failed } => {
                Fact::OutputFailed { output, failure: failure(failed) }
            }
            Fact::TaskRetrying { delay_ms, failure: failed } => {
                Fact::TaskRetrying { delay_ms, failure: failure(failed) }
            }
            Fact::Warning { code, message } => Fact::Warning { code, message: hide(&message) },
            other => other, // no other fact has a text that the host did not write
        }
    }
}
