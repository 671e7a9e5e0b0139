//! Two ways to do the same, run by turns, so that what else the machine does befalls both.
//! What is done is for the benchmark.

use std::fmt;
use std::time::{Duration, Instant};

/// The median times of two ways.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Medians {
    /// Of what is measured.
    pub(crate) ours: Duration,
    /// Of what it is compared with.
    pub(crate) theirs: Duration,
}

impl Medians {
    /// How many times as long ours takes.
    pub(crate) fn ratio(&self) -> f64 {
        self.ours.as_secs_f64() / self.theirs.as_secs_f64()
    }
}

impl fmt::Display for Medians {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} × ({:.1?} against {:.1?})", self.ratio(), self.ours, self.theirs)
    }
}

/// Runs both by turns, that many times each, after a few runs that do not count.
pub(crate) fn compare(runs: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> Medians {
    for _ in 0..runs.div_ceil(10) {
        ours();
        theirs();
    }
    let times = (0..runs).map(|_| (timed(&mut ours), timed(&mut theirs)));
    let (ours, theirs): (Vec<_>, Vec<_>) = times.unzip();
    Medians { ours: median(ours), theirs: median(theirs) }
}

fn timed(run: &mut impl FnMut()) -> Duration {
    let since = Instant::now();
    run();
    since.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
