//! Log of refusals for the operator: each refusal once per call, with the grant that would allow it.
//! Callers choose the error that the guest gets.

use crate::invoke::{Listener, Stream};
use crate::model::excerpt;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of logged refusals per call. Threat: a guest that tries every port of a machine.
const MAX_REFUSALS: usize = 16;

/// Maximum number of characters of one refusal, which contains text of the guest.
const MAX_TEXT: usize = 400;

/// Logs refusals in the guest's log.
#[derive(Clone)]
pub(crate) struct Refusals {
    listener: Arc<dyn Listener>,
    // A mutex, because requests run concurrently with the guest. The critical section searches a few lines.
    logged: Arc<Mutex<Vec<String>>>,
}

impl Refusals {
    /// Creates a log without refusals.
    pub(crate) fn new(listener: &Arc<dyn Listener>) -> Self {
        Self { listener: Arc::clone(listener), logged: Arc::default() }
    }

    /// Logs a refusal, unless it was logged before or too many were.
    pub(crate) fn log_once(&self, refusal: &str) {
        let line = format!("warn cascade-host: {}", excerpt(refusal, MAX_TEXT));
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() >= MAX_REFUSALS || logged.contains(&line) {
            return;
        }
        logged.push(line.clone());
        drop(logged);
        self.listener.on_output(Stream::Log, &line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::sandbox::testing::RecordingListener;

    #[test]
    fn refusals_are_logged_once_each_up_to_the_maximum() {
        let recorder = Arc::new(RecordingListener::default());
        let listener: Arc<dyn Listener> = Arc::<RecordingListener>::clone(&recorder);
        let refusals = Refusals::new(&listener);
        for number in 0..1000 {
            refusals.log_once(&format!("{} {}", number / 2, "x".repeat(1000)));
        }
        let lines = recorder.recorded();
        assert_eq!(lines.len(), MAX_REFUSALS);
        assert!(lines[1].starts_with("Log warn cascade-host: 1 xxx") && lines[1].len() < 500, "{}", lines[1]);
    }

    #[test]
    fn manual_names_the_limits_of_this_file() {
        Page::of("grants")
            .section("Finding the right grants")
            .says(&format!("At most {MAX_REFUSALS} refusals"));
    }
}
