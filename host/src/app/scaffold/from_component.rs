//! The manifest of a folder for a component that exists: each function a task, with an example of each argument.
//! `example` writes the arguments; the imports' lines are those of errors and of `inspect`.

use crate::app::scaffold::example::example;
use crate::app::{ImportTable, Language, import_toml, needed_grants};
use crate::manifest::KINDS;
use crate::model::Name;
use crate::plan::is_program;
use crate::sandbox::{Component, Offer};
use crate::value::{Export, Signature, Type};
use std::collections::BTreeSet;

/// A component for which a manifest is written.
pub(crate) struct Existing<'a> {
    /// Name of the pipeline.
    pub(crate) name: &'a str,
    /// Name of the component in the manifest.
    pub(crate) component: &'a Name,
    /// The keys that say where it comes from, and which one it is.
    pub(crate) source: &'a [(&'static str, String)],
    /// The language that builds it, if that is known.
    pub(crate) build: Option<Language>,
    /// The component itself.
    pub(crate) loaded: &'a Component,
}

/// Returns the manifest. It has no faults; whether the tasks accept the example arguments is theirs to say.
pub(crate) fn manifest_for(existing: &Existing<'_>) -> String {
    let Existing { name, component, source, build, loaded } = existing;
    let mut out = format!("cascade = 1\nname = {}\n\n[components.{component}]\n", quoted(name));
    let build = build.iter().map(|language| ("build", language.key()));
    let keys = source.iter().map(|(key, text)| (*key, text.as_str())).chain(build);
    keys.for_each(|(key, text)| out.push_str(&format!("{key} = {}\n", quoted(text))));
    if existing.build.is_none_or(Language::keeps_imports) {
        imports(&mut out, existing);
    }
    grants(&mut out, existing);
    let is_of_toolchain =
        |export: &&Export| loaded.toolchain().is_some_and(|toolchain| toolchain.owns(export));
    let exports: Vec<&Export> = loaded.exports().iter().filter(|export| !is_of_toolchain(export)).collect();
    let mut taken = BTreeSet::new();
    for export in &exports {
        out.push('\n');
        match &export.signature {
            Ok(signature) if is_program(export) => program(&mut out, (*component, signature), &mut taken),
            Ok(signature) => task(&mut out, existing, (export, signature), &mut taken),
            Err(why) => comment(&mut out, &format!("{} cannot be a task: {why}", export.function)),
        }
    }
    out
}

/// Adds the lines of imports that the host does not have. A trap is right until a task calls one.
fn imports(out: &mut String, existing: &Existing<'_>) {
    let unknown = |offer| matches!(offer, Offer::Unknown | Offer::Module);
    let imports = existing.loaded.imports().iter().filter(|import| unknown(import.offer));
    let lines: Vec<String> = imports
        .map(|import| import_toml(existing.component.as_str(), &import.name, None, ImportTable::Missing).line)
        .collect();
    if lines.is_empty() {
        return;
    }
    out.push_str(&format!("\n[components.{}.imports]\n", existing.component));
    comment(out, "A function that traps fails the task that calls it. Another component can do better:");
    comment(out, "`{ component = \"NAME\" }`.");
    lines.iter().for_each(|line| out.push_str(&format!("{line}\n")));
}

/// Adds the grants that the component asks for, as comments: they are the user's to give.
fn grants(out: &mut String, existing: &Existing<'_>) {
    let needed: Vec<_> =
        needed_grants(existing.loaded).into_iter().filter(|asked| !asked.is_optional).collect();
    if needed.is_empty() {
        return;
    }
    out.push('\n');
    comment(out, "The component asks for more than its tasks are given. To give it, remove the `#`s:");
    comment(out, &format!("[components.{}.grants]", existing.component));
    for asked in needed {
        let row = asked.grant.row();
        comment(out, &format!("{}  # without it: {}", row.example, row.without.text()));
    }
}

fn task(
    out: &mut String,
    existing: &Existing<'_>,
    (export, signature): (&Export, &Signature),
    taken: &mut BTreeSet<String>,
) {
    let function = &export.function;
    let same = existing.loaded.exports().iter().filter(|other| other.function == *function).count();
    let call = match &export.interface {
        Some(interface) if same > 1 => format!("{}#{interface}.{function}", existing.component),
        _ => format!("{}.{function}", existing.component),
    };
    comment(out, &format!("{function}: {signature}"));
    out.push_str(&format!("[tasks.{}]\ncall = {}\n", free_name(function, taken), quoted(&call)));
    for (name, ty) in &signature.params {
        out.push_str(&format!("args.{name} = {}\n", argument(ty)));
    }
}

fn program(out: &mut String, (component, signature): (&Name, &Signature), taken: &mut BTreeSet<String>) {
    comment(out, &format!("a program; run: {signature}"));
    out.push_str(&format!(
        "[tasks.{}]\ncommand = {}\n",
        free_name(component.as_str(), taken),
        quoted(component.as_str())
    ));
    out.push_str("args = []\nstdin = \"\"\n");
}

/// Returns the literal of an argument. A record that looks like a reference is wrapped.
fn argument(ty: &Type) -> String {
    let literal = example(ty);
    if looks_like_reference(ty) { format!("{{ value = {literal} }}") } else { literal }
}

fn looks_like_reference(ty: &Type) -> bool {
    match ty {
        Type::Record(fields) => {
            fields.iter().any(|field| KINDS.contains(&&*field.name) || looks_like_reference(&field.ty))
        }
        Type::Variant(cases) => cases.first().is_some_and(|case| {
            let payload = case.ty.as_ref();
            payload.is_some_and(|ty| KINDS.contains(&&*case.name) || looks_like_reference(ty))
        }),
        Type::List(inner) | Type::Option(inner) => looks_like_reference(inner),
        Type::Map(map) => looks_like_reference(&map.value),
        Type::Tuple(parts) => parts.iter().any(looks_like_reference),
        Type::Result(result) => result.ok.as_ref().is_some_and(looks_like_reference),
        _ => false,
    }
}

/// Returns a name for a task that no other has.
fn free_name(wanted: &str, taken: &mut BTreeSet<String>) -> String {
    let name = Name::for_file(wanted);
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let free = std::iter::once(name.to_string()).chain(numbered).find(|name| !taken.contains(name));
    let free = free.unwrap_or_else(|| name.to_string());
    taken.insert(free.clone());
    free
}

/// Adds a comment; what is no line of its own stays in it.
fn comment(out: &mut String, text: &str) {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    out.push_str(&format!("# {text}\n"));
}

/// Returns a string of TOML.
fn quoted(text: &str) -> String {
    // A string of JSON is one of TOML, but for the character that JSON does not escape.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
