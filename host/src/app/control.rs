//! Follows and cancels runs on behalf of commands that do not work on them.
//! `cli` formats the events.

use crate::app::node_name::no_run;
use crate::app::{Error, Refusal};
use crate::events::{Fact, from_json_line};
use crate::model::{RunId, RunStatus};
use crate::state::{Backend, ErrorKind, HostId, RunSummary};
use bytes::Bytes;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long to wait for final events after a run has ended: a killed host sends none.
const FINAL_EVENTS_WAIT: Duration = Duration::from_secs(2);

/// Whether any host works on a followed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostPresence {
    /// At least one host works on the run.
    Present,
    /// No host works on the run: they left or died, and another may resume it.
    Absent,
}

/// A receiver of a run's events.
pub(crate) trait Watcher {
    /// Receives events, each a line of `--events` without its newline.
    fn on_events(&mut self, events: &[Bytes]) -> Result<(), Error>;

    /// Receives a change: the last host has left, or the first has returned.
    fn on_presence(&mut self, presence: HostPresence);
}

/// Follows a run from the oldest stored event until it ends, and returns its status.
pub(crate) async fn watch_run(
    backend: &dyn Backend,
    run: &RunId,
    watcher: &mut dyn Watcher,
) -> Result<RunStatus, Error> {
    let mut follower = backend.follow(run);
    let (mut active_hosts, mut is_known, mut presence) = (HashSet::new(), false, HostPresence::Present);
    let mut until: Option<Instant> = None;
    let mut status = RunStatus::Running;
    loop {
        let next = follower.next();
        let page = match until {
            None => next.await,
            Some(until) => match tokio::time::timeout_at(until, next).await {
                Ok(page) => page,
                Err(_) => return Ok(status),
            },
        };
        let page = page.map_err(|error| if is_known { removed(run, error) } else { no_run(run, error) })?;
        is_known = true;
        watcher.on_events(&page.events)?;
        page.events.iter().for_each(|line| track_hosts(line, &mut active_hosts));
        status = page.status;
        let now = if page.hosts.is_empty() { HostPresence::Absent } else { HostPresence::Present };
        match status {
            RunStatus::Running => {
                until = None;
                if now != presence {
                    presence = now;
                    watcher.on_presence(now);
                }
            }
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled | RunStatus::TimedOut => {
                if page.events.is_empty() && active_hosts.is_empty() {
                    return Ok(status);
                }
                // If all hosts have reported their end, only a backlog of old events can remain: do not wait.
                let wait = if active_hosts.is_empty() { Duration::ZERO } else { FINAL_EVENTS_WAIT };
                let last = Instant::now() + wait;
                until = if page.events.is_empty() { until.or(Some(last)) } else { Some(last) };
            }
        }
    }
}

/// Returns whether a task of a run that has ended failed or was cancelled. A run that is gone is not asked.
pub(crate) async fn has_failed(backend: &dyn Backend, run: &RunId) -> Result<bool, Error> {
    match backend.run(run).await {
        Ok(found) => Ok(found.counts.failed > 0 || found.counts.open > 0),
        Err(error) if error.kind == ErrorKind::NoRun => Ok(false),
        Err(error) => Err(Error::Backend(error)),
    }
}

/// Tracks the hosts that have started and have not reported their end.
fn track_hosts(line: &[u8], active_hosts: &mut HashSet<String>) {
    let Some(parsed) = from_json_line(line) else {
        return;
    };
    match parsed.event.fact {
        // Only a run without hosts can be resumed, so earlier hosts are gone.
        Fact::RunResumed { .. } => {
            active_hosts.clear();
            active_hosts.insert(parsed.host);
        }
        Fact::RunStarted { .. } => drop(active_hosts.insert(parsed.host)),
        Fact::RunFinished { .. } => drop(active_hosts.remove(&parsed.host)),
        _ => {} // no other fact says which hosts work
    }
}

fn removed(run: &RunId, error: crate::state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("run `{run}` was removed, or its time to live has passed"),
            help: "nothing of the run is left; `runs` lists the stored runs".to_owned(),
        },
        _ => Error::Backend(error), // all others are failures of the backend
    }
}

/// The outcome of a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// The run has ended at once: no host worked on it.
    Ended,
    /// These hosts will stop.
    Stopping(Vec<HostId>),
    /// No host works on the run, and one must come for its finally tasks.
    Waiting,
    /// The finally tasks of the run are stopped, by these hosts; it ends as this status.
    Finally(RunStatus, Vec<HostId>),
    /// The run had been cancelled before.
    Before,
}

/// Cancels a run. Refused if the run has ended otherwise.
pub(crate) async fn cancel_run(backend: &dyn Backend, run: &RunId) -> Result<Cancelled, Error> {
    let missing = |error| no_run(run, error);
    // Read the hosts first: they may stop faster than a later query could list them.
    let RunSummary { hosts, ending, .. } = backend.run(run).await.map_err(missing)?;
    match (backend.cancel(run).await.map_err(missing)?, ending) {
        (RunStatus::Running, Some(ending)) => Ok(Cancelled::Finally(ending, hosts)),
        (RunStatus::Running, None) if hosts.is_empty() => {
            let now = backend.run(run).await.map_err(missing)?.status;
            Ok(if now == RunStatus::Running { Cancelled::Waiting } else { Cancelled::Ended })
        }
        (status, _) => after(status, hosts, run),
    }
}

/// Returns the outcome of a cancellation of a run with this status before.
fn after(before: RunStatus, hosts: Vec<HostId>, run: &RunId) -> Result<Cancelled, Error> {
    match before {
        RunStatus::Running => Ok(Cancelled::Stopping(hosts)),
        RunStatus::Cancelled => Ok(Cancelled::Before),
        status @ (RunStatus::Succeeded | RunStatus::Failed | RunStatus::TimedOut) => {
            let ended = if status == RunStatus::TimedOut { "timed out" } else { status.as_str() };
            let refusal = Refusal::new(format!("run `{run}` has already {ended}"));
            Err(refusal.help("there is nothing to cancel; `rm` removes it").into())
        }
    }
}
