//! Reads the small sections: the head of the file, `[state]`, `[cache]`, `[params]`, `[outputs]`.
//! Definitions with faults are left out and remembered by name. Components, tasks and resources are in their own files.

use crate::manifest::keys::{BACKEND, PARAM, URI};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{boolean, duration, filled, key_name, text};
use crate::manifest::table::{Slot, Table};
use crate::manifest::value::literal;
use crate::manifest::{BackendSection, Param, UriSource};
use crate::model::{Fault, Name, Spanned};
use indexmap::IndexMap;
use std::collections::HashSet;
use toml::de::{DeString, DeValue};

/// The version of the format that this host reads.
const VERSION: &str = "1";

/// Reads `cascade`, the version of the format.
pub(crate) fn version(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<()> {
    match slot.value {
        DeValue::Integer(number) if number.as_str() == VERSION && number.radix() == 10 => Some(()),
        DeValue::Integer(number) => reader.fault(
            Fault::spanned(
                slot.span.clone(),
                format!("this host reads manifests of version {VERSION}, not {number}"),
            )
            .help(format!("write `cascade = {VERSION}`, or use a host that reads version {number}")),
        ),
        // No other kind is a version.
        _ => reader.fault(
            slot.mismatch("the version of the manifest's format")
                .help(format!("write `cascade = {VERSION}`")),
        ),
    }
}

/// Reads `[state]` or `[cache]`. No fault quotes a text that may be a URI, under any key: it may hold a password.
pub(crate) fn backend(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<BackendSection> {
    let owner = format!("`[{}]`", slot.name);
    let example = format!("`[{}]` and below it `uri = \"…\"`", slot.name);
    let mark = reader.mark();
    let Some(mut table) = Table::open(reader, slot, BACKEND, (&owner, &example)) else {
        reader.hide_since(mark);
        return None;
    };
    let ttl = table.optional(reader, "ttl", duration);
    let mark = reader.mark();
    let uri = table.optional(reader, "uri", uri);
    table.close(reader);
    reader.hide_since(mark);
    Some(BackendSection { uri, ttl })
}

fn uri(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<UriSource>> {
    let source = match slot.value {
        DeValue::String(_) => UriSource::Text(filled(reader, slot)?.value),
        DeValue::Table(_) => {
            let mut table = Table::open(reader, slot, URI, ("`uri`", "`uri = { env = \"REDIS_URL\" }`"))?;
            let name = table.required(reader, ("env", "uri = { env = \"REDIS_URL\" }"), filled);
            table.close(reader);
            UriSource::Env(name?.value)
        }
        // No other kind names a backend.
        _ => {
            let fault = slot.mismatch("a string or `{ env = \"NAME\" }`");
            return reader.fault(fault.help("write for example `uri = \"redis://host:6379/0\"`"));
        }
    };
    Some(Spanned::new(source, slot.span.clone()))
}

/// Definitions in order, and the names of the faulty ones.
type Named<T> = (IndexMap<Name, T>, HashSet<String>);

/// Reads a section of user-chosen names.
pub(crate) fn named<'t, 'f, T>(
    reader: &mut Reader<'f>,
    slot: &Slot<'t>,
    read: impl Fn(&mut Reader<'f>, &Slot<'t>) -> Option<T>,
) -> Named<T> {
    let mut found = (IndexMap::new(), HashSet::new());
    let DeValue::Table(table) = slot.value else {
        reader.left_out.sections.insert(slot.name.to_owned());
        let help = format!("write `[{}]` as a header, and its names below it", slot.name);
        reader.fault::<()>(slot.mismatch("a table").help(help));
        return found;
    };
    Slot::entries(table).for_each(|entry| add(reader, &mut found, (&entry, &read)));
    found
}

/// Reads a section as [`named`] does, and drops the tree of each definition once it is read: of a large section, trees and
/// definitions would take twice the memory.
pub(crate) fn named_once<'f, T>(
    reader: &mut Reader<'f>,
    (key, section): (toml::Spanned<DeString<'_>>, toml::Spanned<DeValue<'_>>),
    read: impl Fn(&mut Reader<'f>, &Slot<'_>) -> Option<T>,
) -> Named<T> {
    let mut found = (IndexMap::new(), HashSet::new());
    let span = section.span();
    match section.into_inner() {
        DeValue::Table(table) => {
            for (name, value) in table {
                add(reader, &mut found, (&Slot::new(&name, &value), &read));
            }
        }
        other => return named(reader, &Slot::new(&key, &toml::Spanned::new(span, other)), read), // which reports it
    }
    found
}

/// Reads one definition.
fn add<'t, 'f, T>(
    reader: &mut Reader<'f>,
    (sound, left_out): &mut Named<T>,
    (entry, read): (&Slot<'t>, impl Fn(&mut Reader<'f>, &Slot<'t>) -> Option<T>),
) {
    let name = key_name(reader, entry);
    match (name, read(reader, entry)) {
        (Some(name), Some(definition)) => {
            sound.insert(name, definition);
        }
        (None, _) | (_, None) => {
            left_out.insert(entry.name.to_owned());
        }
    }
}

/// Reads `[params.NAME]`. Faults of a secret param hide the source line, which may contain its default.
pub(crate) fn param(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Param> {
    let mark = reader.mark();
    let param = read_param(reader, slot);
    let is_secret = match slot.value {
        DeValue::Table(table) => {
            table.get("secret").is_some_and(|secret| !matches!(secret.get_ref(), DeValue::Boolean(false)))
        }
        _ => false, // a param without keys has no default
    };
    if is_secret {
        reader.hide_since(mark);
    }
    param
}

fn read_param(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Param> {
    let owner = format!("param `{}`", slot.name);
    let example = format!("`{} = {{ type = \"string\" }}`", slot.name);
    let mut table = Table::open(reader, slot, PARAM, (&owner, &example))?;
    let ty = table.required(reader, ("type", "type = \"string\""), filled);
    let default = table.optional(reader, "default", literal);
    let description = table.optional(reader, "description", text);
    let secret = table.optional(reader, "secret", boolean);
    table.close(reader);
    Some(Param { span: slot.key.clone(), ty: ty?, default, description, secret: secret.unwrap_or_default() })
}
