//! `--if-running` of `run`: what becomes of a run that other hosts work on.
//! `app` finds them.

use crate::app::{Error, Others, Refusal, live_hosts, until_idle};
use crate::cli::args::IfRunning;
use crate::cli::context::Context;
use crate::cli::process::{Exit, wait_for};
use crate::model::RunId;
use crate::state::{Backend, HostId};

impl From<Option<IfRunning>> for Others {
    fn from(how: Option<IfRunning>) -> Self {
        match how {
            None => Self::Join,
            Some(IfRunning::Wait) => Self::Await,
            Some(IfRunning::Skip | IfRunning::Fail) => Self::Avoid,
        }
    }
}

/// Looks for hosts that work on the run, before anything of this host is opened. Returns the exit if there is nothing
/// to do.
pub(crate) fn if_running(
    ctx: &Context,
    how: IfRunning,
    (backend, run): (&dyn Backend, &RunId),
) -> Result<Option<Exit>, Error> {
    // One runtime, and connections of its own: those of the run would have to be opened again.
    let hosts = wait_for(&ctx.console, backend, async {
        let hosts = live_hosts(backend, run).await?;
        if how == IfRunning::Wait && !hosts.is_empty() {
            ctx.console.note("waiting", &format!("waiting for run {run}: {} on it", work(&hosts)));
            until_idle(backend, run).await?;
            return Ok(Vec::new());
        }
        Ok(hosts)
    })?;
    if hosts.is_empty() { Ok(None) } else { left(ctx, how, (run, &hosts)).map(Some) }
}

/// Leaves the run to others.
pub(crate) fn left(ctx: &Context, how: IfRunning, (run, hosts): (&RunId, &[HostId])) -> Result<Exit, Error> {
    let work = work(hosts);
    match how {
        IfRunning::Fail => {
            let refusal = Refusal::new(format!("run `{run}` is not started: {work} on it"));
            Err(refusal
                .help("without `--if-running` this host joins them; `--if-running wait` waits for their end")
                .into())
        }
        IfRunning::Skip | IfRunning::Wait => {
            ctx.console.note("skipped", &format!("run {run} is not started: {work} on it"));
            Ok(Exit::Success)
        }
    }
}

fn work(hosts: &[HostId]) -> String {
    match hosts {
        [] => "another host works".to_owned(),
        [host] => format!("host {} works", host.0),
        [host, others @ ..] => format!("host {} and {} more work", host.0, others.len()),
    }
}
