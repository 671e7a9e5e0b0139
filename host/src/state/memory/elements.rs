//! The stored state of one task's elements, in one slot each, so a million elements cost little more than their values.
//! Scheduling elements is left to the machine.

use crate::model::to_usize;
use crate::state::Entry;

/// Stored elements by index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elements {
    // `Open` if nothing is stored.
    entries: Vec<Entry>,
}

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

impl FromIterator<(u32, Entry)> for Elements {
    fn from_iter<T: IntoIterator<Item = (u32, Entry)>>(stored: T) -> Self {
        let mut elements = Self::default();
        stored.into_iter().for_each(|(item, entry)| elements.insert(item, entry));
        elements
    }
}
