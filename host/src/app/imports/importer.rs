//! A component with imports, as wiring and faults see it, and the line of a manifest that satisfies an import.
//! `wiring` matches imports with exports.

use crate::app::grant_check::Toml;
use crate::manifest;
use crate::model::Name;
use crate::sandbox::Component;

/// A component with its name and its part of the manifest.
#[derive(Clone, Copy)]
pub(crate) struct Importer<'a> {
    pub(crate) name: &'a Name,
    pub(crate) written: &'a manifest::Component,
    pub(crate) component: &'a Component,
}

/// Whether a manifest has the table of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// The manifest has it.
    Written,
    /// The line needs a heading.
    Missing,
}

/// Returns the line of a manifest that satisfies an import: by `source`, or by a trap.
pub(crate) fn toml(component: &str, import: &str, source: Option<&str>, table: Table) -> Toml {
    let source = source.map_or_else(|| "\"trap\"".to_owned(), |name| format!("{{ component = \"{name}\" }}"));
    // A string of JSON is one of TOML, but for the character that JSON does not escape.
    let key = serde_json::Value::from(import).to_string().replace('\u{7f}', "\\u007f");
    Toml {
        table: format!("components.{component}.imports"),
        line: format!("{key} = {source}"),
        has_table: table == Table::Written,
    }
}
