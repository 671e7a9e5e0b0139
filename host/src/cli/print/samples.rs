//! Sample events for the tests of `cli`.
//! Events that only one test needs are built in that test.

use crate::events::{Event, Fact, Subject};
use crate::model::{TaskName, Timestamp};

/// Returns a fact of the run.
pub(crate) fn run(fact: Fact) -> Event {
    Event { at: Timestamp::from_millis(0), subject: None, fact }
}

/// Returns a fact of a task.
pub(crate) fn task(name: &str, fact: Fact) -> Event {
    about(name, None, fact)
}

/// Returns a fact of an element of a `for-each`.
pub(crate) fn element(name: &str, item: u32, fact: Fact) -> Event {
    about(name, Some(item), fact)
}

/// Returns the fact of a finished task.
pub(crate) fn finished() -> Fact {
    Fact::TaskFinished {
        duration_ms: 1.234,
        output_bytes: 1_536,
        memory_bytes: 1 << 20,
        fuel: None,
        iterations: None,
    }
}

/// Returns a fact of an iteration of a task that repeats.
pub(crate) fn iteration(name: &str, iteration: u32, fact: Fact) -> Event {
    let mut event = task(name, fact);
    event.subject.iter_mut().for_each(|subject| subject.iteration = Some(iteration));
    event
}

fn about(name: &str, item: Option<u32>, fact: Fact) -> Event {
    let subject = Subject { task: TaskName::of_node(name).unwrap(), item, iteration: None, attempt: Some(1) };
    Event { at: Timestamp::from_millis(0), subject: Some(subject), fact }
}
