//! The timeline of a run: when attempts ran, in lanes by host. A lane is what one slot of the host did.
//! Slots are not stored: attempts that overlap get different lanes, as few as suffice.

use crate::state::HostId;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Attempts that are kept. Of a run with more, the shortest are dropped.
pub(crate) const MAX_SPANS: usize = 1_000_000;

/// An attempt, on its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    /// Start and end, in microseconds since 1970.
    pub start: i64,
    /// The end.
    pub end: i64,
    /// Position of the host.
    pub host: u32,
    /// Position of the task in the plan.
    pub task: u32,
    /// Lane of the host, from zero.
    pub lane: u32,
    /// The last index in the name of the node, if it has any.
    pub item: Option<u32>,
    /// Time from being handed out to the start, in microseconds.
    pub waited: u32,
    /// Peak memory, in bytes; zero if it is not known.
    pub memory: u64,
    /// Whether the attempt failed.
    pub has_failed: bool,
}

/// The attempts of a run by time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Timeline {
    /// The hosts, in the order of their first attempt.
    pub hosts: Vec<HostId>,
    /// Number of lanes of each host.
    pub lanes: Vec<u32>,
    /// The attempts, by start.
    pub spans: Vec<Span>,
    /// How many are not there.
    pub dropped: u64,
    numbers: HashMap<HostId, u32>,
}

impl Timeline {
    /// Adds an attempt of a host.
    pub(crate) fn add(&mut self, host: &HostId, span: Span) {
        if self.spans.len() >= MAX_SPANS + MAX_SPANS / 4 {
            self.drop_shortest();
        }
        let number = match self.numbers.get(host) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
                self.hosts.push(host.clone());
                self.numbers.insert(host.clone(), number);
                number
            }
        };
        self.spans.push(Span { host: number, end: span.end.max(span.start), ..span });
    }

    /// Gives each attempt its lane.
    pub(crate) fn finish(&mut self) {
        if self.spans.len() > MAX_SPANS {
            self.drop_shortest();
        }
        self.spans.sort_by_key(|span| (span.start, span.end));
        let mut hosts: Vec<Lanes> = self.hosts.iter().map(|_| Lanes::default()).collect();
        for span in &mut self.spans {
            let host = usize::try_from(span.host).ok().and_then(|host| hosts.get_mut(host));
            span.lane = host.map_or(0, |lanes| lanes.take(span.start, span.end));
        }
        self.lanes = hosts.into_iter().map(|lanes| lanes.count).collect();
    }

    fn drop_shortest(&mut self) {
        self.spans.sort_by_key(|span| Reverse(span.end - span.start));
        self.dropped += u64::try_from(self.spans.len().saturating_sub(MAX_SPANS)).unwrap_or(0);
        self.spans.truncate(MAX_SPANS);
    }
}

/// The lanes of one host.
#[derive(Default)]
struct Lanes {
    count: u32,
    /// Lanes in use, by the end of their attempt.
    busy: BinaryHeap<Reverse<(i64, u32)>>,
    /// Lanes that are free, the lowest first.
    free: BinaryHeap<Reverse<u32>>,
}

impl Lanes {
    fn take(&mut self, start: i64, end: i64) -> u32 {
        while let Some(Reverse((until, lane))) = self.busy.peek().copied() {
            if until > start {
                break;
            }
            self.busy.pop();
            self.free.push(Reverse(lane));
        }
        let lane = self.free.pop().map_or_else(
            || {
                self.count += 1;
                self.count - 1
            },
            |Reverse(lane)| lane,
        );
        self.busy.push(Reverse((end, lane)));
        lane
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_that_overlap_have_different_lanes() {
        let mut timeline = Timeline::default();
        for (host, start, end) in
            [("b", 5, 9), ("a", 0, 4), ("a", 1, 3), ("a", 3, 8), ("a", 4, 5), ("a", 8, 8)]
        {
            let span = Span { start, end, ..Span::default() };
            timeline.add(&HostId(host.into()), span);
        }
        timeline.finish();
        let lanes: Vec<_> = timeline.spans.iter().map(|span| (span.host, span.start, span.lane)).collect();
        assert_eq!(lanes, [(1, 0, 0), (1, 1, 1), (1, 3, 1), (1, 4, 0), (0, 5, 0), (1, 8, 0)]);
        assert_eq!(timeline.lanes, [1, 2]);
    }
}
