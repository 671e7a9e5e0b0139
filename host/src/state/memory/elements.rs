//! The stored state of one task's elements, in one slot each, so a million elements cost little more than their values.
//! Scheduling elements is left to the machine.

use crate::model::to_usize;
use crate::state::{CallDigest, Entry};

/// Stored elements by index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elements {
    // `Open` if nothing is stored.
    entries: Vec<Entry>,
    // The calls that the entries and iterations result from; `NO_CALL` if that is not known.
    calls: Vec<CallDigest>,
}

/// In place of a digest, which is never zero.
const NO_CALL: CallDigest = CallDigest([0; 16]);

impl Elements {
    /// Reserves capacity for this many elements at once, rather than by doubling.
    pub(crate) fn reserve(&mut self, items: u32) {
        self.entries.reserve_exact(to_usize(items).saturating_sub(self.entries.len()));
    }

    /// Stores the state of one element.
    pub(crate) fn insert(&mut self, item: u32, entry: Entry) {
        let idx = to_usize(item);
        if idx >= self.entries.len() {
            self.entries.resize(idx.saturating_add(1), Entry::Open);
        }
        if let Some(slot) = self.entries.get_mut(idx) {
            *slot = entry;
        }
    }

    /// Stores which call an element has made.
    pub(crate) fn record_call(&mut self, item: u32, call: CallDigest) {
        let idx = to_usize(item);
        if idx >= self.calls.len() {
            // As many as there are entries, at once. What is reserved takes no memory before it is written.
            self.calls.reserve_exact(self.entries.capacity().max(idx + 1).saturating_sub(self.calls.len()));
            self.calls.resize(idx.saturating_add(1), NO_CALL);
        }
        if let Some(slot) = self.calls.get_mut(idx) {
            *slot = call;
        }
    }

    /// Returns the call that an element has made; none if it is not known.
    pub(crate) fn call(&self, item: u32) -> Option<CallDigest> {
        self.calls.get(to_usize(item)).copied().filter(|call| *call != NO_CALL)
    }

    /// Returns the results alone, with their calls, and what is left out.
    pub(crate) fn results(&self) -> Self {
        let result = |entry: &Entry| match entry {
            kept @ (Entry::Done(_) | Entry::LeftOut(_)) => kept.clone(),
            Entry::Open | Entry::Skipped(_) | Entry::Failed(_) => Entry::Open,
        };
        Self { entries: self.entries.iter().map(result).collect(), calls: self.calls.clone() }
    }

    /// Returns the stored state of one element.
    pub(crate) fn get(&self, item: u32) -> &Entry {
        self.entries.get(to_usize(item)).unwrap_or(&Entry::Open)
    }

    /// Returns whether the state of an element is stored.
    pub(crate) fn has(&self, item: u32) -> bool {
        !matches!(self.get(item), Entry::Open)
    }

    /// Returns the elements with a stored state, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        (0..).zip(&self.entries).filter(|(_, entry)| !matches!(entry, Entry::Open))
    }
}
