//! Notes of hosts about nodes: what happened to each, when, where and why.
//! The ledger decides what has ended; `journal.rs` stores the notes.

mod note;
mod form;
mod history;

pub use history::MAX_FAILED_ATTEMPTS;
pub(crate) use history::keep;
pub use note::{EpochNote, EpochStart, Note, NotedCall, NotesPage, Phase, Usage};
