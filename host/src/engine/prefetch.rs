//! Prefetch: how many nodes to claim beyond the free slots, so that no slot waits for the ledger's reply.
//! `run_state` starts prefetched claims and returns those that wait too long.
//!
//! Prefetched nodes are unavailable to other hosts. So a host prefetches only if tasks are not much longer than a
//! round trip to the ledger. If the ledger is local, it does not prefetch at all. Otherwise it claims about twice as
//! many nodes as end during one round trip: half of them keep the slots busy until the reply, the other half are
//! replaced by it.

use std::time::Duration;

/// Shortest round trip that makes prefetching worthwhile.
const MIN_ROUND_TRIP: Duration = Duration::from_micros(50);

/// Longest task worth prefetching, in round trips. Beyond it, a slot that waits for a reply loses less than a tenth.
const MAX_TASK_TRIPS: u32 = 10;

/// Longest wait of a claim for a slot before it is returned: a number of round trips, but at least the minimum.
const MAX_WAIT_TRIPS: u32 = 20;
const MIN_MAX_WAIT: Duration = Duration::from_millis(20);

/// Moving averages of the ledger's round trip and of the time that a task keeps its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PrefetchPolicy {
    /// Most claims that one commit hands out, with a slot or prefetched.
    max_claims: u32,
    round_trip: Option<Duration>,
    task: Option<Duration>,
}

impl PrefetchPolicy {
    /// A policy without measurements, for a ledger with this [`crate::state::Ledger::max_claims`].
    pub(crate) const fn new(max_claims: u32) -> Self {
        Self { max_claims, round_trip: None, task: None }
    }

    /// Records a round trip to the ledger; none if the reply came at once.
    pub(crate) fn record_round_trip(&mut self, took: Option<Duration>) {
        self.round_trip = took.map(|took| smoothed(self.round_trip, took));
    }

    /// Returns whether the round trip is long enough for prefetching, so that tasks must be timed.
    pub(crate) fn is_worthwhile(&self) -> bool {
        self.round_trip.is_some_and(|trip| trip >= MIN_ROUND_TRIP)
    }

    /// Records how long a task kept its slot.
    pub(crate) fn record_task(&mut self, took: Duration) {
        self.task = Some(smoothed(self.task, took));
    }

    /// Records that prefetched claims waited too long and were returned: tasks are now assumed to be long.
    pub(crate) fn record_stall(&mut self) {
        self.task = Some(self.max_wait().saturating_mul(MAX_TASK_TRIPS));
    }

    /// Returns the number of nodes to claim beyond the slots. Both together never exceed what one commit hands out.
    pub(crate) fn prefetch_count(&self, slots: u32) -> u32 {
        let (Some(trip), Some(task)) = (self.round_trip, self.task) else {
            return 0;
        };
        if !self.is_worthwhile() || task > trip * MAX_TASK_TRIPS {
            return 0;
        }
        let ending = (2 * trip.as_nanos() * u128::from(slots)).div_ceil(task.as_nanos().max(1));
        u32::try_from(ending).unwrap_or(u32::MAX).min(self.max_claims.saturating_sub(slots))
    }

    /// Returns how long a claim may wait for a slot.
    pub(crate) fn max_wait(&self) -> Duration {
        self.round_trip.map_or(MIN_MAX_WAIT, |trip| (trip * MAX_WAIT_TRIPS).max(MIN_MAX_WAIT))
    }
}

/// Returns a moving average in which the newest value counts one eighth.
fn smoothed(before: Option<Duration>, newest: Duration) -> Duration {
    before.map_or(newest, |before| (before.saturating_mul(7).saturating_add(newest)) / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(trip: Duration, task: Duration) -> PrefetchPolicy {
        let mut policy = PrefetchPolicy::new(1000);
        policy.record_round_trip(Some(trip));
        policy.record_task(task);
        policy
    }

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn prefetch_is_twice_the_number_of_tasks_that_end_in_a_round_trip() {
        assert_eq!(policy(MILLISECOND * 2, MILLISECOND).prefetch_count(4), 16);
        assert_eq!(policy(MILLISECOND, MILLISECOND * 10).prefetch_count(1), 1);
    }

    #[test]
    fn prefetch_and_slots_fit_in_one_commit() {
        let policy = policy(MILLISECOND * 10, Duration::ZERO);
        assert_eq!([4, 1000, 2000].map(|slots| policy.prefetch_count(slots)), [996, 0, 0]);
    }

    #[test]
    fn nothing_is_prefetched_for_long_tasks_short_round_trips_or_without_measurements() {
        assert_eq!(policy(MILLISECOND, MILLISECOND * 11).prefetch_count(64), 0);
        assert_eq!(policy(Duration::from_micros(10), Duration::from_micros(10)).prefetch_count(64), 0);
        assert_eq!(PrefetchPolicy::new(1000).prefetch_count(64), 0);
    }

    #[test]
    fn nothing_is_prefetched_after_a_stall_until_tasks_are_short_again() {
        let mut policy = policy(MILLISECOND, MILLISECOND);
        policy.record_stall();
        assert_eq!(policy.prefetch_count(4), 0);
        (0..30).for_each(|_| policy.record_task(MILLISECOND));
        assert!(policy.prefetch_count(4) > 0);
    }
}
