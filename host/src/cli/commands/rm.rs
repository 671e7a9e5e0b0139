//! `rm`: removes stored runs.
//! The state backend decides which runs may be removed.

use crate::app;
use crate::app::{Backends, Error};
use crate::cli::args::RmArguments;
use crate::cli::context::Host;
use crate::cli::process::{Exit, wait_for};
use crate::cli::voice::report;
use crate::manifest::BackendSection;
use crate::state::Removal;

/// Removes as many of the runs as possible; the exit code is that of the last failure.
pub(crate) fn rm(host: &Host, arguments: &RmArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&host.settings, &BackendSection::default(), &host.environment)?;
    let removal = if arguments.force { Removal::Any } else { Removal::Idle };
    wait_for(&host.voice, state.backend.as_ref(), async {
        let mut exit = Exit::Success;
        for run in &arguments.runs {
            match app::remove_run(state.backend.as_ref(), run, removal).await {
                Ok(()) => host.voice.note("removed", &format!("removed run {run}")),
                Err(error) => exit = report(&error, &host.voice),
            }
        }
        Ok(exit)
    })
}
