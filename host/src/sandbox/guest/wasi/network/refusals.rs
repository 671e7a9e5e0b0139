//! What the operator is told of requests that were refused: each once, with the line that would allow it.
//! What the guest is told is for whoever refuses.

use crate::invoke::{Listener, Stream};
use crate::model::excerpt;
use std::sync::{Arc, Mutex, PoisonError};

/// Refusals that are told of one call: a guest that tries all ports of a machine fills no log.
const MAX_TOLD: usize = 16;

/// The most characters of a refusal that a guest has a say in.
const MAX_TEXT: usize = 400;

/// Tells refusals in the guest's log.
#[derive(Clone)]
pub(crate) struct Refusals {
    listener: Arc<dyn Listener>,
    // A mutex because requests run beside the guest; the section is a search in a few lines.
    told: Arc<Mutex<Vec<String>>>,
}

impl Refusals {
    /// Nothing refused yet.
    pub(crate) fn new(listener: &Arc<dyn Listener>) -> Self {
        Self { listener: Arc::clone(listener), told: Arc::default() }
    }

    /// Tells a refusal, unless it was told.
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
