//! `rm`: removes stored runs.
//! The state backend decides which runs may be removed.

use crate::app;
use crate::app::{Backends, Error};
use crate::cli::console::report;
use crate::cli::context::Context;
use crate::cli::process::{Exit, interrupted_rm, wait_for};
use crate::cli::stored_arguments::RmArguments;
use crate::manifest::BackendSection;
use crate::state::Removal;
use std::collections::BTreeSet;

/// Removes as many of the runs as possible; the exit code is that of the last failure.
pub(crate) fn rm(ctx: &Context, arguments: &RmArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let removal = if arguments.force { Removal::Any } else { Removal::Idle };
    let backend = state.backend.as_ref();
    wait_for(&ctx.console, backend, async {
        let mut exit = Exit::Success;
        // Find all before removing one: a removal changes what `latest` and a prefix mean.
        let mut runs = BTreeSet::new();
        for reference in &arguments.runs {
            match app::find_run(backend, reference).await {
                Ok(run) => drop(runs.insert(run)),
                Err(error) => exit = report(&error, &ctx.console),
            }
        }
        ctx.signals.say_if_interrupted(interrupted_rm(&runs));
        for run in &runs {
            match app::remove_run(backend, run, removal).await {
                Ok(()) => ctx.console.note("removed", &format!("removed run {run}")),
                Err(error) => exit = report(&error, &ctx.console),
            }
        }
        Ok(exit)
    })
}
