//! A claim with its outcome, to be committed next.
//! Jobs create it; `run_state` commits it.

use crate::events::Fact;
use crate::state::{Claim, Outcome};

/// A claim with its outcome, and the facts to emit after the commit.
pub(crate) struct Settled {
    pub(crate) claim: Claim,
    pub(crate) outcome: Outcome,
    pub(crate) facts: Vec<Fact>,
}
