//! `resources`: lists what is taken of the resources that all runs of a state backend share.
//! The layout is in `print/resources_table`.

use crate::app::{Backends, Error, Refusal};
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::ResourcesTable;
use crate::cli::process::{Exit, stdout_style, wait_for};
use crate::cli::stored_arguments::ResourcesArguments;
use crate::manifest::BackendSection;
use crate::state::StateUri;

/// Prints the resources by name, each with those that hold some of it and those that wait.
pub(crate) fn resources(ctx: &Context, arguments: &ResourcesArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    if state.uri == StateUri::Memory {
        ctx.console.note(
            "memory",
            "`memory:` shares resources only within its process. To list those of other hosts, name their backend: \
             --state redis://HOST:6379, or CASCADE_STATE\n",
        );
    }
    let listing = async {
        match state.backend.reservations() {
            Some(reservations) => Ok(reservations.list().await?),
            None => Ok(Vec::new()),
        }
    };
    let table = ResourcesTable::new(&wait_for(&ctx.console, state.backend.as_ref(), listing)?);
    if arguments.json {
        let json = table.to_json();
        let json =
            json.map_err(|error| Refusal::new("cannot write the resources as JSON").caused_by(error))?;
        return print_json(json.as_bytes());
    }
    print(table.render(stdout_style()).as_bytes())
}
