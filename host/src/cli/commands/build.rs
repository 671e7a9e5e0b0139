//! `build`: runs the build commands of a manifest's components.
//! `app` starts the commands; their output goes to stderr.

use crate::app;
use crate::app::{BuildOutput, Error, Refusal};
use crate::cli::args::BuildArguments;
use crate::cli::context::Host;
use crate::cli::process::{Exit, stderr_blocks};
use crate::cli::voice::Voice;
use crate::config::{LogFormat, program};
use crate::graph::Resolved;
use crate::manifest::Manifest;
use std::io;

/// Builds the components of a manifest.
pub(crate) fn build(host: &Host, arguments: &BuildArguments) -> Result<Exit, Error> {
    let resolved = app::read(&arguments.manifest)?;
    if build_all(host, &resolved)? == 0 {
        let message = format!("{}: no component has a `build` command", arguments.manifest.display());
        host.voice.note("nothing-to-build", &message);
    }
    app::check_built(resolved.graph.manifest())?;
    Ok(Exit::Success)
}

/// Runs the build commands of a manifest without faults, and returns how many there were.
pub(crate) fn build_all(host: &Host, resolved: &Resolved) -> Result<usize, Error> {
    if !resolved.faults.is_empty() {
        return Err(resolved.faults.clone().into());
    }
    let manifest: &Manifest = resolved.graph.manifest();
    let steps = app::build_steps(manifest);
    let program = program().map_err(|error| Refusal::new("cannot find this program").caused_by(error))?;
    for step in &steps {
        host.voice.note("building", &format!("building {}: {}", step.components.join(", "), step.command));
        let mut echo = host.voice.echo();
        let print = |printed: &[u8]| echo.print(printed);
        host.signals.while_building(|| app::build(step, output(&host.voice), &program), print)?;
    }
    Ok(steps.len())
}

/// Programs read lines of JSON only, and compilers give up where stderr does not block, which this host does not.
fn output(voice: &Voice) -> BuildOutput {
    match voice.form() {
        LogFormat::Human if stderr_blocks() => BuildOutput::Stream(io::stderr().into()),
        LogFormat::Human | LogFormat::Json => BuildOutput::Host,
    }
}
