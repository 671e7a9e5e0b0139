//! Reads `[components.NAME]`: a file, its imports, and the grants of its guests.
//! `app` opens the file and runs build commands.

use crate::manifest::grants::grants;
use crate::manifest::keys::{COMPONENT, IMPORT};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::filled;
use crate::manifest::table::{Slot, Table};
use crate::manifest::{Component, ImportSource, Imports};
use crate::model::{Digest, Fault, Spanned};
use toml::de::DeValue;

/// Reads the component in `slot`; `None` if it is not a table.
pub(crate) fn component(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Component> {
    let owner = format!("component `{}`", slot.name);
    let example = format!("`[components.{}]` and below it `path = \"…\"`", slot.name);
    let mut table = Table::open(reader, slot, COMPONENT, (&owner, &example))?;
    let path = table.required(reader, ("path", "path = \"words.wasm\""), filled);
    let sha256 = table.optional(reader, "sha256", digest);
    let build = table.optional(reader, "build", filled).map(|command| command.value);
    let folder = table.optional(reader, "build-dir", filled);
    let mut imports = table.slot("imports").map(|slot| imports(reader, &slot)).unwrap_or_default();
    let mut grants = table.slot("grants").map(|slot| grants(reader, &slot)).unwrap_or_default();
    for unknown in table.close(reader) {
        grants.is_partial |= unknown.meant == Some("grants");
        imports.is_partial |= unknown.meant == Some("imports");
    }
    Some(Component {
        path: path.map(|path| Spanned::new(reader.join(&path.value), path.span)),
        sha256,
        build,
        build_dir: reader.join(folder.as_ref().map_or(".", |folder| &folder.value)),
        imports,
        grants,
    })
}

/// Reads `imports`; those with faults are left out.
fn imports(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Imports {
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
            reader.fault(slot.fault("is satisfied by nothing with this name").help(examples))
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

fn digest(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Digest>> {
    let text = filled(reader, slot)?;
    match Digest::parse(&text.value) {
        Ok(digest) => Some(Spanned::new(digest, text.span)),
        Err(fault) => {
            let bare = text.value.strip_prefix("sha256:").filter(|digits| Digest::parse(digits).is_ok());
            let help = match bare {
                Some(_) => "remove `sha256:`".to_owned(),
                None => "print the digest with `sha256sum FILE`".to_owned(),
            };
            reader.fault(Fault::spanned(text.span, fault.to_string()).help(help))
        }
    }
}
