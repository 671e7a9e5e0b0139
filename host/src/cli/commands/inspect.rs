//! `inspect`: shows the exports and imports of a component.
//! The layout is in `print/signature`.

use crate::app;
use crate::app::{Error, Refusal};
use crate::cli::args::InspectArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::{ImportRow, Inspection, signature};
use crate::cli::process::{Exit, stdout_style};
use crate::model::{Digest, Grant, Name};
use crate::sandbox::{Import, Offer, Wit};
use std::ffi::OsStr;
use std::path::Path;

/// Shows the signature of a component.
pub(crate) fn inspect(ctx: &Context, arguments: &InspectArguments) -> Result<Exit, Error> {
    let path = &arguments.component;
    let sandbox = app::open_sandbox(&ctx.settings, Some(app::own_compiler()?))?;
    let bytes = app::read_component(path, sandbox.max_component_size()).map_err(|error| {
        Refusal::new(format!("cannot read the component `{}`", path.display())).caused_by(error)
    })?;
    // What a manifest pins is the file: the identity of a module has more in it.
    let digest = Digest::of_bytes(&bytes);
    let wit = arguments.wit.as_deref().map(|path| wit(path, arguments.world.as_deref())).transpose()?;
    let loaded = sandbox.load_with_wit(bytes, wit.as_ref());
    ctx.print_warnings(&sandbox);
    let component = loaded?;
    let name = component_name(path);
    let imports: Vec<ImportRow> = component.imports().iter().map(|known| import(&name, known)).collect();
    let inspection = Inspection {
        component: &name,
        form: component.form(),
        exports: component.exports(),
        imports: &imports,
        grants: &app::needed_grants(&component),
    };
    if arguments.json {
        print_json(signature::to_json(&inspection, &digest).as_bytes())
    } else {
        print(signature::render(&inspection, stdout_style()).as_bytes())
    }
}

fn wit(path: &Path, world: Option<&str>) -> Result<Wit, Refusal> {
    let packages = app::read_wit(path).map_err(|error| {
        Refusal::new(format!("cannot read the WIT `{}`", path.display()))
            .help("name a folder with `.wit` files, or one such file")
            .caused_by(error)
    })?;
    Ok(Wit { packages, world: world.map(str::to_owned) })
}

/// Returns a legal name for a component in a manifest: that of its file, without `.component.wasm`.
fn component_name(path: &Path) -> String {
    let stem = path.file_stem().map(OsStr::to_string_lossy).unwrap_or_default();
    let stem = stem.strip_suffix(".component").unwrap_or(&stem);
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let words: String = stem.chars().map(legal).collect();
    let words = words.split('-').filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>().join("-");
    let begins_well = words.starts_with(|c: char| c.is_ascii_alphabetic());
    let name = match words.as_str() {
        "" => "component".to_owned(),
        words if begins_well => words.to_owned(),
        words => format!("c{words}"),
    };
    name.chars().take(Name::MAX_LEN).collect()
}

fn import(component: &str, import: &Import) -> ImportRow {
    let lines = [None, Some("NAME")].map(|source| app::import_toml(component, &import.name, source, false));
    ImportRow {
        name: import.name.to_string(),
        what: describe(import),
        functions: import.functions.clone(),
        toml: if import.offer == Offer::Unknown { Some(lines) } else { None },
    }
}

/// Describes what the host does with an import, and which grant would enable it.
fn describe(import: &Import) -> String {
    match import.offer {
        Offer::Unknown => "unknown to this host".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_any_file_is_legal() {
        for (file, name) in [
            ("words.wasm", "words"),
            ("dir/words.component.wasm", "words"),
            ("arcjet_analyze_bindings_redact.component.wasm", "arcjet_analyze_bindings_redact"),
            ("calculator.composed.wasm", "calculator-composed"),
            ("my words (1).wasm", "my-words-1"),
            ("7z.wasm", "c7z"),
            ("_x.wasm", "c_x"),
            ("größe.wasm", "gr-e"),
            (".wasm", "wasm"),
            ("-.wasm", "component"),
            ("..", "component"),
        ] {
            assert_eq!(component_name(Path::new(file)), name, "{file}");
            Name::new(name).unwrap();
        }
        let long = format!("{}.wasm", "x".repeat(200));
        Name::new(&component_name(Path::new(&long))).unwrap();
    }
}
