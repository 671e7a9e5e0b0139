//! `report`: writes one HTML page about a stored run.
//! `report` of `cli` makes the page.

use crate::app;
use crate::app::{Backends, Error, Refusal, RunDetails};
use crate::cli::commands::output::print;
use crate::cli::context::Context;
use crate::cli::process::{Exit, wait_for};
use crate::cli::report::{Content, Failure, page};
use crate::cli::stored_arguments::ReportArguments;
use crate::manifest::BackendSection;
use crate::model::{Clock as _, Random, RunId, SystemClock};
use crate::state::{Backend, LogPart};
use std::path::Path;

/// Failures with their logs.
const MAX_FAILURES: usize = 20;

/// Last lines of a guest.
const MAX_LINES: usize = 20;

/// Writes the page, to a file or stdout.
pub(crate) fn report(ctx: &Context, arguments: &ReportArguments) -> Result<Exit, Error> {
    let manifest = arguments.manifest.as_deref().map(read_manifest).transpose()?;
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let backend = state.backend.as_ref();
    let (figures, details, failures) = wait_for(&ctx.console, backend, async {
        let run = app::find_run(backend, &arguments.run).await?;
        let details = app::read_run(backend, &run).await?;
        let failures = failures(backend, &run, &details).await?;
        Ok((app::figures(backend, &run).await?, details, failures))
    })?;
    let now = SystemClock.now();
    let text = page(&Content { figures: &figures, details: &details, failures, manifest, now });
    if arguments.out.as_os_str() == "-" {
        return print(text.as_bytes());
    }
    app::write_file(&arguments.out, text.as_bytes(), &mut Random::from_system())?;
    ctx.console.note("written", &format!("wrote {}", arguments.out.display()));
    Ok(Exit::Success)
}

/// Returns the first failures, with the last lines of their guests.
async fn failures(backend: &dyn Backend, run: &RunId, details: &RunDetails) -> Result<Vec<Failure>, Error> {
    let mut found = Vec::new();
    for node in details.nodes.iter().filter(|node| node.has_failed()).take(MAX_FAILURES) {
        let (class, message) = match node.failure() {
            Some(record) => (record.class.as_str(), record.message.clone()),
            None => ("failed", "the failure record cannot be read".to_owned()),
        };
        let parts = app::log_of_node(backend, run, &node.name).await?;
        let lines = parts.into_iter().rev().take(MAX_LINES).map(|part| match part {
            LogPart::Line(line) => line.text,
            LogPart::Gap => "…".to_owned(),
        });
        let mut lines: Vec<String> = lines.collect();
        lines.reverse();
        found.push(Failure { name: node.name.clone(), class, message, lines });
    }
    Ok(found)
}

fn read_manifest(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("cannot read the manifest `{}`", path.display());
        Refusal::new(message).caused_by(error).into()
    })
}
