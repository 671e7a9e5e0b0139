//! Tells of a backend that does not serve, while its answers are waited for: after a second, then less and less often.
//! Whether it serves is known by the backend; who is told, and in which words, is handed in.

use crate::model::show_duration;
use crate::state::{Health, Outage};
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long a backend may fail to serve before people are told; then twice as long each time.
const FIRST: Duration = Duration::from_secs(1);

/// What is told of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// It does not serve; a sentence says since when, why, and for how long it is waited for.
    Away(String),
    /// It serves again.
    Back,
}

/// Somebody who looks after a backend.
pub struct Vigil<'a> {
    /// What is looked after, in words: `the state backend`.
    what: &'static str,
    health: Option<watch::Receiver<Health>>,
    tell: Box<dyn FnMut(Sign) + Send + 'a>,
    /// After how much of an outage people are told next.
    next: Duration,
    reconnects: u64,
}

impl<'a> Vigil<'a> {
    /// Looks after a backend that has a health to speak of.
    pub fn new(
        what: &'static str,
        health: Option<watch::Receiver<Health>>,
        tell: impl FnMut(Sign) + Send + 'a,
    ) -> Self {
        let reconnects = health.as_ref().map_or(0, |health| health.borrow().reconnects);
        Self { what, health, tell: Box::new(tell), next: FIRST, reconnects }
    }

    /// Does something, and tells meanwhile.
    pub async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            done = work => done,
            never = self.watch() => match never {},
        }
    }

    /// Tells what is known and was not told: that the backend serves again.
    pub fn catch_up(&mut self) {
        let Some(health) = &mut self.health else { return };
        let Health { reconnects, outage } = health.borrow_and_update().clone();
        let was_told = self.next > FIRST;
        if outage.is_none() && (was_told || self.reconnects < reconnects) {
            (self.next, self.reconnects) = (FIRST, reconnects);
            (self.tell)(Sign::Back);
        }
    }

    /// Cancel safe: what was told is kept in here.
    async fn watch(&mut self) -> Infallible {
        loop {
            self.catch_up();
            let Some(health) = &mut self.health else { return std::future::pending().await };
            let outage = health.borrow_and_update().outage.clone();
            let due = outage.as_ref().map(|outage| outage.since + self.next);
            tokio::select! {
                changed = health.changed() => {
                    if changed.is_err() {
                        self.health = None; // whoever has known is gone
                    }
                }
                () = reached(due) => {
                    if let Some(outage) = outage {
                        (self.tell)(Sign::Away(sentence(self.what, &outage)));
                        self.next = self.next.max(outage.since.elapsed()) * 2;
                    }
                }
            }
        }
    }
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn sentence(what: &str, outage: &Outage) -> String {
    let whole = |duration: Duration| {
        let seconds = duration.saturating_add(Duration::from_millis(500)).as_secs();
        show_duration(Duration::from_secs(seconds.max(1)))
    };
    let Outage { place, since, cause, ends, patience } = outage;
    let left = match ends {
        Some(ends) => format!("given up in {}", whole(ends.saturating_duration_since(Instant::now()))),
        None => format!("given up {} after it is needed", whole(*patience)),
    };
    format!("{what} `{place}` has not served for {} ({cause}); {left}", whole(since.elapsed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn outage(since: Instant) -> Health {
        let ends = Some(since + Duration::from_mins(1));
        let (place, cause) = ("redis://h:6379/0".into(), "refused".to_owned());
        let outage = Outage { place, since, cause, ends, patience: Duration::from_mins(1) };
        Health { reconnects: 0, outage: Some(outage) }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_after_a_second_and_then_less_and_less_often() {
        let (health, follow) = watch::channel(Health::default());
        let told = Arc::new(Mutex::new(Vec::new()));
        let begin = Instant::now();
        let tell = |sign| told.lock().unwrap().push((begin.elapsed().as_secs(), sign));
        let mut vigil = Vigil::new("the state backend", Some(follow), tell);
        vigil.beside(tokio::time::sleep(Duration::from_secs(1))).await;
        let away = async {
            health.send_replace(outage(Instant::now()));
            tokio::time::sleep(Duration::from_millis(500)).await;
            health.send_replace(Health::default());
            tokio::time::sleep(Duration::from_millis(500)).await;
        };
        vigil.beside(away).await;
        let away = async {
            health.send_replace(outage(Instant::now()));
            tokio::time::sleep(Duration::from_secs(50)).await;
        };
        vigil.beside(away).await;
        health.send_replace(Health { reconnects: 1, outage: None });
        vigil.catch_up();
        vigil.catch_up();
        drop(vigil);
        let told = told.lock().unwrap().clone();
        let times: Vec<u64> = told.iter().map(|(at, _)| at - 2).collect();
        assert_eq!(times, [1, 2, 4, 8, 16, 32, 50]);
        let Sign::Away(sentence) = &told[3].1 else { panic!("{told:?}") };
        assert_eq!(
            sentence,
            "the state backend `redis://h:6379/0` has not served for 8s (refused); given up in 52s"
        );
        assert_eq!(told[6].1, Sign::Back);
    }
}
