//! `run --watch`: runs again whenever a file that the run is made of changes, until it is interrupted.
//! `run` makes each run; `watching` is what they share.

use crate::app;
use crate::app::{Error, Refusal, file_of};
use crate::cli::args::RunArguments;
use crate::cli::commands::run::run_once;
use crate::cli::commands::watching::{Watching, is_stream, named, not_watched};
use crate::cli::console::report;
use crate::cli::context::Context;
use crate::cli::log::show_millis;
use crate::cli::process::{Exit, watching_ended};
use crate::model::{Clock as _, SystemClock, Timestamp};

/// Runs a manifest again and again. Returns once a signal has stopped a run, or results can no longer be written or are no longer read.
pub(crate) fn run_watching(ctx: &Context, arguments: &RunArguments) -> Result<Exit, Error> {
    refuse_flags(arguments)?;
    let manifest = &arguments.scope.manifest;
    let params = arguments.params.texts();
    let given = params.pairs.iter().filter_map(|pair| file_of(pair)).map(|(_, path)| path.to_owned());
    let mut paths = given.chain(params.file.clone()).chain([manifest.clone()]);
    if let Some(stream) = paths.find(|path| is_stream(path)) {
        return Err(not_watched(&stream).into());
    }
    if !manifest.exists() {
        // A path that was mistyped; later, an editor may be about to replace the file.
        drop(app::read(manifest)?);
    }
    let mut watching = Watching::new(ctx, arguments);
    let mut saved: Option<Timestamp> = None;
    loop {
        watching.begin();
        match run_once(ctx, arguments, Some(&mut watching)) {
            // Nobody reads the results, or there is no room for them.
            Ok(Exit::Backend) => return Ok(Exit::Backend),
            Err(error @ (Error::Unprinted(_) | Error::Unwritten { .. } | Error::Unsaved { .. })) => {
                return Err(error);
            }
            Ok(_) if watching.is_interrupted() => {
                ctx.console.note("interrupted", &watching_ended(manifest));
                return Ok(Exit::Interrupted);
            }
            Ok(_) => {}
            Err(error) => drop(report(&error, &ctx.console)),
        }
        if !watching.is_outdated() {
            let files = match watching.files() {
                1 => "1 file".to_owned(),
                files => format!("{files} files"),
            };
            let after =
                saved.map_or_else(String::new, |saved| format!("{} after the change; ", since(saved)));
            ctx.console.note("watching", &format!("{after}watching {files}"));
        }
        let Some(change) = watching.wait() else { return Ok(Exit::Success) };
        ctx.console.note("changed", &format!("{} changed: running again", named(&change)));
        saved = Some(change.saved);
    }
}

fn since(saved: Timestamp) -> String {
    let millis = SystemClock.now().as_millis().saturating_sub(saved.as_millis());
    show_millis(f64::from(u32::try_from(millis).unwrap_or_default()))
}

/// Refuses what makes no sense for more than one run.
fn refuse_flags(arguments: &RunArguments) -> Result<(), Refusal> {
    let RunArguments { run_id, dry_run, scope, .. } = arguments;
    let id = "each run of a watch has an id of its own, and results that are unchanged come from the cache";
    let flags = [
        (!scope.rerun.is_empty(), "--rerun", id),
        (run_id.is_some(), "--run-id", id),
        (*dry_run, "--dry-run", "`cascade-host plan` shows what a run would do"),
    ];
    match flags.into_iter().find(|(is_given, ..)| *is_given) {
        None => Ok(()),
        Some((_, flag, why)) => {
            let refusal = Refusal::new(format!("`--watch` cannot be used with `{flag}`"));
            Err(refusal.note(why).help(format!("leave out `{flag}`")))
        }
    }
}
