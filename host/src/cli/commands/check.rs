//! `check`: checks a manifest and its components without running anything.
//! The checks are in `app`. Success is reported on stderr, since stdout carries results only.

use crate::app;
use crate::app::{Backends, Builds, Error, Hook};
use crate::cli::args::CheckArguments;
use crate::cli::context::Context;
use crate::cli::process::Exit;

/// Checks a manifest and its components.
pub(crate) fn check(ctx: &Context, arguments: &CheckArguments) -> Result<Exit, Error> {
    let mut resolved = app::read(&arguments.manifest)?;
    // Connect to no server: its availability does not depend on the manifest.
    let backends = Backends::default();
    backends.check(&mut resolved, &ctx.settings, &ctx.environment);
    Hook::check(&mut resolved, &ctx.environment);
    let sandbox = ctx.open_sandbox()?;
    let checked = app::check(resolved, (&sandbox, &ctx.fetcher(&sandbox)), &ctx.environment, Builds::NotRun);
    ctx.print_warnings(&sandbox);
    let checked = checked?;
    for warning in app::unpinned(&checked.manifests) {
        ctx.console.warn("unpinned", &warning);
    }
    app::check_inputs(&checked, &ctx.environment)?;
    backends.state(&ctx.settings, &checked.manifests.root().state, &ctx.environment)?;
    backends.cache(&ctx.settings, &checked.manifests.root().cache, &ctx.environment)?;
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let message = format!(
        "{}: {} and {} are valid",
        arguments.manifest.display(),
        count(checked.plan.tasks().len(), "task"),
        count(checked.components.len(), "component"),
    );
    ctx.console.note("sound", &message);
    Ok(Exit::Success)
}
