//! The stored state of one task's elements, in one slot each, so a million elements cost little more than their values.
//! Scheduling elements is left to the machine.

use crate::model::to_usize;
use crate::state::{CallDigest, Entry};
use bytes::Bytes;

/// Stored elements by index.
#[derive(Debug, Clone, Default)]
pub(crate) struct Elements {
    slots: Vec<Slot>,
    // The calls that the results and iterations come from; `NO_CALL` if that is not known.
    calls: Vec<CallDigest>,
}

/// In place of a digest, which is never zero.
const NO_CALL: CallDigest = CallDigest([0; 16]);

/// Longest result that is copied rather than shared. A shared one costs some 100 bytes more.
const MAX_SHORT: usize = 512;

/// The stored state of an element, in two words.
#[derive(Debug, Clone)]
enum Slot {
    /// Done, with a short result. Each reader gets a copy.
    Short(Box<[u8]>),
    /// Any other state; none if nothing is stored.
    Other(Option<Box<Entry>>),
}

const _: () = assert!(size_of::<Slot>() == 2 * size_of::<usize>());

impl Slot {
    const OPEN: Self = Self::Other(None);

    fn new(entry: Entry) -> Self {
        match entry {
            Entry::Open => Self::OPEN,
            Entry::Done(result) if result.len() <= MAX_SHORT => Self::Short(Box::from(&*result)),
            entry => Self::Other(Some(Box::new(entry))),
        }
    }

    fn entry(&self) -> Entry {
        match self {
            Self::Short(result) => Entry::Done(Bytes::copy_from_slice(result)),
            Self::Other(Some(entry)) => Entry::clone(entry),
            Self::Other(None) => Entry::Open,
        }
    }

    fn is_open(&self) -> bool {
        matches!(self, Self::Other(None))
    }

    /// Returns whether a result or a hole is stored.
    fn is_result(&self) -> bool {
        match self {
            Self::Short(_) => true,
            Self::Other(entry) => {
                matches!(entry.as_deref(), Some(Entry::Done(_) | Entry::LeftOut(_)))
            }
        }
    }
}

impl Elements {
    /// Reserves capacity for this many elements at once, rather than by doubling.
    pub(crate) fn reserve(&mut self, items: u32) {
        self.slots.reserve_exact(to_usize(items).saturating_sub(self.slots.len()));
    }

    /// Stores the state of one element.
    pub(crate) fn insert(&mut self, item: u32, entry: Entry) {
        let idx = to_usize(item);
        if idx >= self.slots.len() {
            self.slots.resize(idx.saturating_add(1), Slot::OPEN);
        }
        if let Some(slot) = self.slots.get_mut(idx) {
            *slot = Slot::new(entry);
        }
    }

    /// Stores which call an element has made.
    pub(crate) fn record_call(&mut self, item: u32, call: CallDigest) {
        let idx = to_usize(item);
        if idx >= self.calls.len() {
            // As many as there are elements, at once. What is reserved takes no memory before it is written.
            self.calls.reserve_exact(self.slots.capacity().max(idx + 1).saturating_sub(self.calls.len()));
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
        let result = |slot: &Slot| if slot.is_result() { slot.clone() } else { Slot::OPEN };
        Self { slots: self.slots.iter().map(result).collect(), calls: self.calls.clone() }
    }

    /// Returns the stored state of one element.
    pub(crate) fn get(&self, item: u32) -> Entry {
        self.slots.get(to_usize(item)).map_or(Entry::Open, Slot::entry)
    }

    /// Returns whether the state of an element is stored.
    pub(crate) fn has(&self, item: u32) -> bool {
        self.slots.get(to_usize(item)).is_some_and(|slot| !slot.is_open())
    }

    /// Returns how many of the first `items` elements have a stored state.
    pub(crate) fn count(&self, items: u32) -> usize {
        self.slots.iter().take(to_usize(items)).filter(|slot| !slot.is_open()).count()
    }

    /// Returns the elements with a stored state, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Entry)> {
        (0..).zip(&self.slots).filter(|(_, slot)| !slot.is_open()).map(|(item, slot)| (item, slot.entry()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_as_they_were_stored() {
        let mut elements = Elements::default();
        let sizes = [0, 1, MAX_SHORT, MAX_SHORT + 1, 100_000];
        for (item, size) in (0..).step_by(2).zip(sizes) {
            elements.insert(item, Entry::Done(vec![7; size].into()));
        }
        elements.insert(11, Entry::Failed(Bytes::from_static(b"record")));
        let stored: Vec<u32> = elements.iter().map(|(item, _)| item).collect();
        assert_eq!(stored, [0, 2, 4, 6, 8, 11]);
        assert_eq!((elements.count(3), elements.count(u32::MAX)), (2, 6));
        for (item, size) in (0..).step_by(2).zip(sizes) {
            assert_eq!(elements.get(item), Entry::Done(vec![7; size].into()));
            assert_eq!(elements.get(item + 1), Entry::Open);
            assert!(elements.has(item) && !elements.has(item + 1));
        }
        let kept = elements.results();
        assert_eq!((kept.get(11), kept.count(u32::MAX)), (Entry::Open, 5));
        elements.insert(8, Entry::Open);
        assert!(!elements.has(8));
    }
}
