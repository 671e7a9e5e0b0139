//! How late this machine is by itself, at the moment at which a guest is to be stopped: what the guest's own lateness is
//! held against. A limit that comes late on a machine that is not is found all the same.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// As many threads wake each other as when a guest is stopped: the clock wakes the one that ticks, that the one that
/// runs the guest, that the one that waits for it.
const WAKES: usize = 3;

/// How often something is tried that was stopped too late: the machine may have been late where it is not measured.
pub(crate) const TRIALS: u32 = 5;

/// Threads that do at a deadline what stopping a guest takes, and nothing else.
pub(crate) struct LatencyBaseline {
    last: Option<JoinHandle<Option<Duration>>>,
}

impl LatencyBaseline {
    /// Begins to wait for a deadline that is so far away.
    pub(crate) fn begin(wait: Duration) -> Self {
        Self { last: chain(wait) }
    }

    /// How late the last thread was awake. A machine that has no threads for it is taken to be never late.
    pub(crate) fn lateness(self) -> Duration {
        self.last.and_then(|last| last.join().ok().flatten()).unwrap_or_default()
    }
}

fn chain(wait: Duration) -> Option<JoinHandle<Option<Duration>>> {
    let deadline = Instant::now() + wait;
    let (wake, mut woken) = channel();
    let clock = move || {
        sleep(wait);
        wake.send(()).ok(); // the next one is there, or nobody is
    };
    Builder::new().spawn(clock).ok()?;
    for _ in 2..WAKES {
        let (next, after) = channel();
        Builder::new().spawn(move || hand_on(&woken, &next)).ok()?;
        woken = after;
    }
    Builder::new().spawn(move || woken.recv().ok().map(|()| deadline.elapsed())).ok()
}

fn hand_on(woken: &Receiver<()>, next: &Sender<()>) {
    if woken.recv().is_ok() {
        next.send(()).ok(); // the next one is there, or nobody is
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lateness_is_counted_from_the_deadline() {
        let wait = Duration::from_millis(50);
        let begin = Instant::now();
        let lateness = LatencyBaseline::begin(wait).lateness();
        assert!(wait + lateness <= begin.elapsed(), "{lateness:?}");
    }
}
