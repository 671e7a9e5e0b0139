//! `cancel`: cancels a run for all its hosts.
//! What hosts do then is theirs.

use crate::app;
use crate::app::Backends;
use crate::app::Cancelled;
use crate::app::Error;
use crate::cli::args::CancelArguments;
use crate::cli::exit::Exit;
use crate::cli::start::Host;
use crate::cli::terminal::say;
use crate::cli::waiting::wait_for;
use crate::manifest::BackendSection;

/// Cancels a run, and says who is about to stop.
pub(crate) fn cancel(host: &Host, arguments: &CancelArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&host.settings, &BackendSection::default(), &host.environment)?;
    let run = &arguments.run;
    let cancelled = wait_for(app::cancel_run(state.backend.as_ref(), run))?;
    say(&match cancelled {
        Cancelled::Ended => format!("cancelled run {run}, which no host works on\n"),
        Cancelled::Before => format!("run {run} was cancelled before\n"),
        Cancelled::Stopping(hosts) => {
            let hosts: Vec<&str> = hosts.iter().map(|host| &*host.0).collect();
            let hosts = if hosts.is_empty() { "its hosts".to_owned() } else { hosts.join(", ") };
            format!("cancelled run {run}; {hosts} will stop and start nothing more\n")
        }
    });
    Ok(Exit::Success)
}
