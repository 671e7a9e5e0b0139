//! The clocks of deadlines: when they begin to run, and when they pass.
//! What becomes of nodes then is in `overdue.rs`.

use crate::model::{TaskIdx, to_usize};
use crate::state::{DeadlineScope, RunShape};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::time::Duration;

/// The clocks of one life.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    pub(crate) clocks: Vec<Clock>,
    /// Clocks that run, by the time at which they pass.
    due: BTreeSet<(Duration, u32)>,
    /// The tasks that each deadline binds.
    pub(crate) tasks: Vec<Vec<TaskIdx>>,
    /// Tasks of which a deadline has passed.
    pub(crate) overdue: FxHashMap<TaskIdx, DeadlineScope>,
    /// The time that hosts have worked on the run in earlier lives.
    pub(crate) spent: Duration,
}

/// The time of one deadline.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    /// The time that has passed in earlier lives.
    pub(crate) spent: Duration,
    /// When the clock began to run in this life.
    pub(crate) since: Option<Duration>,
    pub(crate) has_passed: bool,
}

/// The time that has passed of a run and of its deadlines, as a later life goes on with it.
#[derive(Debug, Default)]
pub(crate) struct Spent {
    pub(crate) run: Duration,
    /// By position in the shape of the later life.
    pub(crate) deadlines: Vec<Option<Duration>>,
}

impl Deadlines {
    /// Creates the clocks of a life. Those that ran in an earlier life run on.
    pub(crate) fn new(shape: &RunShape, spent: &Spent) -> Self {
        let mut deadlines = Self {
            clocks: vec![Clock::default(); shape.deadlines.len()],
            tasks: shape.tasks_by_deadline(),
            spent: spent.run,
            ..Self::default()
        };
        for (position, spent) in (0..).zip(&spent.deadlines) {
            if let Some(spent) = *spent {
                deadlines.start(shape, position, (Duration::ZERO, spent));
            }
        }
        deadlines
    }

    /// Starts a clock, unless it runs.
    pub(crate) fn start(&mut self, shape: &RunShape, position: u32, (now, spent): (Duration, Duration)) {
        let limit = shape.deadlines.get(to_usize(position)).map(|deadline| deadline.limit);
        let Some((clock, limit)) = self.clocks.get_mut(to_usize(position)).zip(limit) else { return };
        if clock.since.is_none() {
            *clock = Clock { spent, since: Some(now), has_passed: false };
            self.due.insert((due(limit, now, spent), position));
        }
    }

    /// Returns when the next deadline of tasks passes.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Stops the clocks: from here on no deadline passes but those that begin later.
    pub(crate) fn stop(&mut self) {
        self.due.clear();
    }

    /// Takes a deadline that has passed at `now`.
    pub(crate) fn take_passed(&mut self, now: Duration) -> Option<u32> {
        let (_, position) = *self.due.first().filter(|(due, _)| *due <= now)?;
        self.due.pop_first();
        self.clocks.get_mut(to_usize(position))?.has_passed = true;
        Some(position)
    }
}

/// Returns when a clock passes that has run since `since`, and before for the time `spent`.
pub(crate) fn due(limit: Duration, since: Duration, spent: Duration) -> Duration {
    since.saturating_add(limit.saturating_sub(spent))
}
