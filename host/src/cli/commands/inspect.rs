//! `inspect`: what a component exports and what it asks of its host.
//! How it looks stands in `signature`.

use crate::app;
use crate::app::Error;
use crate::app::Refusal;
use crate::cli::args::InspectArguments;
use crate::cli::commands::output::print;
use crate::cli::exit::Exit;
use crate::cli::signature;
use crate::cli::signature::Inspection;
use crate::cli::start::Host;
use crate::cli::terminal::stdout_style;
use crate::sandbox::Import;
use crate::sandbox::Offer;

/// Shows a component from outside.
pub(crate) fn inspect(host: &Host, arguments: &InspectArguments) -> Result<Exit, Error> {
    let path = &arguments.component;
    let sandbox = app::open_sandbox(&host.settings)?;
    let bytes = app::read_component(path, sandbox.largest()).map_err(|error| {
        Refusal::new(format!("cannot read the component `{}`", path.display())).caused_by(error)
    })?;
    let component = sandbox.load(bytes)?;
    let imports: Vec<(String, String)> =
        component.imports().iter().map(|import| (import.name.to_string(), what(import))).collect();
    let name =
        path.file_stem().map_or_else(|| "component".to_owned(), |stem| stem.to_string_lossy().into_owned());
    let inspection = Inspection { component: &name, exports: component.exports(), imports: &imports };
    let text = if arguments.json {
        signature::to_json(&inspection, component.digest())
    } else {
        signature::render(&inspection, stdout_style())
    };
    print(text.as_bytes())
}

/// What the host does with an import, and which grant it would need to have something behind it.
fn what(import: &Import) -> String {
    match import.offer {
        Offer::Unknown if import.functions.is_empty() => "not known to this host".to_owned(),
        Offer::Unknown => format!("not known to this host, with {}", import.functions.join(", ")),
        Offer::Always => "always there".to_owned(),
        Offer::Granted(grants) => {
            let without = match *grants {
                ["clock"] => "logical",
                ["random"] => "seeded by the call",
                ["env", ..] => "empty",
                ["read", ..] => "no folders",
                _ => "refuses", // sockets, names, requests, and who is calling
            };
            let grants: Vec<String> = grants.iter().map(|grant| format!("`{grant}`")).collect();
            format!("{without} unless {} is granted", grants.join(" or "))
        }
    }
}
