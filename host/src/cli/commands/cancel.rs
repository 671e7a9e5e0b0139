//! `cancel`: cancels a run for all its hosts.
//! The hosts stop on their own, in `engine`.

use crate::app;
use crate::app::{Backends, Cancelled, Error};
use crate::cli::context::Context;
use crate::cli::process::{Exit, interrupted_cancel, wait_for};
use crate::cli::stored_arguments::CancelArguments;
use crate::manifest::BackendSection;

/// Cancels a run, and prints which hosts will stop.
pub(crate) fn cancel(ctx: &Context, arguments: &CancelArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let backend = state.backend.as_ref();
    let (run, cancelled) = wait_for(&ctx.console, backend, async {
        let run = app::find_run(backend, &arguments.run).await?;
        ctx.signals.say_if_interrupted(interrupted_cancel(&run, arguments.backend.state.as_deref()));
        let cancelled = app::cancel_run(backend, &run).await?;
        Ok((run, cancelled))
    })?;
    ctx.console.note(
        "cancelled",
        &match cancelled {
            Cancelled::Ended => format!("cancelled run {run}; no host was working on it"),
            Cancelled::Waiting => format!(
                "cancelled run {run}; no host works on it, and the next `run` with this id runs only its `[finally]`; \
                 to end it without, cancel it again"
            ),
            Cancelled::Finally(ending, hosts) if hosts.is_empty() => {
                format!("cancelled the tasks of `[finally]` of run {run}, which has ended as `{ending}`")
            }
            Cancelled::Finally(ending, hosts) => {
                let hosts: Vec<&str> = hosts.iter().map(|host| &*host.0).collect();
                let hosts = hosts.join(", ");
                format!("cancelled the tasks of `[finally]` of run {run}; {hosts} will stop, and it ends as `{ending}`")
            }
            Cancelled::Before => format!("run {run} is already cancelled"),
            Cancelled::Stopping(hosts) => {
                let hosts: Vec<&str> = hosts.iter().map(|host| &*host.0).collect();
                format!("cancelled run {run}; {} will stop", hosts.join(", "))
            }
        },
    );
    Ok(Exit::Success)
}
