//! Reads what a command gives back: `output`, with `type`, or `outputs`.
//! `plan` parses the types.

use crate::manifest::entries::{bounded, path_fault};
use crate::manifest::keys::OUTPUT;
use crate::manifest::program::{Collected, CommandOutput};
use crate::manifest::reader::Reader;
use crate::manifest::scalar::{boolean, filled, key_name, word};
use crate::manifest::table::{Slot, Table};
use crate::model::{Fault, FilePath, FilePattern, Name, Spanned};
use toml::de::DeValue;

/// A word for what standard output becomes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    Text,
    Bytes,
    Json,
}

pub(crate) const WORDS: [(&str, Stdout); 3] =
    [("text", Stdout::Text), ("bytes", Stdout::Bytes), ("json", Stdout::Json)];

/// Reads what a command gives back; `None` if it has a fault.
pub(crate) fn output(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<CommandOutput> {
    let mark = reader.mark();
    let ty = table.optional(reader, "type", filled);
    let (one, several, type_slot) = (table.slot("output"), table.slot("outputs"), table.slot("type"));
    let output = match (&one, &several) {
        (Some(one), Some(several)) => {
            let fault = Fault::spanned(several.key.clone(), "a command has `output` or `outputs`, not both");
            return reader.fault(fault.related(one.key.clone(), "the other one").help("keep one of the two"));
        }
        (_, Some(several)) => named(reader, several).map(CommandOutput::Several),
        (Some(one), None) => {
            let beside = match (ty, &type_slot) {
                (Some(ty), _) => Beside::Type(ty),
                (None, Some(_)) => Beside::FaultyType,
                (None, None) => Beside::NoType,
            };
            collected(reader, one, beside).map(CommandOutput::One)
        }
        (None, None) => Some(CommandOutput::One(Collected::Text)),
    };
    let is_json = one.is_some_and(|one| matches!(one.value, DeValue::String(text) if text == "json"));
    if let Some(slot) = type_slot.filter(|_| !is_json) {
        let fault = Fault::spanned(
            slot.key,
            "`type` is the type of `output = \"json\"`, which this command does not have",
        );
        let help = match several {
            Some(_) => "write it into `outputs`, as `{ json = \"TYPE\" }`",
            None => "add `output = \"json\"`, or remove `type`",
        };
        reader.fault::<()>(fault.help(help));
    }
    output.filter(|_| reader.is_sound_since(mark))
}

/// What stands beside a value that is collected.
enum Beside {
    /// The key `type`.
    Type(Spanned<String>),
    /// The key `type`, whose fault was reported.
    FaultyType,
    /// No `type`, which may be missing.
    NoType,
    /// Other entries of `outputs`, which have no `type` beside them.
    Entries,
}

fn named(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Vec<(Name, Collected)>> {
    let example = "write `outputs = { page = { file = \"page.html\" }, log = \"text\" }`";
    let DeValue::Table(table) = slot.value else {
        return reader.fault(slot.mismatch("a table").help(example));
    };
    if table.is_empty() {
        return reader.fault(Fault::spanned(slot.span.clone(), "`outputs` has no output").help(example));
    }
    bounded(reader, slot, table.len())?;
    let entry = |entry: Slot<'_>| {
        let name = key_name(reader, &entry);
        let collected = collected(reader, &entry, Beside::Entries);
        Some((name?, collected?))
    };
    let entries: Vec<Option<_>> = Slot::entries(table).map(entry).collect();
    entries.into_iter().collect()
}

fn collected(reader: &mut Reader<'_>, slot: &Slot<'_>, beside: Beside) -> Option<Collected> {
    if let DeValue::Table(_) = slot.value {
        return table(reader, slot);
    }
    if !matches!(slot.value, DeValue::String(_)) {
        let fault = slot.mismatch("`\"text\"`, `\"bytes\"`, `\"json\"` or a table");
        return reader
            .fault(fault.help(format!("write for example `{} = {{ file = \"out.svg\" }}`", slot.name)));
    }
    match (word(reader, slot, &WORDS)?, beside) {
        (Stdout::Text, _) => Some(Collected::Text),
        (Stdout::Bytes, _) => Some(Collected::Bytes),
        (Stdout::Json, Beside::Type(ty)) => Some(Collected::Json(ty)),
        (Stdout::Json, Beside::FaultyType) => None,
        (Stdout::Json, Beside::NoType) => {
            let fault = Fault::spanned(slot.span.clone(), "`output = \"json\"` needs a type");
            reader.missing(fault.help("write beside it for example `type = \"record { words: u32 }\"`"));
            None
        }
        (Stdout::Json, Beside::Entries) => {
            let fault = Fault::spanned(slot.span.clone(), "JSON needs a type");
            reader.fault(
                fault.help(format!("write for example `{} = {{ json = \"list<string>\" }}`", slot.name)),
            )
        }
    }
}

/// Reads `{ file = … }`, `{ files = … }` or `{ json = … }`.
fn table(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Collected> {
    let mark = reader.mark();
    let owner = format!("`{}`", slot.name);
    let mut table = Table::open(reader, slot, OUTPUT, (&owner, "`{ file = \"out.svg\" }`"))?;
    let found: Vec<Slot<'_>> = ["file", "files", "json"].iter().filter_map(|key| table.slot(key)).collect();
    let text_slot = table.slot("text");
    let is_text = table.optional(reader, "text", boolean).unwrap_or_default();
    let collected = match found.as_slice() {
        [] => {
            let fault = Fault::spanned(slot.span.clone(), format!("{owner} names neither a file nor a type"));
            let help = "write `{ file = \"out.svg\" }`, `{ files = \"out/*\" }` or `{ json = \"TYPE\" }`";
            reader.missing(fault.help(help));
            None
        }
        [only] => one_of(reader, only).map(|one| match one {
            Source::File(path) => Collected::File { path, is_text },
            Source::Files(pattern) => Collected::Files { pattern, is_text },
            Source::Json(ty) => Collected::Json(ty),
        }),
        [first, second, ..] => {
            let message = format!("{owner} cannot have both `{}` and `{}`", first.name, second.name);
            let fault =
                Fault::spanned(second.key.clone(), message).related(first.key.clone(), "the other one");
            let fault = if slot.name == "output" {
                fault.help("for several, write `outputs = { a = …, b = … }` instead of `output`")
            } else {
                fault.help("keep one of the two")
            };
            reader.fault(fault)
        }
    };
    if let (Some(text), [only]) = (text_slot, found.as_slice())
        && only.name == "json"
    {
        let fault = Fault::spanned(text.key, "`text` stands beside `file` and `files`; JSON is text");
        reader.fault::<()>(fault.help("remove it"));
    }
    table.close(reader);
    collected.filter(|_| reader.is_sound_since(mark))
}

/// Source of a collected value.
enum Source {
    File(FilePath),
    Files(FilePattern),
    Json(Spanned<String>),
}

fn one_of(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Source> {
    let Spanned { value, span } = filled(reader, slot)?;
    let parsed = match slot.name {
        "file" => FilePath::parse(&value).map(Source::File),
        "files" => FilePattern::parse(&value).map(Source::Files),
        _ => return Some(Source::Json(Spanned::new(value, span))), // `json`, the only one left
    };
    match parsed {
        Ok(Source::File(path)) if path.as_str().contains(['*', '?']) => {
            let message = format!("`file` is one file, and `{}` is a pattern", path.as_str());
            let help = format!("write `{{ files = \"{}\" }}`", value.escape_debug());
            reader.fault(Fault::spanned(span, message).help(help))
        }
        Ok(source) => Some(source),
        Err(fault) => reader.fault(path_fault(&span, &value, &fault)),
    }
}
