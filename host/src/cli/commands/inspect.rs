//! `inspect`: shows the exports and imports of a component, or the built-in tasks.
//! The layout is in `print/signature` and `print/builtins`.

use crate::app;
use crate::app::Error;
use crate::cli::args::InspectArguments;
use crate::cli::commands::named_component::NamedComponent;
use crate::cli::commands::output::{print, print_json};
use crate::cli::commands::wit::read_wit;
use crate::cli::context::Context;
use crate::cli::print::{ImportRow, Inspection, builtins, signature};
use crate::cli::process::{Exit, stdout_style};
use crate::model::{Digest, Grant, STD};
use crate::sandbox::{Import, LoadRequest, Offer};

/// Shows the signature of a component.
pub(crate) fn inspect(ctx: &Context, arguments: &InspectArguments) -> Result<Exit, Error> {
    let path = &arguments.component;
    // A file of that name is `./std`.
    if path.as_os_str() == STD && arguments.wit.is_none() {
        return if arguments.json {
            print_json(builtins::to_json().as_bytes())
        } else {
            print(builtins::render(stdout_style()).as_bytes())
        };
    }
    let sandbox = ctx.open_sandbox()?;
    let NamedComponent { bytes, file, name, .. } = NamedComponent::read(ctx, &sandbox, path)?;
    // What a manifest pins is the file: the identity of a module has more in it.
    let digest = Digest::of_bytes(&bytes);
    let wit = arguments.wit.as_deref().map(|path| read_wit(path, arguments.world.as_deref())).transpose()?;
    let request = LoadRequest { name: &file, wit: wit.as_ref(), ..LoadRequest::PLAIN };
    let loaded = sandbox.load_as(bytes, &request);
    ctx.print_warnings(&sandbox);
    let component = loaded?;
    let imports: Vec<ImportRow> =
        component.imports().iter().map(|known| import(name.as_str(), known)).collect();
    let inspection = Inspection {
        component: name.as_str(),
        form: component.form(),
        exports: component.exports(),
        imports: &imports,
        grants: &app::needed_grants(&component),
        toolchain: component.toolchain(),
    };
    if arguments.json {
        print_json(signature::to_json(&inspection, &digest).as_bytes())
    } else {
        print(signature::render(&inspection, stdout_style()).as_bytes())
    }
}

fn import(component: &str, import: &Import) -> ImportRow {
    let sources: &[Option<&str>] = match import.offer {
        Offer::Unknown => &[None, Some("NAME")],
        Offer::Module => &[None],
        Offer::Trap | Offer::Types | Offer::Always | Offer::Refused | Offer::Granted(_) => &[],
    };
    let line =
        |source: Option<&str>| app::import_toml(component, &import.name, source, app::ImportTable::Missing);
    ImportRow {
        name: import.name.to_string(),
        what: describe(import),
        functions: import.functions.clone(),
        signatures: import.signatures.clone(),
        toml: sources.iter().copied().map(line).collect(),
    }
}

/// Describes what the host does with an import, and which grant would enable it.
fn describe(import: &Import) -> String {
    match import.offer {
        Offer::Unknown => "unknown to this host".to_owned(),
        Offer::Module => "no interface, unknown to this host: its functions can only trap".to_owned(),
        Offer::Trap => "its functions trap".to_owned(),
        Offer::Types => "types only: needs nothing".to_owned(),
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
