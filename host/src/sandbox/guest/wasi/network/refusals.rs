//! Log of refusals for the operator: each refusal once per call, with the grant that would allow it.
//! Callers choose the error that the guest gets.

use crate::invoke::{Listener, Stream};
use crate::model::excerpt;
use std::sync::{Arc, Mutex, PoisonError};

/// Maximum number of logged refusals per call. Threat: a guest that tries every port of a machine.
const MAX_TOLD: usize = 16;

/// Maximum number of characters of one refusal, which contains text of the guest.
const MAX_TEXT: usize = 400;

/// Logs refusals in the guest's log.
#[derive(Clone)]
pub(crate) struct Refusals {
    listener: Arc<dyn Listener>,
    // A mutex, because requests run concurrently with the guest. The critical section searches a few lines.
    told: Arc<Mutex<Vec<String>>>,
}

impl Refusals {
    /// Creates a log without refusals.
    pub(crate) fn new(listener: &Arc<dyn Listener>) -> Self {
        Self { listener: Arc::clone(listener), told: Arc::default() }
    }

    /// Logs a refusal, unless it was logged before or too many were.
    pub(crate) fn log_once(&self, refusal: &str) {
        let line = format!("warn cascade-host: {}", excerpt(refusal, MAX_TEXT));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MAX_TOLD || told.contains(&line) {
            return;
        }
        told.push(line.clone());
        drop(told);
        self.listener.wrote(Stream::Log, &line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::sandbox::testing::Ear;

    #[test]
    fn refusals_are_told_once_each_and_few_of_them() {
        let ear = Arc::new(Ear::default());
        let listener: Arc<dyn Listener> = Arc::<Ear>::clone(&ear);
        let refusals = Refusals::new(&listener);
        for number in 0..1000 {
            refusals.log_once(&format!("{} {}", number / 2, "x".repeat(1000)));
        }
        let heard = ear.heard();
        assert_eq!(heard.len(), MAX_TOLD);
        assert!(heard[1].starts_with("Log warn cascade-host: 1 xxx") && heard[1].len() < 500, "{}", heard[1]);
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("grants").section("Finding the right grants").says(&format!("At most {MAX_TOLD} refusals"));
    }
}
