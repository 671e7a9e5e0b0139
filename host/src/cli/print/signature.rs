//! `inspect`: the exports of a component, how a manifest calls them, and its imports.
//! `sandbox` reads the component; the caller describes what the host does with each import.

use crate::app::{NeededGrant, Toml};
use crate::cli::print::columns::{column, hang, pad, put_line};
use crate::cli::print::style::{Ink, Style, escape_control_line};
use crate::model::{Digest, Grant};
use crate::plan::is_program;
use crate::sandbox::{Form, Toolchain};
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
    pub(crate) grants: &'a [NeededGrant],
    /// The toolchain that built the component, if it is a known one.
    pub(crate) toolchain: Option<Toolchain>,
}

impl Inspection<'_> {
    /// Splits the exports into those of the component's author and those of the toolchain.
    fn parts(&self) -> (Vec<&Export>, Vec<&Export>) {
        self.exports.iter().partition(|export| self.toolchain.is_none_or(|toolchain| !toolchain.owns(export)))
    }
}

/// An imported interface.
pub(crate) struct ImportRow {
    /// The interface's name.
    pub(crate) name: String,
    /// The host's treatment of the import, and the grant that it needs.
    pub(crate) what: String,
    /// The imported functions.
    pub(crate) functions: Vec<Arc<str>>,
    /// Signatures of its functions, of an import unknown to the host.
    pub(crate) signatures: Vec<(Arc<str>, String)>,
    /// The lines of a manifest that satisfy an import unknown to the host: by a trap, and by another component if that can.
    pub(crate) toml: Vec<Toml>,
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
    let (tasks, of_toolchain) = inspection.parts();
    for interface in interfaces(&tasks) {
        if let Some(name) = interface {
            put_line(&mut out, 2, &style.paint(Ink::Faint, &escape_control_line(name)));
        }
        let of_interface = tasks.iter().filter(|export| export.interface.as_deref() == interface);
        of_interface.for_each(|export| function(&mut out, export, inspection, style));
    }
    if let Some(toolchain) = inspection.toolchain.filter(|_| !of_toolchain.is_empty()) {
        let names: Vec<&str> = of_toolchain.iter().map(|export| &*export.function).collect();
        let text = format!("{}, which {} calls while it builds: no task", names.join(", "), toolchain.name());
        put_line(&mut out, 2, &style.paint(Ink::Faint, &escape_control_line(&text)));
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
        Form::Command => Some("a WASI preview 1 command; the host adapts it to a component"),
        Form::Reactor => Some("a core module; the host adapts it to a component"),
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
    let (tasks, of_toolchain) = inspection.parts();
    let shown = |export: &Export, toolchain: Option<&str>| {
        let (call, key) = (call_form(export, inspection), "toolchain".to_owned());
        let mut shown = match &export.signature {
            Ok(signature) => serde_json::json!({ "call": call, "signature": signature.to_string() }),
            Err(why) => serde_json::json!({ "call": call, "unsupported": why.to_string() }),
        };
        if let (Some(wit), Some(shown)) = (export.wit(), shown.as_object_mut()) {
            shown.insert("wit".to_owned(), wit.into());
        }
        if let (Some(toolchain), Some(shown)) = (toolchain, shown.as_object_mut()) {
            shown.insert(key, toolchain.into());
        }
        if let (true, Some(shown)) = (is_program(export), shown.as_object_mut()) {
            shown.insert("command".to_owned(), inspection.component.into());
        }
        shown
    };
    let toolchain = inspection.toolchain.map(Toolchain::name);
    let mut exports: Vec<serde_json::Value> = tasks.iter().map(|export| shown(export, None)).collect();
    exports.extend(of_toolchain.iter().map(|export| shown(export, toolchain)));
    let imports: Vec<serde_json::Value> = inspection
        .imports
        .iter()
        .map(|ImportRow { name, what, functions, signatures, toml }| {
            let row = serde_json::json!({ "name": name, "what": what, "functions": functions });
            if toml.is_empty() {
                return row;
            }
            let lines: Vec<_> = toml.iter().map(Toml::lines).collect();
            let shown = |(name, text): &(Arc<str>, String)| (name.to_string(), text.clone().into());
            let signatures: serde_json::Map<String, serde_json::Value> =
                signatures.iter().map(shown).collect();
            serde_json::json!({
                "name": name, "what": what, "functions": functions, "signatures": signatures, "toml": lines
            })
        })
        .collect();
    let grants: Vec<serde_json::Value> = inspection
        .grants
        .iter()
        .map(|NeededGrant { grant, imports, is_optional }| {
            serde_json::json!({
                "grant": grant.key(),
                "weight": if *is_optional { "optional" } else { "needed" },
                "without": grant.row().without.text(),
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
fn interfaces<'a>(exports: &[&'a Export]) -> Vec<Option<&'a str>> {
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
            let wit = export.wit();
            hang(out, "", 4, &format!("{name}: {}", wit.unwrap_or_else(|| signature.to_string())));
            if !export.passing.is_whole() {
                hang(out, "", 8, &format!("as a task: {signature}"));
            }
            if is_program(export) {
                let command = escape_control_line(inspection.component).into_owned();
                put_line(out, 8, &style.paint(Ink::Calm, &format!("command = \"{command}\"")));
            }
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
        for (function, signature) in &row.signatures {
            hang(out, "", 6, &escape_control_line(&format!("{function}: {signature}")));
        }
        if row.signatures.is_empty() && !row.functions.is_empty() {
            hang(out, "", 6, &escape_control_line(&row.functions.join(", ")));
        }
    }
}

/// Renders the manifest lines that satisfy imports unknown to the host, each in two ways of which one is commented out.
fn satisfying(out: &mut String, imports: &[ImportRow]) {
    let mut has_header = false;
    for (trap, component) in imports.iter().filter_map(|row| Some((row.toml.first()?, row.toml.get(1)))) {
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
        if let Some(component) = component {
            let line = format!("# {}  # the component that exports it", component.line);
            put_line(out, 2, &escape_control_line(&line));
        }
    }
}

/// Renders the manifest lines that grant what the imports need. Grants for imports that language runtimes always make
/// are commented out.
fn grants(out: &mut String, inspection: &Inspection<'_>) {
    if inspection.grants.is_empty() {
        return put_line(out, 2, "none: no import needs a grant");
    }
    put_line(out, 2, &escape_control_line(&header(inspection)));
    let width = column(inspection.grants.iter().map(|asked| asked.grant.row().example), WIDEST_IMPORT);
    let line = |grant: Grant| {
        format!("{}  # without it: {}", pad(grant.row().example, width), grant.row().without.text())
    };
    let (optional, needed): (Vec<&NeededGrant>, Vec<&NeededGrant>) =
        inspection.grants.iter().partition(|asked| asked.is_optional);
    needed.iter().for_each(|asked| put_line(out, 2, &line(asked.grant)));
    if !optional.is_empty() {
        put_line(out, 2, "# imported by most languages' libraries, whether the program uses them or not:");
        optional.iter().for_each(|asked| put_line(out, 2, &format!("# {}", line(asked.grant))));
    }
}

fn header(inspection: &Inspection<'_>) -> String {
    format!("[components.{}.grants]", inspection.component)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Signature, Type, Unsupported};

    fn export(interface: Option<&str>, function: &str, params: &[(&str, &str)], result: &str) -> Export {
        let params = params.iter().map(|(name, ty)| ((*name).into(), Type::parse(ty).unwrap())).collect();
        let result = (!result.is_empty()).then(|| Type::parse(result).unwrap());
        let signature = Ok(Signature { params, result });
        Export {
            interface: interface.map(Into::into),
            function: function.into(),
            signature,
            passing: Box::default(),
        }
    }

    fn inspection<'a>(
        component: &'a str,
        exports: &'a [Export],
        imports: &'a [ImportRow],
        grants: &'a [NeededGrant],
    ) -> Inspection<'a> {
        Inspection { component, form: Form::Component, exports, imports, grants, toolchain: None }
    }

    #[test]
    fn exports_and_imports_of_a_toolchain_come_last() {
        let exports = [
            export(Some("exports"), "init", &[("app-name", "string")], "result<_, string>"),
            export(None, "split", &[("text", "string")], "list<string>"),
        ];
        let asked = |grant, is_optional| NeededGrant { grant, imports: Vec::new(), is_optional };
        let grants = [asked(Grant::Tcp, true), asked(Grant::Context, false)];
        let toolchain = Some(Toolchain::Python);
        let inspection = Inspection { toolchain, ..inspection("py", &exports, &[], &grants) };
        assert_eq!(
            render(&inspection, Style::Plain),
            "exports\n    split: func(text: string) -> list<string>\n        call = \"py.split\"\n  \
             init, which componentize-py calls while it builds: no task\n\nimports\n  nothing\n\ngrants\n  \
             [components.py.grants]\n  context = true            # without it: a call traps\n  \
             # imported by most languages' libraries, whether the program uses them or not:\n  \
             # tcp = [\"127.0.0.1:5432\"]  # without it: calls are refused\n"
        );
        let json: serde_json::Value =
            serde_json::from_str(&to_json(&inspection, &Digest::of_bytes(b""))).unwrap();
        assert_eq!(json["exports"][0]["call"], "py.split");
        assert_eq!(json["exports"][1]["toolchain"], "componentize-py");
        assert_eq!(json["grants"][0]["weight"], "optional");
    }

    #[test]
    fn programs_are_commands_and_functions() {
        let exports = [export(Some("wasi:cli/run@0.2.6"), "run", &[], "result")];
        let inspection = inspection("dot", &exports, &[], &[]);
        let shown = render(&inspection, Style::Plain);
        assert!(
            shown.contains("run: func() -> result\n        command = \"dot\"\n        call = \"dot.run\"\n"),
            "{shown}"
        );
        let json: serde_json::Value =
            serde_json::from_str(&to_json(&inspection, &Digest::of_bytes(b""))).unwrap();
        assert_eq!(json["exports"][0]["command"], "dot");
        let exports = [export(Some("acme:text/run@0.2.6"), "run", &[], "result")];
        let other = Inspection { exports: &exports, ..inspection };
        assert!(!render(&other, Style::Plain).contains("command"));
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
            Export {
                interface: a.map(Into::into),
                function: "open".into(),
                signature: Err(unsupported),
                passing: Box::default(),
            },
            export(b, "log", &[], ""),
        ];
        let import = |name: &str, what: &str, functions: &[&str]| ImportRow {
            name: name.to_owned(),
            what: what.to_owned(),
            functions: functions.iter().map(|function| (*function).into()).collect(),
            signatures: Vec::new(),
            toml: Vec::new(),
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
        unknown.signatures = vec![("run".into(), "func(size: u32) -> result<list<u8>, string>".to_owned())];
        unknown.toml = vec![toml("\"trap\""), toml("{ component = \"NAME\" }")];
        let asked = |grant, is_optional| NeededGrant { grant, imports: Vec::new(), is_optional };
        let grants = [asked(Grant::Clock, true), asked(Grant::Random, true), asked(Grant::Context, false)];
        let inspection = inspection("words", &exports, &imports, &grants);
        assert_eq!(render(&inspection, Style::Plain), include_str!("testdata/inspect.txt"));
    }

    #[test]
    fn empty_component_has_empty_sections() {
        let inspection = inspection("empty", &[], &[], &[]);
        assert_eq!(
            render(&inspection, Style::Plain),
            "exports\n  no functions: no task can call it\n\nimports\n  nothing\n\n\
             grants\n  none: no import needs a grant\n"
        );
    }
}
