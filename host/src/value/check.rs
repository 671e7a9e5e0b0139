//! Validation of stored values against their type, and their canonical form.
//! Trusts no bytes: anyone who can write to the backend may have written them. Reading single pieces is in `wire`.

use crate::value::map::Entries;
use crate::value::wire::{Kind, Reader};
use crate::value::{Case, Field, MapType, ResultType, Type, ValueFault, wire};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// Fails unless `bytes` is exactly one value of type `ty`.
pub fn check(ty: &Type, bytes: &[u8]) -> Result<(), ValueFault> {
    canonical(ty, bytes).map(drop)
}

/// Returns the canonical form of a value: declared order, shortest integers, the canonical NaN, none as nil.
pub fn canonical(ty: &Type, bytes: &[u8]) -> Result<Bytes, ValueFault> {
    let mut reader = Reader::new(bytes);
    let mut out = Vec::with_capacity(bytes.len());
    copy(ty, &mut reader, &mut out)?;
    reader.finish()?;
    Ok(out.into())
}

/// Reads one value of type `ty` and writes it in canonical form.
pub(crate) fn copy(ty: &Type, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    match ty {
        Type::Bool => wire::put_bool(out, reader.bool()?),
        Type::U8 => unsigned(ty, reader, u8::MAX.into(), out)?,
        Type::U16 => unsigned(ty, reader, u16::MAX.into(), out)?,
        Type::U32 => unsigned(ty, reader, u32::MAX.into(), out)?,
        Type::U64 => unsigned(ty, reader, u64::MAX, out)?,
        Type::S8 => signed(ty, reader, (i8::MIN.into(), i8::MAX.into()), out)?,
        Type::S16 => signed(ty, reader, (i16::MIN.into(), i16::MAX.into()), out)?,
        Type::S32 => signed(ty, reader, (i32::MIN.into(), i32::MAX.into()), out)?,
        Type::S64 => signed(ty, reader, (i64::MIN, i64::MAX), out)?,
        Type::F32 => wire::put_f32(out, reader.f32()?),
        Type::F64 => wire::put_f64(out, reader.f64()?),
        Type::Char => {
            let text = reader.str()?;
            if text.chars().count() != 1 {
                return Err(ValueFault::new(format!(
                    "expected one character, found {}",
                    text.chars().count()
                )));
            }
            wire::put_str(out, text);
        }
        Type::String => wire::put_str(out, reader.str()?),
        Type::List(element) if **element == Type::U8 => wire::put_bin(out, reader.bin()?),
        Type::List(element) => {
            let len = reader.array_len()?;
            wire::put_array_len(out, len);
            for index in 0..len {
                copy(element, reader, out).map_err(|fault| fault.at_index(index))?;
            }
        }
        Type::Map(types) => map(types, reader, out)?,
        Type::Tuple(types) => {
            let len = reader.array_len()?;
            if len != types.len() {
                return Err(ValueFault::new(format!("expected {} elements, found {len}", types.len())));
            }
            wire::put_array_len(out, len);
            for (index, ty) in types.iter().enumerate() {
                copy(ty, reader, out).map_err(|fault| fault.at_index(index))?;
            }
        }
        Type::Record(fields) => record(fields, reader, out)?,
        Type::Option(some) => {
            if reader.take_nil()? {
                wire::put_nil(out);
            } else {
                enter_some(some, reader)?;
                if some.admits_nil() {
                    wire::put_array_len(out, 1);
                }
                copy(some, reader, out)?;
            }
        }
        Type::Enum(names) => wire::put_str(out, known_case(names, reader.str()?)?),
        Type::Flags(names) => flags(names, reader, out)?,
        Type::Variant(cases) => variant(cases, reader, out)?,
        Type::Result(sides) => result(sides, reader, out)?,
    }
    Ok(())
}

/// Entries may come in any order; a key that occurs twice is refused. Faults name positions: keys may be secret.
fn map(types: &MapType, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let len = reader.map_len()?;
    wire::put_map_len(out, len);
    let mut entries = Entries::begin(out);
    for index in 0..len {
        let start = out.len();
        copy(&types.key, reader, out).map_err(|fault| fault.at_index(index))?;
        let end = out.len();
        copy(&types.value, reader, out).map_err(|fault| fault.at_index(index))?;
        entries.add(out, start..end);
    }
    entries.finish(out)
}

/// Reads the array of one around a `some` whose own value may be nil.
pub(crate) fn enter_some(some: &Type, reader: &mut Reader<'_>) -> Result<(), ValueFault> {
    if some.admits_nil() {
        let len = reader.array_len()?;
        if len != 1 {
            return Err(ValueFault::new(format!("expected an array of one, found {len}")));
        }
    }
    Ok(())
}

/// Returns the position of each field's value; none for fields that are left out. Leaves the reader after the record.
///
/// Keys may come in any order; unknown and repeated ones are refused.
pub(crate) fn locate(fields: &[Field], reader: &mut Reader<'_>) -> Result<Vec<Option<usize>>, ValueFault> {
    let len = reader.map_len()?;
    locate_rest(fields, 0, len, reader)
}

/// Locates the rest of a record's fields: `remaining` pairs remain, and the first `read` fields were read in declared
/// order.
pub(crate) fn locate_rest(
    fields: &[Field],
    read: usize,
    remaining: usize,
    reader: &mut Reader<'_>,
) -> Result<Vec<Option<usize>>, ValueFault> {
    let mut found = vec![None; fields.len()];
    found.iter_mut().take(read).for_each(|slot| *slot = Some(reader.position()));
    let mut fields_by_name: Option<HashMap<&str, usize>> = None;
    for nth in read..read.saturating_add(remaining) {
        let key = reader.str()?;
        // Fast path: keys in declared order need no search.
        let expected = fields.get(nth).filter(|field| *field.name == *key).map(|_| nth);
        let position = expected.or_else(|| {
            let fields_by_name = fields_by_name.get_or_insert_with(|| {
                fields.iter().enumerate().map(|(nth, field)| (&*field.name, nth)).collect()
            });
            fields_by_name.get(key).copied()
        });
        let slot = position.and_then(|position| found.get_mut(position));
        match slot {
            None => return Err(ValueFault::new(format!("no field `{key}`"))),
            Some(Some(_)) => return Err(ValueFault::new(format!("duplicate field `{key}`"))),
            Some(slot) => *slot = Some(reader.position()),
        }
        reader.skip().map_err(|malformed| ValueFault::from(malformed).in_field(key))?;
    }
    Ok(found)
}

fn record(fields: &[Field], reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let found = locate(fields, reader)?;
    let end = reader.position();
    wire::put_map_len(out, fields.len());
    for (field, position) in fields.iter().zip(found) {
        wire::put_str(out, &field.name);
        match (position, &field.ty) {
            (Some(position), ty) => {
                reader.seek(position);
                copy(ty, reader, out).map_err(|fault| fault.in_field(&field.name))?;
            }
            (None, Type::Option(_)) => wire::put_nil(out),
            (None, ty) => return Err(ValueFault::new(format!("field `{}: {ty}` is missing", field.name))),
        }
    }
    reader.seek(end);
    Ok(())
}

fn flags(names: &[Arc<str>], reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let mut set = vec![false; names.len()];
    for index in 0..reader.array_len()? {
        let name = reader.str()?;
        let slot = names.iter().position(|known| **known == *name).and_then(|index| set.get_mut(index));
        match slot {
            None => return Err(ValueFault::new(format!("no flag `{name}`")).at_index(index)),
            Some(slot) => *slot = true,
        }
    }
    wire::put_array_len(out, set.iter().filter(|is_set| **is_set).count());
    names.iter().zip(set).filter(|(_, is_set)| *is_set).for_each(|(name, _)| wire::put_str(out, name));
    Ok(())
}

fn variant(cases: &[Case], reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let has_payload = reader.peek()? == Kind::Map;
    if has_payload {
        one_pair(reader)?;
    }
    let name = reader.str()?;
    let case = cases.iter().find(|case| *case.name == *name);
    match (case.map(|case| &case.ty), has_payload) {
        (Some(Some(ty)), true) => {
            wire::put_map_len(out, 1);
            wire::put_str(out, name);
            copy(ty, reader, out).map_err(|fault| fault.in_field(name))
        }
        (Some(None), false) => {
            wire::put_str(out, name);
            Ok(())
        }
        (Some(Some(_)), false) => Err(ValueFault::new(format!("case `{name}` has no payload here"))),
        (Some(None), true) => Err(ValueFault::new(format!("case `{name}` takes no payload"))),
        (None, _) => Err(ValueFault::new(format!("no case `{name}`"))),
    }
}

fn result(sides: &ResultType, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    one_pair(reader)?;
    let name = reader.str()?;
    let side = match name {
        "ok" => &sides.ok,
        "err" => &sides.err,
        other => return Err(ValueFault::new(format!("expected `ok` or `err`, found `{other}`"))),
    };
    wire::put_map_len(out, 1);
    wire::put_str(out, name);
    match side {
        Some(ty) => copy(ty, reader, out).map_err(|fault| fault.in_field(name)),
        None => {
            reader.nil()?;
            wire::put_nil(out);
            Ok(())
        }
    }
}

/// Reads the head of a map of one pair.
pub(crate) fn one_pair(reader: &mut Reader<'_>) -> Result<(), ValueFault> {
    match reader.map_len()? {
        1 => Ok(()),
        len => Err(ValueFault::new(format!("expected a map of one pair, found {len}"))),
    }
}

fn known_case<'a>(names: &[Arc<str>], name: &'a str) -> Result<&'a str, ValueFault> {
    if names.iter().any(|known| **known == *name) {
        return Ok(name);
    }
    Err(ValueFault::new(format!("no case `{name}`")))
}

fn unsigned(ty: &Type, reader: &mut Reader<'_>, max: u64, out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let number = reader.int()?;
    match u64::try_from(number) {
        Ok(number) if number <= max => {
            wire::put_uint(out, number);
            Ok(())
        }
        _ => Err(ValueFault::new(format!("expected {ty}, found {number}"))), // out of range
    }
}

fn signed(
    ty: &Type,
    reader: &mut Reader<'_>,
    range: (i64, i64),
    out: &mut Vec<u8>,
) -> Result<(), ValueFault> {
    let number = reader.int()?;
    match i64::try_from(number) {
        Ok(number) if (range.0..=range.1).contains(&number) => {
            wire::put_int(out, number);
            Ok(())
        }
        _ => Err(ValueFault::new(format!("expected {ty}, found {number}"))), // out of range
    }
}
