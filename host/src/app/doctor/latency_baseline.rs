//! Measures the machine's own latency at a guest's deadline, as the baseline for the guest's delay.
//! `trial` judges the difference: a slow machine passes, and a late stop on a prompt machine fails.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// Number of threads that wake each other when a guest is stopped: the clock wakes the ticker, the ticker the guest's
/// thread, and that one the waiting thread.
const WAKES: usize = 3;

/// Number of attempts for a check whose stop came too late: the machine may have been slow in a way that the baseline
/// does not measure.
pub(crate) const TRIALS: u32 = 5;

/// A chain of threads that wake each other at a deadline, as stopping a guest does.
pub(crate) struct LatencyBaseline {
    last: Option<JoinHandle<Option<Duration>>>,
}

impl LatencyBaseline {
    /// Starts the chain for a deadline `wait` from now.
    pub(crate) fn start(wait: Duration) -> Self {
        Self { last: chain(wait) }
    }

    /// Returns how late the last thread woke. Zero if the machine provides no threads.
    pub(crate) fn lateness(self) -> Duration {
        self.last.and_then(|last| last.join().ok().flatten()).unwrap_or_default()
    }
}

fn chain(wait: Duration) -> Option<JoinHandle<Option<Duration>>> {
    let deadline = Instant::now() + wait;
    let (wake, mut woken) = channel();
    let clock = move || {
        sleep(wait);
        wake.send(()).ok(); // fails only if the next thread is missing
    };
    Builder::new().spawn(clock).ok()?;
    for _ in 2..WAKES {
        let (next, after) = channel();
        Builder::new().spawn(move || pass_on(&woken, &next)).ok()?;
        woken = after;
    }
    Builder::new().spawn(move || woken.recv().ok().map(|()| deadline.elapsed())).ok()
}

fn pass_on(woken: &Receiver<()>, next: &Sender<()>) {
    if woken.recv().is_ok() {
        next.send(()).ok(); // fails only if the next thread is missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_measured_from_the_deadline() {
        let wait = Duration::from_millis(50);
        let start = Instant::now();
        let lateness = LatencyBaseline::start(wait).lateness();
        assert!(wait + lateness <= start.elapsed(), "{lateness:?}");
    }
}
