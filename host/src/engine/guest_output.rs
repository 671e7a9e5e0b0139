//! Events for the stdout, stderr and log of a guest.
//! The sandbox bounds the output, and `cli` shows it.

use crate::events::{Fact, Recorder, Subject};
use crate::invoke::{Listener, Stream};

/// Records the output and progress of one attempt.
pub(crate) struct AttemptListener {
    pub(crate) recorder: Recorder,
    pub(crate) subject: Subject,
}

impl Listener for AttemptListener {
    fn on_output(&self, stream: Stream, text: &str) {
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
            Stream::Log => "log",
        };
        for line in text.lines() {
            let fact = Fact::TaskLog { stream: stream.into(), text: line.to_owned() };
            self.recorder.task(self.subject.clone(), fact);
        }
    }

    fn on_progress(&self, fraction: f64, message: &str) {
        let fact = Fact::TaskProgress { fraction, message: message.to_owned() };
        self.recorder.task(self.subject.clone(), fact);
    }
}
