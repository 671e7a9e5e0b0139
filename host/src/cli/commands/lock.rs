//! `lock`: pins components from elsewhere in their manifests, and prints what has changed.
//! `app` asks the sources and writes the files.

use crate::app;
use crate::app::{Error, LockedFile, Locking, Refusal};
use crate::cli::context::Context;
use crate::cli::process::Exit;
use crate::cli::source_arguments::LockArguments;

/// Pins the components of a manifest and of those that it includes.
pub(crate) fn lock(ctx: &Context, arguments: &LockArguments) -> Result<Exit, Error> {
    let resolved = app::read(&arguments.manifest)?;
    if arguments.check {
        return check(ctx, arguments, &app::missing_pins(&resolved, &arguments.manifest)?);
    }
    let sandbox = ctx.open_sandbox()?;
    let locking = if arguments.update { Locking::All } else { Locking::Missing };
    let changed = app::lock(&resolved, &arguments.manifest, (locking, &ctx.fetcher(&sandbox)));
    ctx.print_warnings(&sandbox);
    let changed = changed?;
    for file in &changed {
        for (component, keys) in &file.components {
            let message = format!("pinned {component} in {}\n  {}", file.path.display(), keys.join("\n  "));
            ctx.console.note("pinned", &message);
        }
    }
    if changed.is_empty() {
        report_locked(ctx, arguments);
    }
    Ok(Exit::Success)
}

fn check(ctx: &Context, arguments: &LockArguments, missing: &[LockedFile]) -> Result<Exit, Error> {
    if missing.is_empty() {
        report_locked(ctx, arguments);
        return Ok(Exit::Success);
    }
    let refusal = Refusal::new("some components have no pin");
    let refusal = missing.iter().fold(refusal, |refusal, file| {
        let names: Vec<String> = file.components.iter().map(|(name, _)| format!("`{name}`")).collect();
        refusal.note(format!("{}: {}", file.path.display(), names.join(", ")))
    });
    let help = format!("`cascade-host lock {}` writes them", arguments.manifest.display());
    Err(refusal.help(help).into())
}

fn report_locked(ctx: &Context, arguments: &LockArguments) {
    let message = format!("{}: every component from elsewhere is pinned", arguments.manifest.display());
    ctx.console.note("locked", &message);
}
