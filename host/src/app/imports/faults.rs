//! The words for imports that are not satisfied, and for keys that satisfy nothing.
//! `wiring` and `linked` find them.

use crate::app::imports::importer::{Importer, Table, toml};
use crate::manifest;
use crate::model::{Fault, Name, Span, Spanned, are_compatible, nearest, shortlist, split_version};
use crate::sandbox::{Component, Import, LoadError, Misfit, Offer};
use std::sync::Arc;

/// A fault in a result.
pub(crate) type Boxed = Box<Fault>;

/// Returns the import that a faulty key probably means.
pub(crate) fn meant<'a>(key: &str, component: &'a Component) -> Option<&'a str> {
    let names = || satisfiable(component);
    let same = names().find(|name| split_version(name).0 == split_version(key).0);
    same.or_else(|| nearest(key, names()))
}

/// Returns the names of imports that a manifest may satisfy: not those that have only types.
fn satisfiable(component: &Component) -> impl Iterator<Item = &str> {
    let imports = component.imports().iter().filter(|import| import.offer != Offer::Types);
    imports.map(|import| &*import.name)
}

/// Returns the fault of a key that names no import.
pub(crate) fn unknown_key(key: &Spanned<String>, importer: Importer<'_>) -> Boxed {
    let (name, component) = (importer.name, importer.component);
    let fault =
        Fault::spanned(key.span.clone(), format!("the component `{name}` imports no `{}`", key.value));
    let fault = match meant(&key.value, component) {
        Some(import) => fault.help(format!("did you mean `{import}`?")),
        None => fault.help("remove the line"),
    };
    let names = || satisfiable(component);
    if names().next().is_none() {
        let rest = if component.imports().is_empty() { "" } else { " that needs a line" };
        return Box::new(fault.note(format!("the component imports nothing{rest}")));
    }
    Box::new(fault.note(format!("the component imports {}", shortlist(&key.value, names()))))
}

/// Returns the fault of a key that fits several imports.
pub(crate) fn ambiguous_key(key: &Spanned<String>, importer: Importer<'_>, fitting: &[&Import]) -> Boxed {
    let message = format!("several imports of `{}` fit `{}`", importer.name, key.value);
    let names: Vec<String> = fitting.iter().map(|import| format!("`\"{}\"`", import.name)).collect();
    Box::new(Fault::spanned(key.span.clone(), message).help(format!("write {}", names.join(" or "))))
}

/// Returns the fault of a second key for one import.
pub(crate) fn satisfied_twice(key: &Spanned<String>, import: &Import, first: &Span) -> Boxed {
    let fault = Fault::spanned(key.span.clone(), format!("the import `{}` is satisfied twice", import.name));
    Box::new(fault.related(first.clone(), "first here").help("keep one of the two"))
}

/// Returns the fault of a key for an interface that has only types.
pub(crate) fn needs_nothing(key: &Spanned<String>, import: &Import) -> Boxed {
    let message = format!("the import `{}` has only types, and needs nothing", import.name);
    Box::new(Fault::spanned(key.span.clone(), message).help("remove the line"))
}

/// Returns the fault of a key that names a component for functions of a core module.
pub(crate) fn only_traps(key: &Spanned<String>, import: &Import) -> Boxed {
    let message = format!("the import `{}` is no interface, and no component can satisfy it", import.name);
    let help = format!("let its functions trap, if no task calls them: `\"{}\" = \"trap\"`", import.name);
    Box::new(Fault::spanned(key.span.clone(), message).help(help))
}

/// Returns the fault of a component that does not export what an import needs.
pub(crate) fn no_export(
    importer: Importer<'_>,
    import: &Import,
    supplier: &Spanned<String>,
    component: &Component,
) -> Boxed {
    let message = format!(
        "component `{}` does not export `{}`, which `{}` imports",
        supplier.value, import.name, importer.name
    );
    let fault = Fault::spanned(supplier.span.clone(), message);
    let names = component.exported_names();
    let names = || names.iter().map(|name| &**name);
    let other = names().find(|name| split_version(name).0 == split_version(&import.name).0);
    let fault = match other {
        Some(other) => fault.help(format!(
            "the versions are not compatible: build both components against `{}` or `{other}`",
            import.name
        )),
        None => fault,
    };
    if names().next().is_none() {
        return Box::new(fault.note("the component exports nothing"));
    }
    Box::new(fault.note(format!("the component exports {}", shortlist(&import.name, names()))))
}

/// Adds what may be wrong with an import that traps, if there is one.
pub(crate) fn with_traps(fault: Fault, traps: &[Arc<str>]) -> Fault {
    match traps {
        [] => fault,
        [first, ..] => fault.help(format!(
            "`{first}` is set to `\"trap\"`: imports that use its resources have to trap too, and an import that uses \
             resources of a component cannot"
        )),
    }
}

/// Says that components pass each other resources of two instances of an interface.
fn of_two_instances(fault: Fault) -> Fault {
    let mut fault = Fault { notes: Vec::new(), ..fault };
    fault = fault.note(
        "its components pass each other resources of an interface, but import it from different sources",
    );
    fault.help("let all of them import that interface from the same component; a trap is a source of its own")
}

/// Returns the fault of an import that nothing satisfies. `exporter` is a component that could.
pub(crate) fn missing(importer: Importer<'_>, import: &Import, exporter: Option<&Name>) -> Fault {
    let (name, import_name) = (importer.name, &import.name);
    let message = format!("the component `{name}` imports `{import_name}`, which this host does not provide");
    let span = importer.written.source.as_ref().map_or(0..0, |source| source.span.clone());
    let fault = Fault::spanned(span, message);
    let fault = match &*import.functions {
        [] => fault,
        functions => fault.note(format!("it asks for {}", functions.join(", "))),
    };
    let lines = |source| {
        let table = if importer.written.imports.is_written { Table::Written } else { Table::Missing };
        let toml = toml(name.as_str(), import_name, source, table);
        toml.lines().join("\n")
    };
    let trapping =
        |fault: Fault| fault.help(format!("let its functions trap, if no task calls them:\n{}", lines(None)));
    if import.offer == Offer::Module {
        let fault = fault.note(format!("`{import_name}` is neither WASI preview 1 nor an interface"));
        return trapping(fault).help(
            "or build it for `wasm32-wasip2` or `wasm32-wasip1`, without JavaScript, threads and dynamic linking",
        );
    }
    let fault = match exporter {
        Some(exporter) => fault.help(format!(
            "take it from `{exporter}`, which exports it:\n{}",
            lines(Some(exporter.as_str()))
        )),
        None => fault.help(format!(
            "take it from another component of the manifest, by its name:\n{}",
            lines(Some("NAME"))
        )),
    };
    let fault = trapping(fault);
    if import_name.starts_with("wasi:") || import_name.starts_with("cascade:") {
        return fault.help("build it against WASI 0.2 and the interfaces in `wit/`");
    }
    fault
}

/// Returns the fault of an import that traps in one part of a sandbox, and that another part has from the host.
pub(crate) fn divided(span: &Span, import: &str, trapping: &Name, other: &Name) -> Fault {
    let message = format!("`{import}` cannot trap in `{trapping}` alone: `{other}` has it from the host");
    let fault = Fault::spanned(span.clone(), message);
    fault
        .note("components that import each other share a sandbox, and what the host offers to it")
        .help(format!("remove the line, or let it trap in `{other}` too"))
}

/// Returns the fault of components that cannot be composed. `part` returns the component at a position.
pub(crate) fn not_composed<'a>(
    importer: Importer<'_>,
    error: &LoadError,
    part: impl Fn(usize) -> Option<(&'a Name, &'a manifest::Component)>,
) -> Fault {
    let span = importer.written.source.as_ref().map_or(0..0, |source| source.span.clone());
    let LoadError::Misfit(misfit) = error else {
        let message = format!("cannot load the component `{}` with what it imports", importer.name);
        let fault = with_causes(Fault::spanned(span, message).note(error.to_string()), error);
        // wasmtime numbers resources, which says nothing to users.
        let is_of_two_instances =
            fault.notes.iter().any(|note| note.contains("resource types are not the same"));
        return if is_of_two_instances { of_two_instances(fault) } else { fault };
    };
    let help = "build the components against the same WIT";
    match misfit {
        Misfit::Link { part: at, link, reason } => {
            let (Some((name, written)), Some((exporter, exporting))) = (part(*at), part(link.from)) else {
                return Fault::spanned(span, misfit.to_string());
            };
            let message = format!(
                "the export `{}` of `{exporter}` does not fit the import `{}` of `{name}`",
                link.export, link.import
            );
            let is_it = |key: &&Spanned<String>| {
                split_version(&key.value).1.is_none() && split_version(&link.import).0 == key.value
                    || are_compatible(&key.value, &link.import)
            };
            let keys = written.imports.entries.iter().map(|(key, _)| key);
            let key = keys.filter(is_it).max_by_key(|key| key.value == link.import);
            let fault =
                Fault::spanned(key.map_or(span, |key| key.span.clone()), message).label("imported here");
            let fault = match &exporting.source {
                Some(source) => fault.related(source.span.clone(), "exported here"),
                None => fault,
            };
            fault.note(reason.clone()).help(help)
        }
        Misfit::Shared { import, parts: (first, second), reason } => {
            let name = |at| part(at).map_or("?", |(name, _)| name.as_str());
            let message = format!(
                "`{}` and `{}` import `{import}` with types that differ, and cannot share a sandbox",
                name(*first),
                name(*second)
            );
            Fault::spanned(span, message).note(reason.clone()).help(help)
        }
        Misfit::Other(reason) => {
            let message = format!("cannot compose `{}` with what it imports", importer.name);
            Fault::spanned(span, message).note(reason.clone())
        }
    }
}

/// Adds the causes of an error as notes, and its help.
pub(crate) fn with_causes(fault: Fault, error: &LoadError) -> Fault {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let fault = causes.fold(fault, |fault, cause| fault.note(cause.to_string()));
    match error.help() {
        Some(help) => fault.help(help),
        None => fault,
    }
}

/// Returns whether an import comes from the host.
pub(crate) fn is_of_host(import: &Import) -> bool {
    match import.offer {
        Offer::Always | Offer::Refused | Offer::Granted(_) => true,
        Offer::Unknown | Offer::Module | Offer::Types | Offer::Trap => false,
    }
}
