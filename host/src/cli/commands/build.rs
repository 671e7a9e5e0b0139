//! `build`: runs the build commands of a manifest's components.
//! `app` starts the commands; their output goes to stderr.

use crate::app;
use crate::app::{BuildOutput, Error, Refusal};
use crate::cli::args::BuildArguments;
use crate::cli::console::Console;
use crate::cli::context::Context;
use crate::cli::process::{Exit, stderr_blocks};
use crate::config::{LogFormat, program};
use crate::graph::Resolved;
use std::io;

/// Builds the components of a manifest.
pub(crate) fn build(ctx: &Context, arguments: &BuildArguments) -> Result<Exit, Error> {
    let resolved = app::read(&arguments.manifest)?;
    if build_all(ctx, &resolved)? == 0 {
        let message = format!("{}: no component has a `build` command", arguments.manifest.display());
        ctx.console.note("nothing-to-build", &message);
    }
    app::check_built(resolved.graph.manifests())?;
    Ok(Exit::Success)
}

/// Runs the build commands of a manifest without faults, and returns how many there were.
pub(crate) fn build_all(ctx: &Context, resolved: &Resolved) -> Result<usize, Error> {
    if !resolved.faults.is_empty() {
        return Err(resolved.faults.clone().into());
    }
    let steps = app::build_steps(resolved.graph.manifests());
    let program = program().map_err(|error| Refusal::new("cannot find this program").caused_by(error))?;
    for step in &steps {
        let components = step.components.join(", ");
        if step.is_current {
            ctx.console.note("up-to-date", &format!("{components}: newer than its sources, not built"));
            continue;
        }
        ctx.console.note("building", &format!("building {components}: {}", step.written));
        let mut echo = ctx.console.build_echo();
        let print = |chunk: &[u8]| echo.print(chunk);
        ctx.signals.while_building(|| app::build(step, build_output(&ctx.console), &program), print)?;
    }
    Ok(steps.len())
}

/// Chooses where the output of a build command goes. JSON needs it line by line, and many compilers fail on a
/// non-blocking stderr, so in both cases the host reads it.
fn build_output(console: &Console) -> BuildOutput {
    match console.format() {
        LogFormat::Human if stderr_blocks() => BuildOutput::Stream(io::stderr().into()),
        LogFormat::Human | LogFormat::Json => BuildOutput::Host,
    }
}
