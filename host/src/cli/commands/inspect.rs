//! `inspect`: shows the exports and imports of a component.
//! The layout is in `print/signature`.

use crate::app;
use crate::app::{Error, Refusal};
use crate::cli::args::InspectArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::{ImportRow, Inspection, signature};
use crate::cli::process::{Exit, stdout_style};
use crate::model::{Grant, Name};
use crate::sandbox::{Import, Offer};

/// Shows the signature of a component.
pub(crate) fn inspect(ctx: &Context, arguments: &InspectArguments) -> Result<Exit, Error> {
    let path = &arguments.component;
    let sandbox = app::open_sandbox(&ctx.settings, Some(app::own_compiler()?))?;
    let bytes = app::read_component(path, sandbox.largest()).map_err(|error| {
        Refusal::new(format!("cannot read the component `{}`", path.display())).caused_by(error)
    })?;
    let loaded = sandbox.load(bytes);
    ctx.print_warnings(&sandbox);
    let component = loaded?;
    let imports: Vec<ImportRow> = component.imports().iter().map(import).collect();
    let name = Name::for_file(&path.file_stem().unwrap_or_default().to_string_lossy());
    let inspection = Inspection {
        component: name.as_str(),
        exports: component.exports(),
        imports: &imports,
        grants: &app::asked(&component),
        toolchain: component.toolchain(),
    };
    if arguments.json {
        print_json(signature::to_json(&inspection, component.digest()).as_bytes())
    } else {
        print(signature::render(&inspection, stdout_style()).as_bytes())
    }
}

fn import(import: &Import) -> ImportRow {
    ImportRow { name: import.name.to_string(), what: describe(import), functions: import.functions.clone() }
}

/// Describes what the host does with an import, and which grant would enable it.
fn describe(import: &Import) -> String {
    match import.offer {
        Offer::Unknown => "unknown to this host".to_owned(),
        Offer::Always => "always available".to_owned(),
        Offer::Refused => "calls are always refused".to_owned(),
        Offer::Granted(_) if import.functions.is_empty() => "types only".to_owned(),
        Offer::Granted(_) => describe_grants(import),
    }
}

/// Describes what happens to a call without each grant that serves the import; grants with the same effect are
/// joined.
fn describe_grants(import: &Import) -> String {
    let grants = Grant::ALL.into_iter().filter(|grant| !import.served_by(*grant).is_empty());
    let mut effects: Vec<(&str, String)> = Vec::new();
    for grant in grants {
        let (effect, key) = (grant.row().without.text(), format!("`{}`", grant.key()));
        match effects.iter_mut().find(|(known, _)| *known == effect) {
            Some((_, keys)) => *keys += &format!(" or {key}"),
            None => effects.push((effect, key)),
        }
    }
    if effects.is_empty() {
        return "always available".to_owned(); // the grant only matters together with another import
    }
    let effects: Vec<String> =
        effects.into_iter().map(|(effect, keys)| format!("{effect} unless {keys} is granted")).collect();
    effects.join(", ")
}
