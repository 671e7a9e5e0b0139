//! `why`: explains why a task or an element of a stored run is in its state.
//! `app/why` finds the reasons; the layout is in `print/why`.

use crate::app;
use crate::app::{Backends, Error, Refusal};
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::WhyReport;
use crate::cli::process::{Exit, stdout_style, wait_for};
use crate::cli::stored_arguments::WhyArguments;
use crate::manifest::BackendSection;

/// Explains one node.
pub(crate) fn why(ctx: &Context, arguments: &WhyArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let backend = state.backend.as_ref();
    let why = wait_for(&ctx.console, backend, async {
        app::why(backend, &app::find_run(backend, &arguments.run).await?, &arguments.task).await
    })?;
    let report = WhyReport::new(&why);
    if arguments.json {
        let json = report.to_json();
        let json = json.map_err(|error| Refusal::new("cannot write the reasons as JSON").caused_by(error))?;
        return print_json(json.as_bytes());
    }
    print(report.render(stdout_style()).as_bytes())
}
