//! Runs that hosts work on, for whoever is none of them: following one to its end, and cancelling it.
//! How what is told looks is for the command line.

use crate::app::stored::no_run;
use crate::app::{Error, Refusal};
use crate::events::{Fact, from_json_line};
use crate::model::{RunId, RunStatus};
use crate::state::{Backend, ErrorKind, HostId};
use bytes::Bytes;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long the last words of hosts are waited for once a run has ended: one that was killed says none.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Whether a run that is followed is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// By some host.
    Hosts,
    /// By none: its hosts have left it or died, and another may go on with it.
    Nobody,
}

/// Whoever is told of a run.
pub trait Watcher {
    /// Takes what was told, each a line of `--events` without its end.
    fn tell(&mut self, events: &[Bytes]) -> Result<(), Error>;

    /// Hears that nobody works on the run any more, or somebody again.
    fn company(&mut self, company: Company);
}

/// Follows a run from the oldest event that is kept until it has ended; gives how.
pub async fn watch_run(
    backend: &dyn Backend,
    run: &RunId,
    watcher: &mut dyn Watcher,
) -> Result<RunStatus, Error> {
    let mut follower = backend.follow(run);
    let (mut at_work, mut is_known, mut company) = (HashSet::new(), false, Company::Hosts);
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
        watcher.tell(&told.events)?;
        told.events.iter().for_each(|line| note(line, &mut at_work));
        status = told.status;
        let now = if told.hosts.is_empty() { Company::Nobody } else { Company::Hosts };
        match status {
            RunStatus::Running => {
                until = None;
                if now != company {
                    company = now;
                    watcher.company(now);
                }
            }
            RunStatus::Succeeded | RunStatus::Failed | RunStatus::Cancelled => {
                if told.events.is_empty() && at_work.is_empty() {
                    return Ok(status);
                }
                // Those who have told all are gone from here; a long past may still come in portions.
                let wait = if at_work.is_empty() { Duration::ZERO } else { LAST_WORDS };
                let last = Instant::now() + wait;
                until = if told.events.is_empty() { until.or(Some(last)) } else { Some(last) };
            }
        }
    }
}

/// Keeps count of the hosts that have begun to work and have not said that they ended.
fn note(line: &[u8], at_work: &mut HashSet<String>) {
    let Some(heard) = from_json_line(line) else {
        return;
    };
    match heard.event.fact {
        // A run is resumed only where nobody works on it: whoever did is gone.
        Fact::RunResumed { .. } => {
            at_work.clear();
            at_work.insert(heard.host);
        }
        Fact::RunStarted { .. } => drop(at_work.insert(heard.host)),
        Fact::RunFinished { .. } => drop(at_work.remove(&heard.host)),
        _ => {} // no other fact says who works
    }
}

fn removed(run: &RunId, error: crate::state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("run `{run}` was removed, or its time to live has passed"),
            help: "nothing of it is left; `runs` lists those that are there".to_owned(),
        },
        _ => Error::Backend(error), // whatever else went wrong is the backend's
    }
}

/// What cancelling a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// It has ended: nobody worked on it.
    Ended,
    /// These hosts are about to stop.
    Stopping(Vec<HostId>),
    /// It was cancelled before.
    Before,
}

/// Cancels a run. One that has ended otherwise is refused.
pub async fn cancel_run(backend: &dyn Backend, run: &RunId) -> Result<Cancelled, Error> {
    let gone = |error| no_run(run, error);
    // Hosts stop faster than they can be asked for afterwards.
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
