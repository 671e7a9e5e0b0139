//! The heads of the lanes while nodes are handed out: which entry is next, and which ones are passed over.
//! `hand_out` decides which nodes a host may take.

use crate::state::memory::queue::{Key, Queue, Slot};
use std::collections::BTreeMap;

/// Most nodes of a class that one reply passes over because they are left to a larger host. The script has the same number.
pub(crate) const MAX_PASSED: usize = 16;

/// An entry that is next in its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) key: Key,
    pub(crate) class: u16,
    pub(crate) slot: Slot,
}

/// The heads of the lanes that are not blocked.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    /// The last head of the queue that is blocked or passed over. Heads before it are, too.
    last: Option<Key>,
    /// The next entries of lanes whose heads are passed over, with the number of those.
    behind: BTreeMap<Key, (u16, usize)>,
}

impl Heads {
    /// Returns the best head.
    pub(crate) fn best(&self, queue: &Queue) -> Option<Head> {
        let first = queue.head_after(self.last).map(|(key, class, slot)| Head { key, class, slot });
        let behind = self.behind.first_key_value().and_then(|(key, (class, _))| {
            let slot = queue.lane_from(*class, *key).next().filter(|(found, _)| found == key)?.1;
            Some(Head { key: *key, class: *class, slot })
        });
        match (first, behind) {
            (Some(first), Some(behind)) => Some(if first.key < behind.key { first } else { behind }),
            (first, behind) => first.or(behind),
        }
    }

    /// Goes on behind a head that is left to a larger host. Returns false if too many were passed over: then its lane is
    /// blocked.
    pub(crate) fn pass_over(&mut self, queue: &Queue, head: Head) -> bool {
        let passed = self.remove(head);
        if passed < MAX_PASSED {
            let next = queue.lane_from(head.class, head.key).find(|(key, _)| *key > head.key);
            self.behind.extend(next.map(|(key, _)| (key, (head.class, passed + 1))));
        }
        passed < MAX_PASSED
    }

    /// Blocks the lane of a head.
    pub(crate) fn block(&mut self, head: Head) {
        self.remove(head);
    }

    /// Goes on after a node of a head was taken: with the same entry, or if that is gone, with the one behind it.
    pub(crate) fn move_on(&mut self, queue: &Queue, head: Head) {
        if let Some((class, passed)) = self.behind.remove(&head.key) {
            let next = queue.lane_from(class, head.key).next();
            self.behind.extend(next.map(|(key, _)| (key, (class, passed))));
        }
    }

    /// Removes a head, and returns how many entries of its lane were passed over before it.
    fn remove(&mut self, head: Head) -> usize {
        match self.behind.remove(&head.key) {
            Some((_, passed)) => passed,
            None => {
                self.last = Some(head.key);
                0
            }
        }
    }
}
