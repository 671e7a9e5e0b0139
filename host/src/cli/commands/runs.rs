//! `runs`: lists the stored runs of a state backend.
//! The layout is in `print/runs_table`.

use crate::app;
use crate::app::{Backends, Error, Refusal};
use crate::cli::args::RunsArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Host;
use crate::cli::print::RunsTable;
use crate::cli::process::{Exit, stdout_style, wait_for};
use crate::manifest::BackendSection;
use crate::model::{Clock as _, SystemClock};
use crate::state::StateUri;

/// Prints the runs, latest first.
pub(crate) fn runs(host: &Host, arguments: &RunsArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&host.settings, &BackendSection::default(), &host.environment)?;
    if state.uri == StateUri::Memory {
        host.voice.note(
            "memory",
            "`memory:` keeps runs only as long as their process. To see runs of others, name the backend that keeps \
             them: --state redis://HOST:6379, or CASCADE_STATE\n",
        );
    }
    let runs = wait_for(
        &host.voice,
        state.backend.as_ref(),
        app::list_runs(state.backend.as_ref(), arguments.most),
    )?;
    let table = RunsTable::new(&runs);
    let text = if arguments.json {
        let json = table.to_json();
        let json = json.map_err(|error| Refusal::new("cannot write the runs as JSON").caused_by(error))?;
        return print_json(json.as_bytes());
    } else {
        table.render(SystemClock.now(), stdout_style())
    };
    print(text.as_bytes())
}
