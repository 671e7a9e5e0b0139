//! Outputs with which this host closed its run.
//! `closing` computes them and stores them here.

use crate::engine::finish::Outputs;
use crate::state::Token;

/// Outputs with which this host closed its run.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// The outputs, and the token of the claim that closes the run.
    pub(crate) computed: Option<(Token, Outputs)>,
    /// Whether the settlement that closes the run is committed. Only then these are the outputs of the run.
    pub(crate) is_committed: bool,
}
