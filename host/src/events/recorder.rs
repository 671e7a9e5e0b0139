//! Recorder: stamps facts with their time, removes secrets, and hands events to every sink.
//! Sinks decide what to do with an event; they must not wait.

use crate::events::{CallFact, Event, Fact, FailureFact, Subject};
use crate::model::{Clock, Secrets};
use std::sync::Arc;

/// Receiver of events. Called from many threads.
pub trait Sink: Send + Sync {
    /// Records one event; must return at once.
    fn record(&self, event: &Event);

    /// Returns whether the sink stores what calls depend on.
    fn stores_calls(&self) -> bool {
        false
    }

    /// Records what the next attempt or the cached result of a node depends on; must return at once.
    fn call(&self, subject: &Subject, call: &CallFact) {
        let _ = (subject, call);
    }
}

/// The only way to emit events.
#[derive(Clone)]
pub struct Recorder {
    clock: Arc<dyn Clock>,
    sinks: Arc<[Arc<dyn Sink>]>,
    secrets: Secrets,
}

impl Recorder {
    /// Creates a recorder that hands every event to all of `sinks`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { clock, sinks: sinks.into(), secrets: Secrets::default() }
    }

    /// Returns this recorder with texts to remove from everything that it hands on.
    #[must_use]
    pub fn hiding(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }

    /// Returns a text without secrets, for texts that are stored outside events.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.secrets.hide(text).into_owned()
    }

    /// Returns this recorder with one more sink.
    #[must_use]
    pub fn with(&self, sink: Arc<dyn Sink>) -> Self {
        let sinks = self.sinks.iter().cloned().chain([sink]).collect();
        Self { clock: Arc::clone(&self.clock), sinks, secrets: self.secrets.clone() }
    }

    /// Returns whether there is no sink, so that facts need not be built.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sinks.is_empty()
    }

    /// Returns whether any sink stores what calls depend on, so that it must be computed.
    #[must_use]
    pub fn stores_calls(&self) -> bool {
        self.sinks.iter().any(|sink| sink.stores_calls())
    }

    /// Records what a call depends on.
    pub fn call(&self, subject: &Subject, call: &CallFact) {
        self.sinks.iter().filter(|sink| sink.stores_calls()).for_each(|sink| sink.call(subject, call));
    }

    /// Records a fact about the run.
    pub fn run(&self, fact: Fact) {
        self.emit(None, fact);
    }

    /// Records a fact about a task.
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

    /// Removes secrets from texts of guests and users; the host itself writes everything else in a fact.
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
            Fact::TaskRetrying { delay_ms, memory_bytes, timeout_ms, failure: failed } => {
                Fact::TaskRetrying { delay_ms, memory_bytes, timeout_ms, failure: failure(failed) }
            }
            Fact::Warning { code, message } => Fact::Warning { code, message: hide(&message) },
            other => other, // no other fact has a text from outside
        }
    }
}
