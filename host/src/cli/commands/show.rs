//! `show`: prints one stored run with all its tasks.
//! The layout is in `print/show_table`.

use crate::app;
use crate::app::{Backends, Error, Refusal};
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::{ShowTable, StatsTable};
use crate::cli::process::{Exit, stdout_style, wait_for};
use crate::cli::stored_arguments::ShowArguments;
use crate::manifest::BackendSection;
use crate::model::{Clock as _, SystemClock};

/// Prints a stored run.
pub(crate) fn show(ctx: &Context, arguments: &ShowArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let backend = state.backend.as_ref();
    if arguments.stats {
        let figures = wait_for(&ctx.console, backend, async {
            app::figures(backend, &app::find_run(backend, &arguments.run).await?).await
        })?;
        let table = StatsTable::new(&figures);
        if arguments.json {
            let json = table.to_json();
            let json =
                json.map_err(|error| Refusal::new("cannot write the figures as JSON").caused_by(error))?;
            return print_json(json.as_bytes());
        }
        return print(table.render(stdout_style()).as_bytes());
    }
    let mut details = wait_for(&ctx.console, backend, async {
        app::read_run(backend, &app::find_run(backend, &arguments.run).await?).await
    })?;
    arguments.filters.apply(&mut details);
    let table = ShowTable::new(&details);
    let text = if arguments.json {
        let json = table.to_json();
        let json = json.map_err(|error| Refusal::new("cannot write the run as JSON").caused_by(error))?;
        return print_json(json.as_bytes());
    } else {
        table.render(SystemClock.now(), stdout_style())
    };
    print(text.as_bytes())
}
