//! How far ahead of its guests a host claims: so far that none of its places waits for an answer, and no further.
//! What is claimed ahead is begun, and given back, by `run_state`.
//!
//! What a host has claimed and not begun with, others cannot have. So only tasks that take not much longer than an answer
//! of the ledger are claimed ahead, and none where the ledger is at hand. While an answer is under way its places are to
//! have work, and what the answer brings is as much again: so it claims about twice as many as end in the meantime.

use std::time::Duration;

/// Answers that come sooner are not worth it.
const MIN_ROUND_TRIP: Duration = Duration::from_micros(50);

/// How many times as long as an answer tasks may take: beyond, a place that waits for one loses less than a tenth.
const MAX_TASK_TRIPS: u32 = 10;

/// The most claims ahead: with the places they stay within what one plain step of the Redis scripts takes.
const MAX_PREFETCH: u32 = 896;

/// How many trips a claim may wait, and how long at least, before it is left to others.
const MAX_WAIT_TRIPS: u32 = 20;
const MIN_MAX_WAIT: Duration = Duration::from_millis(20);

/// What answers and tasks took of late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PrefetchPolicy {
    round_trip: Option<Duration>,
    task: Option<Duration>,
}

impl PrefetchPolicy {
    /// An answer of the ledger took so long; none where it came at once.
    pub(crate) fn record_round_trip(&mut self, took: Option<Duration>) {
        self.round_trip = took.map(|took| smoothed(self.round_trip, took));
    }

    /// Whether it is worth while to know what tasks take.
    pub(crate) fn is_worthwhile(&self) -> bool {
        self.round_trip.is_some_and(|trip| trip >= MIN_ROUND_TRIP)
    }

    /// A task kept its place for so long.
    pub(crate) fn record_task(&mut self, took: Duration) {
        self.task = Some(smoothed(self.task, took));
    }

    /// What was claimed ahead has waited for too long and is given back: the tasks that are there are longer.
    pub(crate) fn record_stall(&mut self) {
        self.task = Some(self.max_wait().saturating_mul(MAX_TASK_TRIPS));
    }

    /// How many to claim besides those that have a place.
    pub(crate) fn prefetch_count(&self, places: u32) -> u32 {
        let (Some(trip), Some(task)) = (self.round_trip, self.task) else {
            return 0;
        };
        if !self.is_worthwhile() || task > trip * MAX_TASK_TRIPS {
            return 0;
        }
        let ending = (2 * trip.as_nanos() * u128::from(places)).div_ceil(task.as_nanos().max(1));
        u32::try_from(ending).unwrap_or(MAX_PREFETCH).min(MAX_PREFETCH)
    }

    /// How long a claim may wait for a place.
    pub(crate) fn max_wait(&self) -> Duration {
        self.round_trip.map_or(MIN_MAX_WAIT, |trip| (trip * MAX_WAIT_TRIPS).max(MIN_MAX_WAIT))
    }
}

/// An average in which the newest counts an eighth.
fn smoothed(before: Option<Duration>, newest: Duration) -> Duration {
    before.map_or(newest, |before| (before.saturating_mul(7).saturating_add(newest)) / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(trip: Duration, task: Duration) -> PrefetchPolicy {
        let mut pace = PrefetchPolicy::default();
        pace.record_round_trip(Some(trip));
        pace.record_task(task);
        pace
    }

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn twice_as_many_are_claimed_ahead_as_end_within_an_answer() {
        assert_eq!(pace(MILLISECOND * 2, MILLISECOND).prefetch_count(4), 16);
        assert_eq!(pace(MILLISECOND, MILLISECOND * 10).prefetch_count(1), 1);
        assert_eq!(pace(MILLISECOND * 10, Duration::ZERO).prefetch_count(4), MAX_PREFETCH);
    }

    #[test]
    fn none_is_claimed_ahead_where_that_brings_little_or_nothing_is_known() {
        assert_eq!(pace(MILLISECOND, MILLISECOND * 11).prefetch_count(64), 0);
        assert_eq!(pace(Duration::from_micros(10), Duration::from_micros(10)).prefetch_count(64), 0);
        assert_eq!(PrefetchPolicy::default().prefetch_count(64), 0);
    }

    #[test]
    fn none_is_claimed_ahead_after_a_stall_until_tasks_are_short_again() {
        let mut pace = pace(MILLISECOND, MILLISECOND);
        pace.record_stall();
        assert_eq!(pace.prefetch_count(4), 0);
        (0..30).for_each(|_| pace.record_task(MILLISECOND));
        assert!(pace.prefetch_count(4) > 0);
    }
}
