//! Encoding of literals and JSON as MessagePack, directed by the type of the target.
//! Accepts what a person may write. Stored values are checked in `check`, which accepts less.

use crate::model::{Datum, nearest, shortlist};
use crate::value::map::Entries;
use crate::value::{Case, Field, MapType, ResultType, Type, ValueFault, wire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use std::sync::Arc;

/// Encodes `datum` as a value of type `ty`.
pub fn encode(ty: &Type, datum: &Datum) -> Result<Bytes, ValueFault> {
    let mut out = Vec::new();
    write(ty, datum, &mut out)?;
    Ok(out.into())
}

pub(crate) fn write(ty: &Type, datum: &Datum, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    match (ty, datum) {
        (Type::Bool, Datum::Bool(value)) => wire::put_bool(out, *value),
        (Type::U8, _) => unsigned(ty, datum, u8::MAX.into(), out)?,
        (Type::U16, _) => unsigned(ty, datum, u16::MAX.into(), out)?,
        (Type::U32, _) => unsigned(ty, datum, u32::MAX.into(), out)?,
        (Type::U64, _) => unsigned(ty, datum, u64::MAX, out)?,
        (Type::S8, _) => signed(ty, datum, (i8::MIN.into(), i8::MAX.into()), out)?,
        (Type::S16, _) => signed(ty, datum, (i16::MIN.into(), i16::MAX.into()), out)?,
        (Type::S32, _) => signed(ty, datum, (i32::MIN.into(), i32::MAX.into()), out)?,
        (Type::S64, _) => signed(ty, datum, (i64::MIN, i64::MAX), out)?,
        (Type::F64, _) => wire::put_f64(out, float(ty, datum)?),
        (Type::F32, _) => wire::put_f32(out, narrow(float(ty, datum)?)?),
        (Type::Char, Datum::Text(text)) => one_char(text, out)?,
        (Type::String, Datum::Text(text)) => wire::put_str(out, text),
        (Type::List(element), Datum::Text(text)) if **element == Type::U8 => base64(text, out)?,
        (Type::List(element), Datum::Array(items)) if **element == Type::U8 => byte_list(items, out)?,
        (Type::List(element), Datum::Array(items)) => {
            wire::put_array_len(out, items.len());
            for (index, item) in items.iter().enumerate() {
                write(element, item, out).map_err(|fault| fault.at_index(index))?;
            }
        }
        (Type::Map(types), Datum::Table(entries)) => map_of_table(types, entries, out)?,
        (Type::Map(types), Datum::Array(items)) => map_of_pairs(types, items, out)?,
        (Type::Tuple(types), Datum::Array(items)) => tuple(types, items, out)?,
        (Type::Record(fields), Datum::Table(entries)) => record(fields, entries, out)?,
        (Type::Option(some), _) => option(some, datum, out)?,
        (Type::Enum(names), Datum::Text(name)) => {
            known_case(names.iter().map(AsRef::as_ref), name)?;
            wire::put_str(out, name);
        }
        (Type::Flags(names), Datum::Array(items)) => flags(names, items, out)?,
        (Type::Variant(cases), _) => variant(cases, datum, out)?,
        (Type::Result(sides), Datum::Table(entries)) => result(sides, entries, out)?,
        _ => return Err(expected(ty, datum)), // no other pair of type and literal fits
    }
    Ok(())
}

fn expected(ty: &Type, datum: &Datum) -> ValueFault {
    let found = match datum {
        Datum::Int(number) => number.to_string(),
        Datum::Float(number) => format!("{number:?}"),
        Datum::Bool(value) => value.to_string(),
        Datum::Null | Datum::Text(_) | Datum::Array(_) | Datum::Table(_) => datum.kind().to_owned(),
    };
    ValueFault::new(format!("expected {ty}, found {found}"))
}

fn unsigned(ty: &Type, datum: &Datum, max: u64, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    match datum {
        Datum::Int(number) => match u64::try_from(*number) {
            Ok(number) if number <= max => {
                wire::put_uint(out, number);
                Ok(())
            }
            _ => Err(expected(ty, datum)), // out of range
        },
        _ => Err(expected(ty, datum)), // only an integer fits
    }
}

fn signed(ty: &Type, datum: &Datum, range: (i64, i64), out: &mut Vec<u8>) -> Result<(), ValueFault> {
    match datum {
        Datum::Int(number) => match i64::try_from(*number) {
            Ok(number) if (range.0..=range.1).contains(&number) => {
                wire::put_int(out, number);
                Ok(())
            }
            _ => Err(expected(ty, datum)), // out of range
        },
        _ => Err(expected(ty, datum)), // only an integer fits
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "an integer given for a float is rounded to the nearest float, as JSON readers do"
)]
fn float(ty: &Type, datum: &Datum) -> Result<f64, ValueFault> {
    match datum {
        Datum::Float(number) => Ok(*number),
        Datum::Int(number) => Ok(*number as f64),
        Datum::Text(text) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(expected(ty, datum)), // no other text is a number
        },
        Datum::Null | Datum::Bool(_) | Datum::Array(_) | Datum::Table(_) => Err(expected(ty, datum)),
    }
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "rounding to the nearest f32 is intended; an overflow is an error"
)]
fn narrow(number: f64) -> Result<f32, ValueFault> {
    let narrow = number as f32;
    if narrow.is_infinite() && number.is_finite() {
        return Err(ValueFault::new(format!("expected f32, found {number:?}, which is out of range")));
    }
    Ok(narrow)
}

fn one_char(text: &str, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    if text.chars().count() == 1 {
        wire::put_str(out, text);
        return Ok(());
    }
    Err(ValueFault::new(format!("expected one character, found {}", text.chars().count())))
}

fn base64(text: &str, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| ValueFault::new("expected bytes as base64 or as an array of integers"))?;
    wire::put_bin(out, &bytes);
    Ok(())
}

fn byte_list(items: &[Datum], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let mut bytes = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let byte = match item {
            Datum::Int(number) => u8::try_from(*number).ok(),
            _ => None, // only an integer is a byte
        };
        bytes.push(byte.ok_or_else(|| expected(&Type::U8, item).at_index(index))?);
    }
    wire::put_bin(out, &bytes);
    Ok(())
}

/// Encodes a key of type `ty` that is written as text: the key of a table or of a JSON object.
pub fn encode_key(ty: &Type, text: &str) -> Result<Vec<u8>, ValueFault> {
    let datum = match ty {
        Type::Char | Type::String => Datum::Text(text.to_owned()),
        Type::Bool => match text {
            "true" => Datum::Bool(true),
            "false" => Datum::Bool(false),
            _ => return Err(no_key(ty)), // no other text is a bool
        },
        // Only integers are left.
        _ => Datum::Int(text.parse().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| no_key(ty))?),
    };
    encode(ty, &datum).map(|key| key.to_vec()).map_err(|_| no_key(ty))
}

fn no_key(ty: &Type) -> ValueFault {
    ValueFault::new(format!("the key is no {ty}"))
}

fn map_of_table(types: &MapType, entries: &[(String, Datum)], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    wire::put_map_len(out, entries.len());
    let mut ordered = Entries::begin(out);
    for (name, datum) in entries {
        let start = out.len();
        out.extend(encode_key(&types.key, name).map_err(|fault| fault.in_field(name))?);
        let end = out.len();
        write(&types.value, datum, out).map_err(|fault| fault.in_field(name))?;
        ordered.add(out, start..end);
    }
    ordered.finish(out)
}

fn map_of_pairs(types: &MapType, items: &[Datum], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    wire::put_map_len(out, items.len());
    let mut ordered = Entries::begin(out);
    for (index, item) in items.iter().enumerate() {
        let pair = match item {
            Datum::Array(pair) => <&[Datum; 2]>::try_from(pair.as_slice()).ok(),
            _ => None, // no other literal is a pair
        };
        let Some([key, value]) = pair else {
            return Err(ValueFault::new("expected an array of a key and a value").at_index(index));
        };
        let start = out.len();
        write(&types.key, key, out).map_err(|fault| fault.at_index(0).at_index(index))?;
        let end = out.len();
        write(&types.value, value, out).map_err(|fault| fault.at_index(1).at_index(index))?;
        ordered.add(out, start..end);
    }
    ordered.finish(out)
}

fn tuple(types: &[Type], items: &[Datum], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    if types.len() != items.len() {
        return Err(ValueFault::new(format!("expected {} elements, found {}", types.len(), items.len())));
    }
    wire::put_array_len(out, types.len());
    for (index, (ty, item)) in types.iter().zip(items).enumerate() {
        write(ty, item, out).map_err(|fault| fault.at_index(index))?;
    }
    Ok(())
}

fn record(fields: &[Field], entries: &[(String, Datum)], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let names = || fields.iter().map(|field| &*field.name);
    for (nth, (key, _)) in entries.iter().enumerate() {
        known_name("field", names(), key)?;
        if entries.iter().take(nth).any(|(earlier, _)| earlier == key) {
            return Err(ValueFault::new(format!("duplicate field `{key}`")));
        }
    }
    wire::put_map_len(out, fields.len());
    for field in fields {
        wire::put_str(out, &field.name);
        match (entries.iter().find(|(key, _)| **key == *field.name), &field.ty) {
            (Some((_, datum)), ty) => write(ty, datum, out).map_err(|fault| fault.in_field(&field.name))?,
            (None, Type::Option(_)) => wire::put_nil(out),
            (None, ty) => return Err(ValueFault::new(format!("field `{}: {ty}` is missing", field.name))),
        }
    }
    Ok(())
}

fn option(some: &Type, datum: &Datum, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    match datum {
        Datum::Null => wire::put_nil(out),
        Datum::Array(items) if some.admits_nil() => match items.as_slice() {
            [item] => {
                wire::put_array_len(out, 1);
                write(some, item, out)?;
            }
            _ => {
                return Err(ValueFault::new(format!(
                    "expected an array of one {some}, found {}",
                    items.len()
                )));
            }
        },
        _ if some.admits_nil() => {
            return Err(ValueFault::new(format!(
                "expected null or an array of one {some}, found {}",
                datum.kind()
            )));
        }
        _ => write(some, datum, out)?, // null is none; anything else is the value
    }
    Ok(())
}

fn flags(names: &[Arc<str>], items: &[Datum], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let mut set = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Datum::Text(name) = item else {
            return Err(ValueFault::new(format!("expected a flag, found {}", item.kind())).at_index(index));
        };
        known_name("flag", names.iter().map(AsRef::as_ref), name).map_err(|fault| fault.at_index(index))?;
        if set.contains(&name.as_str()) {
            return Err(ValueFault::new(format!("duplicate flag `{name}`")).at_index(index));
        }
        set.push(name.as_str());
    }
    wire::put_array_len(out, set.len());
    names.iter().filter(|name| set.contains(&&***name)).for_each(|name| wire::put_str(out, name));
    Ok(())
}

fn variant(cases: &[Case], datum: &Datum, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let names = || cases.iter().map(|case| &*case.name);
    let find = |name: &str| cases.iter().find(|case| *case.name == *name);
    match datum {
        Datum::Text(name) => {
            known_case(names(), name)?;
            if let Some(Case { ty: Some(ty), .. }) = find(name) {
                return Err(ValueFault::new(format!(
                    "case `{name}` needs a payload: {{ {name} = … }} of type {ty}"
                )));
            }
            wire::put_str(out, name);
        }
        Datum::Table(entries) => {
            let [(name, payload)] = entries.as_slice() else {
                let found = || format!("expected a table with one case, found {} keys", entries.len());
                return Err(ValueFault::new(duplicate_case(entries).unwrap_or_else(found)));
            };
            known_case(names(), name)?;
            let Some(Case { ty: Some(ty), .. }) = find(name) else {
                return Err(ValueFault::new(format!("case `{name}` has no payload: write \"{name}\"")));
            };
            wire::put_map_len(out, 1);
            wire::put_str(out, name);
            write(ty, payload, out).map_err(|fault| fault.in_field(name))?;
        }
        Datum::Null | Datum::Bool(_) | Datum::Int(_) | Datum::Float(_) | Datum::Array(_) => {
            let cases = shortlist("", names());
            return Err(ValueFault::new(format!(
                "expected one of the cases {cases}, found {}",
                datum.kind()
            )));
        }
    }
    Ok(())
}

fn result(sides: &ResultType, entries: &[(String, Datum)], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let (side, payload, name) = match entries {
        [(key, payload)] if key == "ok" => (&sides.ok, payload, "ok"),
        [(key, payload)] if key == "err" => (&sides.err, payload, "err"),
        _ => {
            let expected = || "expected a table with the key `ok` or `err`".to_owned();
            return Err(ValueFault::new(duplicate_case(entries).unwrap_or_else(expected)));
        }
    };
    wire::put_map_len(out, 1);
    wire::put_str(out, name);
    match (side, payload) {
        (Some(ty), _) => write(ty, payload, out).map_err(|fault| fault.in_field(name))?,
        (None, Datum::Null) => wire::put_nil(out),
        (None, Datum::Table(entries)) if entries.is_empty() => wire::put_nil(out),
        (None, _) => {
            return Err(ValueFault::new(format!("`{name}` has no payload: write null, or an empty table")));
        }
    }
    Ok(())
}

/// Returns the message about a duplicate case, if there is one.
fn duplicate_case(entries: &[(String, Datum)]) -> Option<String> {
    let is_repeated =
        |pair: &&[(String, Datum)]| matches!(pair, [(first, _), (second, _)] if first == second);
    let pair = entries.windows(2).find(is_repeated)?;
    pair.first().map(|(key, _)| format!("duplicate case `{key}`"))
}

pub(crate) fn known_case<'a>(
    names: impl Iterator<Item = &'a str> + Clone,
    name: &str,
) -> Result<(), ValueFault> {
    known_name("case", names, name)
}

pub(crate) fn known_name<'a>(
    kind: &str,
    names: impl Iterator<Item = &'a str> + Clone,
    name: &str,
) -> Result<(), ValueFault> {
    if names.clone().any(|known| known == name) {
        return Ok(());
    }
    Err(ValueFault::new(match nearest(name, names.clone()) {
        Some(nearest) => format!("no {kind} `{name}`; did you mean `{nearest}`?"),
        None => format!("no {kind} `{name}`; expected one of {}", shortlist(name, names)),
    }))
}
