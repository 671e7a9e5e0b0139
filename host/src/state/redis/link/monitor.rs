//! Tracks the health of a server, as pending requests report it.
//! The application decides how to show it.

use crate::state::{Health, Outage};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The health of one server.
pub(super) struct Monitor {
    uri: Arc<str>,
    timeout: Duration,
    health: watch::Sender<Health>,
    // A mutex because requests come and go on many threads; each section is short.
    waiting: Mutex<Waiting>,
}

/// The deadlines of the waiting requests, by number.
#[derive(Default)]
struct Waiting {
    ends: Vec<(u64, Instant)>,
    next: u64,
}

/// A request that waits for an unavailable server; dropped when the wait ends.
pub(super) struct Waiter<'a> {
    monitor: &'a Monitor,
    number: u64,
}

impl Monitor {
    /// Creates the monitor of a server; `timeout` is the time limit of requests during an outage.
    pub(super) fn new(uri: &str, timeout: Duration) -> Self {
        Self { uri: uri.into(), timeout, health: watch::Sender::default(), waiting: Mutex::default() }
    }

    /// Subscribes to the health of the server.
    pub(super) fn subscribe(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Records a reply, over a connection that was reopened `reconnects` times.
    pub(super) fn served(&self, reconnects: u64) {
        self.health.send_if_modified(|health| {
            let is_change = health.outage.is_some() || health.reconnects < reconnects;
            *health = Health { reconnects: health.reconnects.max(reconnects), outage: None };
            is_change
        });
    }

    /// Records that a request has had no reply since then, or a temporary refusal.
    pub(super) fn failed(&self, since: Instant, cause: String) {
        let deadline = self.earliest_deadline();
        self.health.send_if_modified(|health| {
            let since = health.outage.as_ref().map_or(since, |outage| outage.since.min(since));
            let (uri, timeout) = (Arc::clone(&self.uri), self.timeout);
            let outage = Outage { uri, since, cause, deadline, timeout };
            let is_change = health.outage.as_ref() != Some(&outage);
            health.outage = Some(outage);
            is_change
        });
    }

    /// Registers a request that waits until its deadline.
    pub(super) fn wait(&self, ends: Instant) -> Waiter<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        waiting.ends.push((number, ends));
        Waiter { monitor: self, number }
    }

    fn earliest_deadline(&self) -> Option<Instant> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.ends.iter().map(|(_, ends)| *ends).min()
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.monitor.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.ends.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn outage_lasts_from_the_first_failure_to_the_next_reply() {
        let monitor = Monitor::new("redis://h", Duration::from_mins(1));
        let health = monitor.subscribe();
        let start = Instant::now();
        let ends = start + Duration::from_mins(1);
        let waiter = monitor.wait(ends);
        let later = monitor.wait(ends + Duration::from_secs(5));
        monitor.failed(start, "refused".into());
        monitor.failed(start + Duration::from_secs(3), "no answer".into());
        let outage = health.borrow().outage.clone().unwrap();
        assert_eq!((outage.since, &*outage.cause, outage.deadline), (start, "no answer", Some(ends)));
        drop(waiter);
        drop(later);
        monitor.failed(start, "refused".into());
        assert_eq!(health.borrow().outage.clone().unwrap().deadline, None);
        monitor.served(1);
        assert_eq!(*health.borrow(), Health { reconnects: 1, outage: None });
    }
}
