//! A claim with its outcome, on its way to the next commit.
//! Jobs make it; `run_state` commits it.

use crate::events::Fact;
use crate::state::{Claim, Outcome};

/// A claim with its outcome, and the facts to emit once that is committed.
pub(crate) struct Settled {
    pub(crate) claim: Claim,
    pub(crate) outcome: Outcome,
    pub(crate) facts: Vec<Fact>,
}
