//! Claims of this host that wait for their turn at a reserved resource.
//! `turn` has their jobs wait; `dispatch` asks for no more claims of a kind while enough of them wait.

use crate::state::Token;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Waiting claims, each with the positions of the resources that it needs.
#[derive(Default)]
pub(crate) struct Queueing(FxHashMap<Token, Arc<[usize]>>);

impl Queueing {
    /// Adds a claim whose job begins to wait.
    pub(crate) fn add(&mut self, token: Token, resources: Arc<[usize]>) {
        self.0.insert(token, resources);
    }

    /// Removes a claim that waits no longer.
    pub(crate) fn remove(&mut self, token: Token) {
        if !self.0.is_empty() {
            self.0.remove(&token);
        }
    }

    /// Returns the number of waiting claims.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes away the free amounts of resources for which at least `max` claims wait, so that the ledger hands out other nodes.
    pub(crate) fn close(&self, free: &mut [u32], max: u32) {
        if self.0.is_empty() {
            return;
        }
        for (position, free) in free.iter_mut().enumerate() {
            let waiting = self.0.values().filter(|resources| resources.contains(&position)).count();
            if u32::try_from(waiting).unwrap_or(u32::MAX) >= max {
                *free = 0;
            }
        }
    }
}
