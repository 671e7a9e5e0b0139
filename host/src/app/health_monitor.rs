//! Reports the outages of a backend while its replies are awaited: after a second, then less and less often.
//! The backend detects outages; the caller chooses the messages' form and receiver.

use crate::model::show_duration;
use crate::state::{Health, Outage};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Length of an outage before its first report. Each later report waits twice as long as the one before.
const FIRST_REPORT: Duration = Duration::from_secs(1);

/// A change in the health of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HealthChange {
    /// The backend is unavailable; the text says since when, why, and how long requests wait for it.
    Unavailable(String),
    /// The backend is available again.
    Available,
}

/// Monitors the health of a backend and reports its changes.
pub(crate) struct HealthMonitor<'a> {
    /// The name of the backend in messages: `the state backend`.
    name: &'static str,
    /// `None` for a backend that is always available.
    health: Option<watch::Receiver<Health>>,
    report: Box<dyn FnMut(HealthChange) + Send + 'a>,
    /// Length of an outage before its next report.
    next_report: Duration,
    reconnects: u64,
}

impl<'a> HealthMonitor<'a> {
    /// Creates a monitor; `health` is `None` for a backend that is always available.
    pub(crate) fn new(
        name: &'static str,
        health: Option<watch::Receiver<Health>>,
        report: impl FnMut(HealthChange) + Send + 'a,
    ) -> Self {
        let reconnects = health.as_ref().map_or(0, |health| health.borrow().reconnects);
        Self { name, health, report: Box::new(report), next_report: FIRST_REPORT, reconnects }
    }

    /// Awaits `work`, and reports outages meanwhile.
    pub(crate) async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.watch() => match never {},
        }
    }

    /// Reports that the backend is available again, if that was not reported yet.
    pub(crate) fn catch_up(&mut self) {
        let Some(health) = &mut self.health else { return };
        let Health { reconnects, outage } = health.borrow_and_update().clone();
        let was_reported = self.next_report > FIRST_REPORT;
        if outage.is_none() && (was_reported || self.reconnects < reconnects) {
            (self.next_report, self.reconnects) = (FIRST_REPORT, reconnects);
            (self.report)(HealthChange::Available);
        }
    }

    /// Reports every change. Cancel safe: the monitor itself keeps what it has reported.
    async fn watch(&mut self) -> Infallible {
        loop {
            self.catch_up();
            let Some(health) = &mut self.health else { return std::future::pending().await };
            let outage = health.borrow_and_update().outage.clone();
            let due = outage.as_ref().map(|outage| outage.since + self.next_report);
            tokio::select! {
                changed = health.changed() => {
                    if changed.is_err() {
                        self.health = None; // the backend is dropped
                    }
                }
                () = sleep_until(due) => {
                    if let Some(outage) = outage {
                        (self.report)(HealthChange::Unavailable(describe(self.name, &outage)));
                        self.next_report = self.next_report.max(outage.since.elapsed()) * 2;
                    }
                }
            }
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn describe(name: &str, outage: &Outage) -> String {
    let in_seconds = |duration: Duration| {
        let seconds = duration.saturating_add(Duration::from_millis(500)).as_secs();
        show_duration(Duration::from_secs(seconds.max(1)))
    };
    let Outage { uri, since, cause, deadline, timeout } = outage;
    let remaining = match deadline {
        Some(deadline) => {
            format!("giving up in {}", in_seconds(deadline.saturating_duration_since(Instant::now())))
        }
        None => format!("the next request waits up to {}", in_seconds(*timeout)),
    };
    format!("{name} `{uri}` has been unavailable for {} ({cause}); {remaining}", in_seconds(since.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn outage(since: Instant) -> Health {
        let deadline = Some(since + Duration::from_mins(1));
        let (uri, cause) = ("redis://h:6379/0".into(), "refused".to_owned());
        let outage = Outage { uri, since, cause, deadline, timeout: Duration::from_mins(1) };
        Health { reconnects: 0, outage: Some(outage) }
    }

    #[tokio::test(start_paused = true)]
    async fn outage_is_reported_after_a_second_and_then_less_and_less_often() {
        let (health, follow) = watch::channel(Health::default());
        let reports = Arc::new(Mutex::new(Vec::new()));
        let start = Instant::now();
        let report = |change| reports.lock().unwrap().push((start.elapsed().as_secs(), change));
        let mut monitor = HealthMonitor::new("the state backend", Some(follow), report);
        monitor.beside(tokio::time::sleep(Duration::from_secs(1))).await;
        let short_outage = async {
            health.send_replace(outage(Instant::now()));
            tokio::time::sleep(Duration::from_millis(500)).await;
            health.send_replace(Health::default());
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        monitor.beside(short_outage).await;
        let long_outage = async {
            health.send_replace(outage(Instant::now()));
            tokio::time::sleep(Duration::from_secs(50)).await;
        };
        monitor.beside(long_outage).await;
        health.send_replace(Health { reconnects: 1, outage: None });
        monitor.catch_up();
        monitor.catch_up();
        drop(monitor);
        let reports = reports.lock().unwrap().clone();
        let times: Vec<u64> = reports.iter().map(|(time, _)| time - 2).collect();
        assert_eq!(times, [1, 2, 4, 8, 16, 32, 50]);
        let HealthChange::Unavailable(message) = &reports[3].1 else { panic!("{reports:?}") };
        assert_eq!(
            message,
            "the state backend `redis://h:6379/0` has been unavailable for 8s (refused); giving up in 52s"
        );
        assert_eq!(reports[6].1, HealthChange::Available);
    }
}
