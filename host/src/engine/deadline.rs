//! Deadlines as this host sees them: when that of a claim passes, and that of the run.
//! The ledger keeps the clocks. `overdue` ends nodes.

use crate::state::Claim;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// When the run's deadline passes, as far as the ledger has said.
#[derive(Debug, Default)]
pub(crate) struct RunDeadline(Mutex<Option<Instant>>);

impl RunDeadline {
    /// Records the time that the ledger says is left.
    pub(crate) fn set(&self, left: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            left.and_then(|left| Instant::now().checked_add(left));
    }

    /// Returns when it passes.
    pub(crate) fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns when the deadline of a claim passes by this host's clock. It has the time since the ledger's reply subtracted.
pub(crate) fn due(claim: &Claim) -> Option<Instant> {
    Instant::now().checked_add(claim.deadline?.left)
}

/// Takes the time that a claim has waited for its start from what its deadline leaves.
pub(crate) fn subtract_wait(claim: &mut Claim, since: Option<Instant>) {
    if let (Some(deadline), Some(since)) = (&mut claim.deadline, since) {
        deadline.left = deadline.left.saturating_sub(since.elapsed());
    }
}
