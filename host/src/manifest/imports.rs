//! Reads `[components.NAME.imports]`: what satisfies imports of a component, beside the host.
//! `graph` looks up the components, and `app` compares the keys with what the component imports.

use crate::manifest::keys::IMPORT;
use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::table::{Slot, Table};
use crate::manifest::{ImportSource, Imports};
use crate::model::Spanned;
use toml::de::DeValue;

/// Reads `imports`; those with faults are left out.
pub(crate) fn imports(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Imports {
    let mut imports = Imports { is_written: true, ..Imports::default() };
    let DeValue::Table(table) = slot.value else {
        imports.is_partial = true;
        let help = "write `[components.NAME.imports]` and below it `\"ns:package/interface\" = \"trap\"`";
        reader.fault::<()>(slot.mismatch("a table").help(help));
        return imports;
    };
    for entry in Slot::entries(table) {
        match import_source(reader, &entry) {
            Some(source) => {
                imports.entries.push((Spanned::new(entry.name.to_owned(), entry.key.clone()), source));
            }
            None => imports.is_partial = true,
        }
    }
    imports
}

fn import_source(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<ImportSource> {
    let examples = "write `\"trap\"` or `{ component = \"NAME\" }`";
    match slot.value {
        DeValue::String(text) if text == "trap" => Some(ImportSource::Trap),
        DeValue::String(_) => {
            reader.fault(slot.fault("must be `\"trap\"` or a table, not another string").help(examples))
        }
        DeValue::Table(_) => {
            let owner = format!("the import `{}`", slot.name);
            let mut table = Table::open(reader, slot, IMPORT, (&owner, examples))?;
            let name = table.required(reader, ("component", "{ component = \"NAME\" }"), filled);
            table.close(reader);
            name.map(ImportSource::Component)
        }
        // No other kind satisfies an import.
        _ => reader.fault(slot.mismatch("`\"trap\"` or a table").help(examples)),
    }
}
