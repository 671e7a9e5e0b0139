//! The queue of claimable nodes, best first: one lane for nodes without a slot, and one per resource class.
//! Admission is left to `hand_out.rs`.

use crate::state::NodeId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Queue order: higher ranks first, then by arrival.
pub(crate) type Key = (Reverse<i64>, u64);

/// An entry of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A node. In the lane of a class, a task itself.
    Node(NodeId),
    /// All elements of a node that may be handed out. They share one entry, whatever their number.
    Elements(NodeId),
}

/// The position of an entry, for removing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Among the nodes that need no slot.
    Fast(Key),
    /// In the lane of a class.
    Lane(u16, Key),
}

/// The lanes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    fast: BTreeMap<Key, Slot>,
    lanes: BTreeMap<u16, BTreeMap<Key, Slot>>,
    // The first key of every lane, to find the best head without looking into each lane.
    heads: BTreeSet<(Key, u16)>,
    arrivals: u64,
}

impl Queue {
    /// Queues an entry that needs no slot.
    pub(crate) fn push_fast(&mut self, rank: i64, slot: Slot) -> Position {
        let key = self.key(rank);
        self.fast.insert(key, slot);
        Position::Fast(key)
    }

    /// Queues an entry in the lane of its class.
    pub(crate) fn push(&mut self, class: u16, rank: i64, slot: Slot) -> Position {
        let key = self.key(rank);
        self.change(class, |lane| {
            lane.insert(key, slot);
        });
        Position::Lane(class, key)
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, position: Position) {
        match position {
            Position::Fast(key) => {
                self.fast.remove(&key);
            }
            Position::Lane(class, key) => self.change(class, |lane| {
                lane.remove(&key);
            }),
        }
    }

    /// Returns whether no node without a slot is queued.
    pub(crate) fn is_fast_empty(&self) -> bool {
        self.fast.is_empty()
    }

    /// Returns the best entry that needs no slot.
    pub(crate) fn first_fast(&self) -> Option<Slot> {
        self.fast.first_key_value().map(|(_, slot)| *slot)
    }

    /// Returns the best head of the lanes, after the key `last`.
    pub(crate) fn head_after(&self, last: Option<Key>) -> Option<(Key, u16, Slot)> {
        let from = last.map_or(Bound::Unbounded, |last| Bound::Excluded((last, u16::MAX)));
        let (key, class) = self.heads.range((from, Bound::Unbounded)).next()?;
        let slot = self.lanes.get(class)?.get(key)?;
        Some((*key, *class, *slot))
    }

    /// Returns the entries of a lane from a key on, best first.
    pub(crate) fn lane_from(&self, class: u16, key: Key) -> impl Iterator<Item = (Key, Slot)> {
        let lane = self.lanes.get(&class).into_iter();
        lane.flat_map(move |lane| lane.range(key..)).map(|(key, slot)| (*key, *slot))
    }

    fn key(&mut self, rank: i64) -> Key {
        self.arrivals += 1;
        (Reverse(rank), self.arrivals)
    }

    fn change(&mut self, class: u16, change: impl FnOnce(&mut BTreeMap<Key, Slot>)) {
        // The heads change only if the first key of the lane does.
        let lane = self.lanes.entry(class).or_default();
        let before = lane.first_key_value().map(|(key, _)| *key);
        change(lane);
        let after = lane.first_key_value().map(|(key, _)| *key);
        if before != after {
            if let Some(key) = before {
                self.heads.remove(&(key, class));
            }
            self.heads.extend(after.map(|key| (key, class)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaskIdx;

    fn task(idx: u32) -> Slot {
        Slot::Node(NodeId::of_task(TaskIdx::new(idx)))
    }

    #[test]
    fn best_head_comes_first_and_equal_ranks_keep_arrival_order() {
        let mut queue = Queue::default();
        let first = queue.push(1, 0, task(0));
        queue.push(2, 5, task(1));
        queue.push(1, 0, task(2));
        let (best, _, slot) = queue.head_after(None).unwrap();
        assert_eq!(slot, task(1));
        let (_, class, slot) = queue.head_after(Some(best)).unwrap();
        assert_eq!((class, slot), (1, task(0)));
        queue.remove(first);
        assert_eq!(queue.head_after(Some(best)).unwrap().2, task(2));
        assert_eq!(queue.lane_from(1, best).map(|(_, slot)| slot).collect::<Vec<_>>(), [task(2)]);
    }
}
