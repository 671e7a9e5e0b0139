//! Which calls results are of: a list with one entry per commit, 20 bytes per element of it.
//! `layout` decides by it what a changed plan is offered.

use crate::model::{IndexPath, TaskIdx};
use crate::state::redis::run::formats::CALL_BYTES;
use crate::state::{CallDigest, NodeId};

/// The version of an entry.
const VERSION: u8 = 1;

/// Most nodes of an entry that is written when a run begins.
pub(crate) const PAGE: usize = 1000;

/// Encodes an entry: a version, then per group of nodes the task, the number of indexes, all but the last one, and how many
/// nodes follow, each with its last index and its call. A task itself has only the call.
pub(crate) fn encode(calls: &[(NodeId, CallDigest)]) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    let is_group = |(one, _): &(NodeId, CallDigest), (next, _): &(NodeId, CallDigest)| {
        one.task == next.task && one.at.level() > 0 && one.parent() == next.parent()
    };
    for group in calls.chunk_by(is_group).flat_map(|group| group.chunks(usize::from(u16::MAX))) {
        let Some((first, call)) = group.first() else { continue };
        bytes.extend(first.task.get().to_be_bytes());
        bytes.push(u8::try_from(first.at.level()).unwrap_or(u8::MAX));
        let Some((around, _)) = first.at.split_last() else {
            bytes.extend(call.0);
            continue;
        };
        bytes.extend(around.as_slice().iter().flat_map(|index| index.to_be_bytes()));
        bytes.extend(u16::try_from(group.len()).unwrap_or(u16::MAX).to_be_bytes());
        for (node, call) in group {
            bytes.extend(node.at.last().unwrap_or(0).to_be_bytes());
            bytes.extend(call.0);
        }
    }
    bytes
}

/// Calls `visit` with each node of an entry and its call. What is damaged, or of another version, is left out.
pub(crate) fn decode(bytes: &[u8], visit: &mut impl FnMut(NodeId, CallDigest)) {
    let Some((&VERSION, mut rest)) = bytes.split_first() else { return };
    while !rest.is_empty() {
        let Some(after) = group(rest, visit) else { return };
        rest = after;
    }
}

/// Reads one group, and returns what follows.
fn group<'b>(bytes: &'b [u8], visit: &mut impl FnMut(NodeId, CallDigest)) -> Option<&'b [u8]> {
    let (task, rest) = number(bytes)?;
    let task = TaskIdx::new(task);
    let (level, mut rest) = rest.split_first()?;
    let Some(outer) = level.checked_sub(1) else {
        let (call, rest) = rest.split_first_chunk::<CALL_BYTES>()?;
        visit(NodeId::of_task(task), CallDigest(*call));
        return Some(rest);
    };
    let mut indexes = Vec::with_capacity(usize::from(outer));
    for _ in 0..outer {
        let (index, after) = number(rest)?;
        indexes.push(index);
        rest = after;
    }
    // One more index must fit.
    let around = IndexPath::new(&indexes).filter(|around| around.level() < IndexPath::MAX_LEN)?;
    let (count, mut rest) = rest.split_first_chunk::<2>()?;
    for _ in 0..u16::from_be_bytes(*count) {
        let (index, after) = number(rest)?;
        let (call, after) = after.split_first_chunk::<CALL_BYTES>()?;
        visit(NodeId { task, at: around.child(index) }, CallDigest(*call));
        rest = after;
    }
    Some(rest)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    bytes.split_first_chunk::<4>().map(|(number, rest)| (u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: u8) -> CallDigest {
        CallDigest([number; CALL_BYTES])
    }

    fn decoded(bytes: &[u8]) -> Vec<(NodeId, CallDigest)> {
        let mut found = Vec::new();
        decode(bytes, &mut |node, call| found.push((node, call)));
        found
    }

    #[test]
    fn entries_round_trip_and_take_20_bytes_per_element() {
        let task = |number| NodeId::of_task(TaskIdx::new(number));
        let elements = (0..70_000).map(|item| (task(3).child(item), call(1)));
        let mut calls = vec![(task(1), call(2)), (task(2), call(3)), (task(3), call(4))];
        calls.extend(elements);
        calls.extend([(task(4).child(1).child(7), call(5)), (task(4).child(2).child(7), call(6))]);
        let bytes = encode(&calls);
        assert_eq!(decoded(&bytes), calls);
        assert!(bytes.len() < 20 * calls.len() + 100, "{}", bytes.len());
    }

    #[test]
    fn damaged_entries_are_read_as_far_as_they_go() {
        let calls =
            [(NodeId::element(TaskIdx::new(1), 2), call(1)), (NodeId::of_task(TaskIdx::new(2)), call(2))];
        let bytes = encode(&calls);
        for end in 0..bytes.len() {
            assert!(calls.starts_with(&decoded(&bytes[..end])), "{end}");
        }
        assert_eq!(decoded(&[&[VERSION + 1], &bytes[1..]].concat()), []);
        assert_eq!(decoded(&[VERSION, 0, 0, 0, 1, 200, 1, 2, 3]), []);
    }
}
