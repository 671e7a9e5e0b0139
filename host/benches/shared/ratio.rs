//! Comparison of a subject with a baseline: both run alternately, so that other load on the machine affects both.
//! The benchmarks define both.

use std::fmt;
use std::time::{Duration, Instant};

/// Median times of the subject and of the baseline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Medians {
    /// Median of the subject.
    pub(crate) subject: Duration,
    /// Median of the baseline.
    pub(crate) baseline: Duration,
}

impl Medians {
    /// Returns the times of one of `count` equal parts.
    pub(crate) fn each(self, count: u32) -> Self {
        Self { subject: self.subject / count, baseline: self.baseline / count }
    }

    /// Returns the time of the subject relative to the baseline.
    pub(crate) fn ratio(&self) -> f64 {
        self.subject.as_secs_f64() / self.baseline.as_secs_f64()
    }
}

impl fmt::Display for Medians {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} × ({:.1?} against {:.1?})", self.ratio(), self.subject, self.baseline)
    }
}

/// Runs both alternately, `runs` times each, after a few warm-up runs.
pub(crate) fn compare(runs: usize, mut subject: impl FnMut(), mut baseline: impl FnMut()) -> Medians {
    compare_timed(runs, || timed(&mut subject), || timed(&mut baseline))
}

/// Compares two operations that return their own times, because not all of their work counts.
pub(crate) fn compare_timed(
    runs: usize,
    mut subject: impl FnMut() -> Duration,
    mut baseline: impl FnMut() -> Duration,
) -> Medians {
    for _ in 0..runs.div_ceil(10) {
        subject();
        baseline();
    }
    let (subject, baseline): (Vec<_>, Vec<_>) = (0..runs).map(|_| (subject(), baseline())).unzip();
    Medians { subject: median(subject), baseline: median(baseline) }
}

pub(crate) fn timed(mut run: impl FnMut()) -> Duration {
    let since = Instant::now();
    run();
    since.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
