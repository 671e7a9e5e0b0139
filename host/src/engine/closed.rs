//! The outputs that a host has closed its run with.
//! `closing` makes them and keeps them here.

use crate::engine::finish::Outputs;
use crate::state::Token;

/// The outputs that a host has closed its run with.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    pub(crate) made: Option<(Token, Outputs)>,
    /// Whether the run has ended by them: only then they are those of the run.
    pub(crate) is_committed: bool,
}
