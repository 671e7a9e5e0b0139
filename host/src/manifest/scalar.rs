//! Reads scalars: strings, numbers, keywords, durations and sizes, and lists of strings.
//! Each function reports the fault of its value, and then returns `None`. Arrays and tables are read in `reference`.

use crate::manifest::reader::Reader;
use crate::manifest::table::Slot;
use crate::model::{Fault, Name, Size, Spanned, parse_duration};
use std::ops::RangeInclusive;
use std::time::Duration;
use toml::de::DeInteger;
use toml::de::DeValue;

/// Reads a string, which may be empty.
pub(crate) fn text(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<String> {
    match slot.value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => reader.fault(slot.mismatch("a string")), // every other kind is wrong
    }
}

/// Reads a non-empty string with its span.
pub(crate) fn filled(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Spanned<String>> {
    let text = text(reader, slot)?;
    if text.is_empty() {
        return reader.fault(slot.fault("cannot be empty"));
    }
    if text.contains('\0') {
        return reader.fault(slot.fault("cannot contain a NUL character"));
    }
    Some(Spanned::new(text, slot.span.clone()))
}

/// Reads `true` or `false`.
pub(crate) fn boolean(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<bool> {
    match slot.value {
        DeValue::Boolean(value) => Some(*value),
        DeValue::String(text) if matches!(&**text, "true" | "false") => reader.fault(
            slot.mismatch("`true` or `false`")
                .help(format!("write `{} = {text}`, without quotes", slot.name)),
        ),
        _ => reader.fault(slot.mismatch("`true` or `false`")), // every other kind is wrong
    }
}

/// Reads an integer within `range`.
pub(crate) fn integer_within<T>(
    reader: &mut Reader<'_>,
    slot: &Slot<'_>,
    range: RangeInclusive<T>,
) -> Option<T>
where
    T: TryFrom<i128> + Into<i128> + Copy + PartialOrd + std::fmt::Display,
{
    let DeValue::Integer(written) = slot.value else {
        let fault = slot.mismatch("a whole number");
        return reader.fault(match slot.value {
            DeValue::String(text) if is_digits(&text.replace('_', "")) => {
                fault.help(format!("write `{} = {text}`, without quotes", slot.name))
            }
            _ => fault, // other kinds need no better message
        });
    };
    let number = integer(written).and_then(|number| T::try_from(number).ok());
    if let Some(number) = number.filter(|number| range.contains(number)) {
        return Some(number);
    }
    let (min, max) = range.into_inner();
    let is_open = T::try_from(max.into() + 1).is_err();
    let is_low = number.is_some() || written.as_str().starts_with('-');
    let bounds = match (is_open, is_low) {
        (false, _) => format!("from {min} to {max}"),
        (true, true) => format!("at least {min}"),
        (true, false) => format!("at most {max}"),
    };
    reader.fault(slot.fault(&format!("must be {bounds}, not {written}")))
}

/// Returns the value of a TOML integer if it fits into 128 bits.
pub(crate) fn integer(written: &DeInteger<'_>) -> Option<i128> {
    i128::from_str_radix(written.as_str(), written.radix()).ok()
}

/// Reads one of the `words`, and returns its meaning.
pub(crate) fn word<T: Copy>(reader: &mut Reader<'_>, slot: &Slot<'_>, words: &[(&str, T)]) -> Option<T> {
    let known = || words.iter().map(|(word, _)| *word);
    let list: Vec<String> = known().map(|word| format!("`\"{word}\"`")).collect();
    let list = list.join(", ");
    let DeValue::String(written) = slot.value else {
        return reader.fault(slot.mismatch(&format!("one of {list}")));
    };
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == *written) {
        return Some(*meaning);
    }
    reader.fault(slot.fault(&format!("must be one of {list}, not `{written}`")).suggest(written, known()))
}

/// Reads a duration above zero.
pub(crate) fn duration(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Duration> {
    let duration = duration_or_zero(reader, slot)?;
    if duration.is_zero() {
        return reader.fault(slot.fault("cannot be zero"));
    }
    Some(duration)
}

/// Reads a duration, which may be zero.
pub(crate) fn duration_or_zero(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Duration> {
    let text = quantity(reader, slot, &Quantity { noun: "a duration", unit: "s", example: "30s" })?;
    match parse_duration(text) {
        Ok(duration) => Some(duration),
        Err(fault) => {
            let help = format!("write a whole number with a unit, as `{} = \"30s\"`", slot.name);
            reader.fault(Fault::spanned(slot.span.clone(), fault.to_string()).help(help))
        }
    }
}

/// Reads a size of at least one byte.
pub(crate) fn size(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Size> {
    let text = quantity(reader, slot, &Quantity { noun: "a size", unit: "MiB", example: "64MiB" })?;
    match Size::parse(text) {
        Ok(size) if size.as_bytes() == 0 => reader.fault(slot.fault("cannot be zero")),
        Ok(size) => Some(size),
        Err(fault) => {
            let help = format!("write a whole number with a unit, as `{} = \"64MiB\"`", slot.name);
            reader.fault(Fault::spanned(slot.span.clone(), fault.to_string()).help(help))
        }
    }
}

/// Maximum length of a title in characters; every line of `runs` shows it.
pub(crate) const MAX_TITLE: usize = 200;

/// Reads a title: one line of text.
pub(crate) fn title(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<String> {
    let Spanned { value, .. } = filled(reader, slot)?;
    if value.chars().any(char::is_control) || value.chars().count() > MAX_TITLE {
        return reader.fault(slot.fault(&format!("must be one line of at most {MAX_TITLE} characters")));
    }
    Some(value)
}

/// Reads the key of `slot` as a name.
pub(crate) fn key_name(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Name> {
    match Name::new(slot.name) {
        Ok(name) => Some(name),
        Err(fault) => reader.fault(Fault::spanned(slot.key.clone(), fault.to_string())),
    }
}

/// Reads an array with `read` for each element; faulty elements are reported and left out.
pub(crate) fn list<'t, 'f, T>(
    reader: &mut Reader<'f>,
    slot: &Slot<'t>,
    read: impl Fn(&mut Reader<'f>, &Slot<'t>) -> Option<T>,
) -> Option<Vec<T>> {
    let DeValue::Array(array) = slot.value else {
        let fault = slot.mismatch("a list");
        return reader.fault(match slot.value {
            DeValue::String(text) if !text.contains("://") => {
                fault.help(format!("write `{} = [\"{}\"]`", slot.name, text.escape_debug()))
            }
            // The intention is unknown.
            _ => fault.help(format!("write `{} = [\"…\"]`", slot.name)),
        });
    };
    Some(slot.elements(array).filter_map(|element| read(reader, &element)).collect())
}

/// The noun and the notation of a number with a unit.
struct Quantity {
    noun: &'static str,
    unit: &'static str,
    example: &'static str,
}

/// Reads the text of a number with a unit; a bare number is reported with the missing unit.
fn quantity<'t>(reader: &mut Reader<'_>, slot: &Slot<'t>, quantity: &Quantity) -> Option<&'t str> {
    let Quantity { noun, unit, example } = quantity;
    match slot.value {
        DeValue::String(text) if is_digits(text) => reader.fault(
            slot.fault(&format!("must be {noun}, but `{text}` has no unit"))
                .help(format!("write for example `{} = \"{text}{unit}\"`", slot.name)),
        ),
        DeValue::String(text) => Some(text),
        DeValue::Integer(number) => reader.fault(
            slot.mismatch(noun).help(format!("write the unit, as `{} = \"{number}{unit}\"`", slot.name)),
        ),
        // No other kind is valid.
        _ => reader
            .fault(slot.mismatch(noun).help(format!("write for example `{} = \"{example}\"`", slot.name))),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
