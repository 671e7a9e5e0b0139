//! Nodes that may be handed out, best first: one lane for those that take no room, and one per class of demands.
//! Whether there is room for a node is for the machine.

use crate::model::TaskIdx;
use crate::state::NodeId;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Higher ranks first, and first come, first served among equals.
pub(crate) type Key = (Reverse<i64>, u64);

/// What stands in a lane of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A task itself.
    Task(TaskIdx),
    /// All elements of a task that may be handed out; they share one place, so that a list of any length costs one.
    Elements(TaskIdx),
}

/// Where something stands, so that it can be taken out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Among those that take no room.
    Fast(Key),
    /// In the lane of a class.
    Lane(u16, Key),
}

/// The lanes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    fast: BTreeMap<Key, NodeId>,
    lanes: BTreeMap<u16, BTreeMap<Key, Slot>>,
    // The first key of every lane: the best of all lanes is found without looking into each.
    heads: BTreeSet<(Key, u16)>,
    arrivals: u64,
}

impl Queue {
    /// Lines up a node that takes no room.
    pub(crate) fn push_fast(&mut self, rank: i64, node: NodeId) -> Place {
        let key = self.key(rank);
        self.fast.insert(key, node);
        Place::Fast(key)
    }

    /// Lines up what takes the room of its class.
    pub(crate) fn push(&mut self, class: u16, rank: i64, slot: Slot) -> Place {
        let key = self.key(rank);
        self.change(class, |lane| {
            lane.insert(key, slot);
        });
        Place::Lane(class, key)
    }

    /// Takes something out.
    pub(crate) fn remove(&mut self, place: Place) {
        match place {
            Place::Fast(key) => {
                self.fast.remove(&key);
            }
            Place::Lane(class, key) => self.change(class, |lane| {
                lane.remove(&key);
            }),
        }
    }

    /// Whether nobody that takes no room is lined up.
    pub(crate) fn is_fast_empty(&self) -> bool {
        self.fast.is_empty()
    }

    /// Takes out the best that takes no room.
    pub(crate) fn pop_fast(&mut self) -> Option<NodeId> {
        self.fast.pop_first().map(|(_, node)| node)
    }

    /// The best head of a lane, among those that come after `last`.
    pub(crate) fn head_after(&self, last: Option<Key>) -> Option<(Key, u16, Slot)> {
        let from = last.map_or(Bound::Unbounded, |last| Bound::Excluded((last, u16::MAX)));
        let (key, class) = self.heads.range((from, Bound::Unbounded)).next()?;
        let slot = self.lanes.get(class)?.get(key)?;
        Some((*key, *class, *slot))
    }

    /// What stands in a lane, best first.
    pub(crate) fn lane(&self, class: u16) -> impl Iterator<Item = Slot> {
        self.lanes.get(&class).into_iter().flat_map(BTreeMap::values).copied()
    }

    fn key(&mut self, rank: i64) -> Key {
        self.arrivals += 1;
        (Reverse(rank), self.arrivals)
    }

    fn change(&mut self, class: u16, change: impl FnOnce(&mut BTreeMap<Key, Slot>)) {
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

    fn task(at: u32) -> Slot {
        Slot::Task(TaskIdx::new(at))
    }

    #[test]
    fn the_best_head_comes_first_and_equals_in_the_order_of_arrival() {
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
        assert_eq!(queue.lane(1).collect::<Vec<_>>(), [task(2)]);
    }
}
