//! Reads literals: TOML values as data without a type.
//! References inside them are rejected; `reference` reads the values that may contain them.

use crate::manifest::reader::Reader;
use crate::manifest::scalar::integer;
use crate::manifest::table::Slot;
use crate::model::{Datum, Fault, Spanned};
use toml::de::DeFloat;
use toml::de::DeTable;
use toml::de::DeValue;

/// The keys that make a table a reference.
pub(crate) const KINDS: [&str; 8] = ["task", "param", "item", "env", "file", "files", "select", "value"];

/// A further one, in `[finally]` only.
pub(crate) const RUN: &str = "run";

/// Returns which keys make a table a reference where the reader is.
pub(crate) fn kinds(reader: &Reader<'_>) -> impl Fn(&str) -> bool + Copy + use<> {
    let is_finally = reader.is_finally;
    move |name| KINDS.contains(&name) || is_finally && name == RUN
}

/// Maximum nesting of a value. Later stages recurse once per level, so this keeps an untrusted manifest from
/// exhausting the stack.
pub(crate) const MAX_DEPTH: usize = 64;

/// Reads a literal that must not be or contain a reference, such as `default` and `equals`.
pub(crate) fn literal(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<Datum>> {
    if let DeValue::Table(table) = slot.value
        && let Some(inner) = only_value(table)
    {
        return Some(Spanned::new(raw(reader, &inner, 0)?, slot.span.clone()));
    }
    let mark = reader.mark();
    reject_references(reader, slot, 0);
    if !reader.is_sound_since(mark) {
        return None;
    }
    Some(Spanned::new(raw(reader, slot, 0)?, slot.span.clone()))
}

/// Reads a literal `depth` levels inside a value, even if it looks like a reference.
pub(crate) fn raw(reader: &mut Reader<'_>, slot: &Slot<'_>, depth: usize) -> Option<Datum> {
    if depth > MAX_DEPTH {
        return reader.fault(too_deep(slot));
    }
    match slot.value {
        DeValue::Array(array) => {
            let items: Vec<Option<Datum>> =
                slot.elements(array).map(|element| raw(reader, &element, depth + 1)).collect();
            items.into_iter().collect::<Option<_>>().map(Datum::Array)
        }
        DeValue::Table(table) => {
            let entries: Vec<Option<(String, Datum)>> = Slot::entries(table)
                .map(|entry| Some((entry.name.to_owned(), raw(reader, &entry, depth + 1)?)))
                .collect();
            entries.into_iter().collect::<Option<_>>().map(Datum::Table)
        }
        _ => scalar(reader, slot), // the kinds without parts
    }
}

/// Reads a literal without parts.
pub(crate) fn scalar(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Datum> {
    match slot.value {
        DeValue::String(text) => Some(Datum::Text(text.clone().into_owned())),
        DeValue::Boolean(value) => Some(Datum::Bool(*value)),
        DeValue::Integer(written) => {
            let number = integer(written).filter(|number| WIT_INTEGERS.contains(number));
            number.map(Datum::Int).or_else(|| {
                reader
                    .fault(Fault::spanned(slot.span.clone(), "the number exceeds every integer type of WIT"))
            })
        }
        DeValue::Float(written) => float(written).map(Datum::Float).or_else(|| {
            reader.fault(Fault::spanned(slot.span.clone(), "the number exceeds every float type of WIT"))
        }),
        DeValue::Datetime(_) => reader.fault(
            Fault::spanned(slot.span.clone(), "WIT has no dates and times")
                .help("write it as a string, in quotes"),
        ),
        DeValue::Array(_) | DeValue::Table(_) => raw(reader, slot, 0),
    }
}

/// Returns the fault of a value that is nested too deeply.
pub(crate) fn too_deep(slot: &Slot<'_>) -> Fault {
    Fault::spanned(slot.span.clone(), format!("values are nested at most {MAX_DEPTH} levels deep"))
}

/// Returns the slot of `value` if the table is exactly `{ value = … }`.
pub(crate) fn only_value<'t>(table: &'t DeTable<'t>) -> Option<Slot<'t>> {
    let mut entries = Slot::entries(table);
    let only = entries.next().filter(|entry| entry.name == "value")?;
    entries.next().is_none().then_some(only)
}

/// From the minimum of `s64` to the maximum of `u64`.
const WIT_INTEGERS: std::ops::RangeInclusive<i128> = -(1 << 63)..=(1 << 64) - 1;

fn float(written: &DeFloat<'_>) -> Option<f64> {
    let text = written.as_str();
    let number: f64 = text.parse().ok()?;
    (!number.is_infinite() || text.contains("inf")).then_some(number)
}

fn reject_references(reader: &mut Reader<'_>, slot: &Slot<'_>, depth: usize) {
    if depth > MAX_DEPTH {
        return; // reported when the value is read
    }
    match slot.value {
        DeValue::Array(array) => {
            slot.elements(array).for_each(|element| reject_references(reader, &element, depth + 1));
        }
        DeValue::Table(table) => {
            let is_kind = kinds(reader);
            if let Some(entry) = Slot::entries(table).find(|entry| is_kind(entry.name)) {
                let message =
                    format!("`{}` makes this a reference, but only a literal is allowed here", entry.name);
                let fault = Fault::spanned(entry.key, message)
                    .help("for a literal table, write `{ value = … }` around the complete literal");
                reader.fault::<()>(fault);
                return;
            }
            Slot::entries(table).for_each(|entry| reject_references(reader, &entry, depth + 1));
        }
        _ => {} // has no parts
    }
}
