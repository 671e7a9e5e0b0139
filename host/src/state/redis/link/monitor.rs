//! Keeps the health of a server: whoever waits for it reports what comes of that.
//! Who is told, and how often, is for others.

use crate::state::{Health, Outage};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The health of one server.
pub(super) struct Monitor {
    place: Arc<str>,
    patience: Duration,
    health: watch::Sender<Health>,
    // A mutex because requests come and go on many threads; sections are a few of them.
    waiting: Mutex<Waiting>,
}

/// When those give up who wait for an answer, by a number of their own.
#[derive(Default)]
struct Waiting {
    ends: Vec<(u64, Instant)>,
    next: u64,
}

/// Somebody who waits for a server that does not serve; dropped with the waiting.
pub(super) struct Patient<'a> {
    monitor: &'a Monitor,
    number: u64,
}

impl Monitor {
    /// A server that nobody has asked yet, and that is waited for so long.
    pub(super) fn new(place: &str, patience: Duration) -> Self {
        Self { place: place.into(), patience, health: watch::Sender::default(), waiting: Mutex::default() }
    }

    /// Follows it.
    pub(super) fn follow(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// A request was answered, over a connection that was made anew so often.
    pub(super) fn served(&self, reconnects: u64) {
        self.health.send_if_modified(|health| {
            let is_news = health.outage.is_some() || health.reconnects < reconnects;
            *health = Health { reconnects: health.reconnects.max(reconnects), outage: None };
            is_news
        });
    }

    /// A request has had no answer since then, or one that says to wait.
    pub(super) fn failed(&self, since: Instant, cause: String) {
        let ends = self.ends();
        self.health.send_if_modified(|health| {
            let since = health.outage.as_ref().map_or(since, |outage| outage.since.min(since));
            let (place, patience) = (Arc::clone(&self.place), self.patience);
            let outage = Outage { place, since, cause, ends, patience };
            let is_news = health.outage.as_ref() != Some(&outage);
            health.outage = Some(outage);
            is_news
        });
    }

    /// Somebody waits, and gives up then.
    pub(super) fn wait(&self, ends: Instant) -> Patient<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let number = waiting.next;
        waiting.next += 1;
        waiting.ends.push((number, ends));
        Patient { monitor: self, number }
    }

    fn ends(&self) -> Option<Instant> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.ends.iter().map(|(_, ends)| *ends).min()
    }
}

impl Drop for Patient<'_> {
    fn drop(&mut self) {
        let mut waiting = self.monitor.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.ends.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_lasts_from_the_first_request_to_the_next_answer() {
        let monitor = Monitor::new("redis://h", Duration::from_mins(1));
        let health = monitor.follow();
        let begin = Instant::now();
        let ends = begin + Duration::from_mins(1);
        let patient = monitor.wait(ends);
        let later = monitor.wait(ends + Duration::from_secs(5));
        monitor.failed(begin, "refused".into());
        monitor.failed(begin + Duration::from_secs(3), "no answer".into());
        let outage = health.borrow().outage.clone().unwrap();
        assert_eq!((outage.since, &*outage.cause, outage.ends), (begin, "no answer", Some(ends)));
        drop(patient);
        drop(later);
        monitor.failed(begin, "refused".into());
        assert_eq!(health.borrow().outage.clone().unwrap().ends, None);
        monitor.served(1);
        assert_eq!(*health.borrow(), Health { reconnects: 1, outage: None });
    }
}
