//! `trace`: writes what the hosts of a run did as a trace for Perfetto.
//! `trace` of `cli` makes the file.

use crate::app;
use crate::app::{Backends, Error, Refusal};
use crate::cli::commands::output::print;
use crate::cli::context::Context;
use crate::cli::process::{Exit, wait_for};
use crate::cli::stored_arguments::TraceArguments;
use crate::cli::trace::{self, Trace};
use crate::manifest::BackendSection;
use crate::model::Random;

/// Writes the trace, to stdout or a file.
pub(crate) fn trace(ctx: &Context, arguments: &TraceArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let backend = state.backend.as_ref();
    let figures = wait_for(&ctx.console, backend, async {
        app::figures(backend, &app::find_run(backend, &arguments.run).await?).await
    })?;
    let trace = trace::trace(&figures);
    let Trace { json, left_out } =
        trace.map_err(|error| Refusal::new("cannot write the trace as JSON").caused_by(error))?;
    if figures.time.is_none() {
        ctx.console
            .note("empty", &format!("no attempt of run {} has ended: the trace is empty", figures.run.run));
    }
    if left_out > 0 {
        let message =
            format!("{left_out} attempts, the shortest, are not in the trace: a viewer could not show them");
        ctx.console.note("incomplete", &message);
    }
    match &arguments.out {
        Some(out) => {
            app::write_file(out, &json, &mut Random::from_system())?;
            ctx.console
                .note("written", &format!("wrote {}; https://ui.perfetto.dev opens it", out.display()));
            Ok(Exit::Success)
        }
        None => print(&json),
    }
}
