//! `cancel`: cancels a run for all its hosts.
//! The hosts stop on their own, in `engine`.

use crate::app;
use crate::app::{Backends, Cancelled, Error};
use crate::cli::args::CancelArguments;
use crate::cli::context::Host;
use crate::cli::process::{Exit, wait_for};
use crate::manifest::BackendSection;

/// Cancels a run, and prints which hosts will stop.
pub(crate) fn cancel(host: &Host, arguments: &CancelArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&host.settings, &BackendSection::default(), &host.environment)?;
    let run = &arguments.run;
    let cancelled =
        wait_for(&host.voice, state.backend.as_ref(), app::cancel_run(state.backend.as_ref(), run))?;
    host.voice.note(
        "cancelled",
        &match cancelled {
            Cancelled::Ended => format!("cancelled run {run}, which no host works on"),
            Cancelled::Before => format!("run {run} was cancelled before"),
            Cancelled::Stopping(hosts) => {
                let hosts: Vec<&str> = hosts.iter().map(|host| &*host.0).collect();
                format!("cancelled run {run}; {} will stop and start nothing more", hosts.join(", "))
            }
        },
    );
    Ok(Exit::Success)
}
