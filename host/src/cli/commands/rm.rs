//! `rm`: removes stored runs.
//! The state backend decides which runs may be removed.

use crate::app;
use crate::app::{Backends, Error};
use crate::cli::args::RmArguments;
use crate::cli::console::report;
use crate::cli::context::Context;
use crate::cli::process::{Exit, wait_for};
use crate::manifest::BackendSection;
use crate::state::Removal;

/// Removes as many of the runs as possible; the exit code is that of the last failure.
pub(crate) fn rm(ctx: &Context, arguments: &RmArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let removal = if arguments.force { Removal::Any } else { Removal::Idle };
    wait_for(&ctx.console, state.backend.as_ref(), async {
        let mut exit = Exit::Success;
        for run in &arguments.runs {
            match app::remove_run(state.backend.as_ref(), run, removal).await {
                Ok(()) => ctx.console.note("removed", &format!("removed run {run}")),
                Err(error) => exit = report(&error, &ctx.console),
            }
        }
        Ok(exit)
    })
}
