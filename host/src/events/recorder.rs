//! Stamps facts with their time and hands them to every sink.
//! Sinks decide what to do with a fact; they must not wait.

use crate::events::Event;
use crate::events::Fact;
use crate::events::Subject;
use crate::model::Clock;
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
}

impl Recorder {
    /// A recorder that hands every event to all of `sinks`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { clock, sinks: sinks.into() }
    }

    /// A recorder that hands every event to one more sink.
    #[must_use]
    pub fn with(&self, sink: Arc<dyn Sink>) -> Self {
        let sinks = self.sinks.iter().cloned().chain([sink]).collect();
        Self { clock: Arc::clone(&self.clock), sinks }
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
        let event = Event { at: self.clock.now(), subject, fact };
        for sink in &*self.sinks {
            sink.record(&event);
        }
    }
}
