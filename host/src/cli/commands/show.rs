//! `show`: one stored run with every task of it.
//! How it looks stands in `show_table`.

use crate::app;
use crate::app::Backends;
use crate::app::Error;
use crate::app::Refusal;
use crate::cli::args::ShowArguments;
use crate::cli::commands::output::print;
use crate::cli::commands::output::print_json;
use crate::cli::exit::Exit;
use crate::cli::show_table::ShowTable;
use crate::cli::start::Host;
use crate::cli::terminal::stdout_style;
use crate::cli::waiting::wait_for;
use crate::manifest::BackendSection;
use crate::model::Clock as _;
use crate::model::SystemClock;

/// Prints a run.
pub(crate) fn show(host: &Host, arguments: &ShowArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&host.settings, &BackendSection::default(), &host.environment)?;
    let story =
        wait_for(&host.voice, state.backend.as_ref(), app::tell_run(state.backend.as_ref(), &arguments.run))?;
    let table = ShowTable::new(&story);
    let text = if arguments.json {
        let json = table.to_json();
        let json = json.map_err(|error| Refusal::new("cannot write the run as JSON").caused_by(error))?;
        return print_json(json.as_bytes());
    } else {
        table.render(SystemClock.now(), stdout_style())
    };
    print(text.as_bytes())
}
