//! `runs`: lists the stored runs of a state backend.
//! The layout is in `print/runs_table`.

use crate::app;
use crate::app::{Backends, Error, Refusal};
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::RunsTable;
use crate::cli::process::{Exit, stdout_style, wait_for};
use crate::cli::stored_arguments::RunsArguments;
use crate::manifest::BackendSection;
use crate::model::{Clock as _, SystemClock};
use crate::state::StateUri;

/// Number of runs, the latest ones, that filters search.
const SEARCHED: usize = 10_000;

/// Prints the runs, latest first.
pub(crate) fn runs(ctx: &Context, arguments: &RunsArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    if state.uri == StateUri::Memory {
        ctx.console.note(
            "memory",
            "`memory:` keeps a run only until its process ends. To list stored runs, name their backend: \
             --state redis://HOST:6379, or CASCADE_STATE\n",
        );
    }
    let (filters, now) = (&arguments.filters, SystemClock.now());
    let searched = if filters.is_empty() { arguments.max } else { SEARCHED };
    let listed = app::list_runs(state.backend.as_ref(), searched);
    let mut runs = wait_for(&ctx.console, state.backend.as_ref(), listed)?;
    if runs.len() >= searched && !filters.is_empty() {
        ctx.console.note("incomplete", &format!("only the {SEARCHED} latest runs were searched"));
    }
    runs.retain(|run| filters.passes(run, now));
    runs.truncate(arguments.max);
    let table = RunsTable::new(&runs);
    let text = if arguments.json {
        let json = table.to_json();
        let json = json.map_err(|error| Refusal::new("cannot write the runs as JSON").caused_by(error))?;
        return print_json(json.as_bytes());
    } else {
        table.render(now, stdout_style())
    };
    print(text.as_bytes())
}
