//! `inspect`: the exports of a component, how a manifest calls them, and its imports.
//! `sandbox` reads the component; the caller describes what the host does with each import.

use crate::app::Toml;
use crate::cli::print::columns::{column, hang, pad, put_line};
use crate::cli::print::style::{Ink, Style, escape_control_line};
use crate::model::{Digest, Grant, WithoutGrant};
use crate::sandbox::Form;
use crate::value::Export;
use std::sync::Arc;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// The signature of a component.
pub(crate) struct Inspection<'a> {
    /// The component's name in a manifest: the file name without its extension.
    pub(crate) component: &'a str,
    /// The form of its file.
    pub(crate) form: Form,
    /// The exported functions.
    pub(crate) exports: &'a [Export],
    /// The imported interfaces.
    pub(crate) imports: &'a [ImportRow],
    /// The grants that the imports need, each with its functions.
    pub(crate) grants: &'a [(Grant, Vec<String>)],
}

/// An imported interface.
pub(crate) struct ImportRow {
    /// The interface's name.
    pub(crate) name: String,
    /// The host's treatment of the import, and the grant that it needs.
    pub(crate) what: String,
    /// The imported functions.
    pub(crate) functions: Vec<Arc<str>>,
    /// The lines of a manifest that satisfy an import unknown to the host: by a trap, and by another component.
    pub(crate) toml: Option<[Toml; 2]>,
}

/// Maximum width of the import column; longer names push their text to the right.
const WIDEST_IMPORT: usize = 44;

/// Renders the functions by interface, then the imports.
pub(crate) fn render(inspection: &Inspection<'_>, style: Style) -> String {
    let mut out = String::new();
    if let Some(what) = what_is_adapted(inspection.form) {
        put_line(&mut out, 0, &style.paint(Ink::Faint, what));
        out.push('\n');
    }
    heading(&mut out, "exports", style);
    if inspection.exports.is_empty() {
        put_line(&mut out, 2, "no functions: no task can call it");
    }
    for interface in interfaces(inspection.exports) {
        if let Some(name) = interface {
            put_line(&mut out, 2, &style.paint(Ink::Faint, &escape_control_line(name)));
        }
        let of_interface =
            inspection.exports.iter().filter(|export| export.interface.as_deref() == interface);
        of_interface.for_each(|export| function(&mut out, export, inspection, style));
    }
    out.push('\n');
    heading(&mut out, "imports", style);
    imports(&mut out, inspection.imports);
    satisfying(&mut out, inspection.imports);
    out.push('\n');
    heading(&mut out, "grants", style);
    grants(&mut out, inspection);
    out
}

/// Describes a file that is no component; `None` for a component.
const fn what_is_adapted(form: Form) -> Option<&'static str> {
    match form {
        Form::Component => None,
        Form::Command => Some("a command of WASI preview 1, which the host makes a component of"),
        Form::Reactor => Some("a core module, which the host makes a component of"),
    }
}

const fn form_word(form: Form) -> &'static str {
    match form {
        Form::Component => "component",
        Form::Command => "command",
        Form::Reactor => "reactor",
    }
}

/// Renders the signature as JSON with a final newline.
pub(crate) fn to_json(inspection: &Inspection<'_>, digest: &Digest) -> String {
    let exports: Vec<serde_json::Value> = inspection
        .exports
        .iter()
        .map(|export| {
            let call = call_form(export, inspection);
            match &export.signature {
                Ok(signature) => serde_json::json!({ "call": call, "signature": signature.to_string() }),
                Err(why) => serde_json::json!({ "call": call, "unsupported": why.to_string() }),
            }
        })
        .collect();
    let imports: Vec<serde_json::Value> = inspection
        .imports
        .iter()
        .map(|ImportRow { name, what, functions, toml }| {
            let row = serde_json::json!({ "name": name, "what": what, "functions": functions });
            let Some(toml) = toml else { return row };
            let lines: Vec<_> = toml.iter().map(Toml::lines).collect();
            serde_json::json!({ "name": name, "what": what, "functions": functions, "toml": lines })
        })
        .collect();
    let grants: Vec<serde_json::Value> = inspection
        .grants
        .iter()
        .map(|(grant, imports)| {
            let (is_needed, without) = (!is_optional(*grant), grant.row().without.text());
            serde_json::json!({
                "grant": grant.key(),
                "weight": if is_needed { "needed" } else { "optional" },
                "without": without,
                "imports": imports,
                "toml": [header(inspection), grant.row().example.to_owned()],
            })
        })
        .collect();
    let document = serde_json::json!({
        "v": VERSION,
        "sha256": digest.to_string(),
        "form": form_word(inspection.form),
        "exports": exports,
        "imports": imports,
        "grants": grants,
    });
    format!("{document:#}\n")
}

fn heading(out: &mut String, text: &str, style: Style) {
    put_line(out, 0, &style.paint(Ink::Title, text));
}

/// Lists the interfaces in the order of their first function. `None`, the root, comes first.
fn interfaces(exports: &[Export]) -> Vec<Option<&str>> {
    let mut seen: Vec<Option<&str>> = Vec::new();
    if exports.iter().any(|export| export.interface.is_none()) {
        seen.push(None);
    }
    for export in exports {
        let interface = export.interface.as_deref();
        if !seen.contains(&interface) {
            seen.push(interface);
        }
    }
    seen
}

fn function(out: &mut String, export: &Export, inspection: &Inspection<'_>, style: Style) {
    let name = escape_control_line(&export.function);
    match &export.signature {
        Ok(signature) => {
            hang(out, "", 4, &format!("{name}: {signature}"));
            let call = escape_control_line(&call_form(export, inspection)).into_owned();
            put_line(out, 8, &style.paint(Ink::Calm, &format!("call = \"{call}\"")));
        }
        Err(unsupported) => {
            put_line(out, 4, &name);
            hang(out, "", 8, &format!("cannot be a task: {}", escape_control_line(&unsupported.to_string())));
        }
    }
}

/// Returns the call that a manifest writes: the short form, unless it would be ambiguous.
fn call_form(export: &Export, inspection: &Inspection<'_>) -> String {
    let component = inspection.component;
    let same_name = inspection.exports.iter().filter(|other| other.function == export.function).count();
    match &export.interface {
        Some(interface) if same_name > 1 => format!("{component}#{interface}.{}", export.function),
        _ => format!("{component}.{}", export.function), // the root's function takes precedence over interfaces'
    }
}

fn imports(out: &mut String, imports: &[ImportRow]) {
    if imports.is_empty() {
        put_line(out, 2, "nothing");
    }
    let width = column(imports.iter().map(|row| row.name.as_str()), WIDEST_IMPORT);
    for row in imports {
        let first = format!("  {}  ", pad(&escape_control_line(&row.name), width));
        hang(out, &first, width + 4, &escape_control_line(&row.what));
        if !row.functions.is_empty() {
            hang(out, "", 6, &escape_control_line(&row.functions.join(", ")));
        }
    }
}

/// Renders the manifest lines that satisfy imports unknown to the host, each in two ways of which one is commented out.
fn satisfying(out: &mut String, imports: &[ImportRow]) {
    let mut has_header = false;
    for [trap, component] in imports.iter().filter_map(|row| row.toml.as_ref()) {
        if !has_header {
            out.push('\n');
            put_line(
                out,
                2,
                "# in a manifest, one of two lines for each import that is unknown to this host:",
            );
            put_line(out, 2, &escape_control_line(&format!("[{}]", trap.table)));
            has_header = true;
        }
        put_line(out, 2, &escape_control_line(&format!("{}  # its functions trap when called", trap.line)));
        put_line(
            out,
            2,
            &escape_control_line(&format!("# {}  # the component that exports it", component.line)),
        );
    }
}

/// Renders the manifest lines that grant what the imports need. Grants for imports that language runtimes always make
/// are commented out.
fn grants(out: &mut String, inspection: &Inspection<'_>) {
    if inspection.grants.is_empty() {
        return put_line(out, 2, "none: no import needs a grant");
    }
    put_line(out, 2, &escape_control_line(&header(inspection)));
    let width = column(inspection.grants.iter().map(|(grant, _)| grant.row().example), WIDEST_IMPORT);
    let line = |grant: Grant| {
        format!("{}  # without it: {}", pad(grant.row().example, width), grant.row().without.text())
    };
    let (optional, needed): (Vec<Grant>, Vec<Grant>) =
        inspection.grants.iter().map(|(grant, _)| *grant).partition(|grant| is_optional(*grant));
    needed.iter().for_each(|grant| put_line(out, 2, &line(*grant)));
    if !optional.is_empty() {
        put_line(out, 2, "# imported by most languages' libraries, whether the program uses them or not:");
        optional.iter().for_each(|grant| put_line(out, 2, &format!("# {}", line(*grant))));
    }
}

fn header(inspection: &Inspection<'_>) -> String {
    format!("[components.{}.grants]", inspection.component)
}

/// Returns whether a guest can do without the grant.
fn is_optional(grant: Grant) -> bool {
    match grant.row().without {
        WithoutGrant::Substitute(_) => true,
        WithoutGrant::Refusal | WithoutGrant::Trap => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Signature, Type, Unsupported};

    fn export(interface: Option<&str>, function: &str, params: &[(&str, &str)], result: &str) -> Export {
        let params = params.iter().map(|(name, ty)| ((*name).into(), Type::parse(ty).unwrap())).collect();
        let result = (!result.is_empty()).then(|| Type::parse(result).unwrap());
        let signature = Ok(Signature { params, result });
        Export { interface: interface.map(Into::into), function: function.into(), signature }
    }

    #[test]
    fn functions_are_grouped_by_interface_with_their_call() {
        let unsupported = Unsupported::Type { position: "the result".into(), ty: "own".into() };
        let (a, b) = (Some("acme:text/words@1.0.0"), Some("acme:text/lines@1.0.0"));
        let exports = [
            export(a, "count", &[("chunk", "string")], "list<tuple<string, u32>>"),
            export(b, "count", &[("chunk", "string")], "u32"),
            export(
                None,
                "split",
                &[("text", "string"), ("size", "option<u32>")],
                "result<list<string>, string>",
            ),
            Export { interface: a.map(Into::into), function: "open".into(), signature: Err(unsupported) },
            export(b, "log", &[], ""),
        ];
        let import = |name: &str, what: &str, functions: &[&str]| ImportRow {
            name: name.to_owned(),
            what: what.to_owned(),
            functions: functions.iter().map(|function| (*function).into()).collect(),
            toml: None,
        };
        let mut imports = [
            import("cascade:task/context@0.1.0", "a call traps unless `context` is granted", &["current"]),
            import(
                "wasi:clocks/wall-clock@0.2.6",
                "logical clocks unless `clock` is granted",
                &["now", "resolution"],
            ),
            import("acme:gpu/kernels@0.1.0", "unknown to this host", &["run"]),
        ];
        let [.., unknown] = &mut imports;
        let toml = |line: &str| Toml {
            table: "components.words.imports".to_owned(),
            line: format!("\"acme:gpu/kernels@0.1.0\" = {line}"),
            has_table: false,
        };
        unknown.toml = Some([toml("\"trap\""), toml("{ component = \"NAME\" }")]);
        let grants = [(Grant::Clock, Vec::new()), (Grant::Random, Vec::new()), (Grant::Context, Vec::new())];
        let inspection = Inspection {
            component: "words",
            form: Form::Component,
            exports: &exports,
            imports: &imports,
            grants: &grants,
        };
        assert_eq!(render(&inspection, Style::Plain), include_str!("testdata/inspect.txt"));
    }

    #[test]
    fn empty_component_has_empty_sections() {
        let inspection =
            Inspection { component: "empty", form: Form::Component, exports: &[], imports: &[], grants: &[] };
        assert_eq!(
            render(&inspection, Style::Plain),
            "exports\n  no functions: no task can call it\n\nimports\n  nothing\n\n\
             grants\n  none: no import needs a grant\n"
        );
    }
}
