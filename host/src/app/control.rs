//! Follows and cancels runs on behalf of commands that do not work on them.
//! `cli` formats the events.

use crate::app::node_name::no_run;
use crate::app::{Error, Refusal};
use crate::events::{Fact, from_json_line};
use crate::model::{RunId, RunStatus};
use crate::state::{Backend, ErrorKind, HostId};
use bytes::Bytes;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait for final events once a run has ended: a killed host sends none.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Whether any host works on a followed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPresence {
    /// At least one host works on it.
    Hosts,
    /// No host works on it: they left or died, and another may resume it.
    Nobody,
}

/// A receiver of a run's events.
pub trait Watcher {
    /// Takes events, each a line of `--events` without its newline.
    fn on_events(&mut self, events: &[Bytes]) -> Result<(), Error>;

    /// Takes a change of company: the last host has left, or the first has returned.
    fn on_presence(&mut self, presence: HostPresence);
}

/// Follows a run from the oldest stored event until it ends, and returns its status.
pub async fn watch_run(
    backend: &dyn Backend,
    run: &RunId,
    watcher: &mut dyn Watcher,
) -> Result<RunStatus, Error> {
    let mut follower = backend.follow(run);
    let (mut at_work, mut is_known, mut company) = (HashSet::new(), false, HostPresence::Present);
    let mut until: Option<Instant> = None;
    let mut status = RunStatus::Running;
    loop {
        let next = follower.next();
        let told = match until {
            None => next.await,
            Some(until) => match tokio::time::timeout_at(until, next).await {
                Ok(told) => told,
                Err(_) => return Ok(status),
            },
        };
        let told = told.map_err(|error| if is_known { removed(run, error) } else { no_run(run, error) })?;
        is_known = true;
        watcher.on_events(&told.events)?;
        told.events.iter().for_each(|line| note(line, &mut at_work));
        status = told.status;
        let now = if told.hosts.is_empty() { HostPresence::Absent } else { HostPresence::Present };
        match status {
            RunStatus::Running => {
                until = None;
                if now != company {
                    company = now;
                    watcher.on_presence(now);
                }
            }
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled => {
                if told.events.is_empty() && at_work.is_empty() {
                    return Ok(status);
                }
                // If all hosts have reported their end, only a backlog of old events can remain: wait for no one.
                let wait = if at_work.is_empty() { Duration::ZERO } else { LAST_WORDS };
                let last = Instant::now() + wait;
                until = if told.events.is_empty() { until.or(Some(last)) } else { Some(last) };
            }
        }
    }
}

/// Tracks the hosts that have started and have not reported their end.
fn note(line: &[u8], at_work: &mut HashSet<String>) {
    let Some(heard) = from_json_line(line) else {
        return;
    };
    match heard.event.fact {
        // Only a run that nobody works on can be resumed, so earlier hosts are gone.
        Fact::RunResumed { .. } => {
            at_work.clear();
            at_work.insert(heard.host);
        }
        Fact::RunStarted { .. } => drop(at_work.insert(heard.host)),
        Fact::RunFinished { .. } => drop(at_work.remove(&heard.host)),
        _ => {} // no other fact tells who works
    }
}

fn removed(run: &RunId, error: crate::state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("run `{run}` was removed, or its time to live has passed"),
            help: "nothing of it is left; `runs` lists those that are there".to_owned(),
        },
        _ => Error::Backend(error), // all others are failures of the backend
    }
}

/// The outcome of a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// The run has ended at once: no host worked on it.
    Ended,
    /// These hosts will stop.
    Stopping(Vec<HostId>),
    /// The run had been cancelled before.
    Before,
}

/// Cancels a run. Refused if the run has ended otherwise.
pub async fn cancel_run(backend: &dyn Backend, run: &RunId) -> Result<Cancelled, Error> {
    let gone = |error| no_run(run, error);
    // Ask first: hosts may stop faster than a later query could list them.
    let hosts = backend.run(run).await.map_err(gone)?.hosts;
    match backend.cancel(run).await.map_err(gone)? {
        RunStatus::Running if hosts.is_empty() => Ok(Cancelled::Ended),
        RunStatus::Running => Ok(Cancelled::Stopping(hosts)),
        RunStatus::Cancelled => Ok(Cancelled::Before),
        status @ (RunStatus::Succeeded | RunStatus::Failed) => {
            let refusal = Refusal::new(format!("run `{run}` has ended already: it has {status}"));
            Err(refusal.help("there is nothing to cancel; `rm` removes it").into())
        }
    }
}
