//! Events of a run: one closed enum of facts, and the sinks that record them.
//! The engine decides what happens; `cli` shows facts to people.

mod event;
mod line;
mod batch_queue;
mod jsonl;
mod parse;
mod recorder;
#[cfg(test)]
mod manual;

pub use batch_queue::{BatchQueue, Taken};
pub use event::{CallFact, Event, Fact, FailureFact, HolderFact, ShortageFact, Subject};
pub use jsonl::{JsonLines, to_json_line};
pub use parse::{ReceivedEvent, from_json_line};
pub use recorder::{Recorder, Sink};
