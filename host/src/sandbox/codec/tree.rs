//! Conversion between MessagePack and wasmtime's tree of values (`Val`): the slow, trusted path for `oracle`.
//! Only tests use it; `lower` and `lift` do this in production without a tree.

use crate::value::wire::{Kind, Reader};
use crate::value::{ResultType, Type, wire};
use std::collections::BTreeMap;
use wasmtime::component::Val;

/// Reads a value of type `ty`, which must be well formed, as wasmtime's tree.
pub(crate) fn to_val(ty: &Type, reader: &mut Reader<'_>) -> Val {
    let int = |reader: &mut Reader<'_>| reader.int().unwrap();
    match ty {
        Type::Bool => Val::Bool(reader.bool().unwrap()),
        Type::S8 => Val::S8(int(reader).try_into().unwrap()),
        Type::U8 => Val::U8(int(reader).try_into().unwrap()),
        Type::S16 => Val::S16(int(reader).try_into().unwrap()),
        Type::U16 => Val::U16(int(reader).try_into().unwrap()),
        Type::S32 => Val::S32(int(reader).try_into().unwrap()),
        Type::U32 => Val::U32(int(reader).try_into().unwrap()),
        Type::S64 => Val::S64(int(reader).try_into().unwrap()),
        Type::U64 => Val::U64(int(reader).try_into().unwrap()),
        Type::F32 => Val::Float32(reader.f32().unwrap()),
        Type::F64 => Val::Float64(reader.f64().unwrap()),
        Type::Char => Val::Char(reader.str().unwrap().chars().next().unwrap()),
        Type::String => Val::String(reader.str().unwrap().to_owned()),
        Type::List(element) if **element == Type::U8 => {
            Val::List(reader.bin().unwrap().iter().map(|byte| Val::U8(*byte)).collect())
        }
        Type::List(element) => {
            Val::List((0..reader.array_len().unwrap()).map(|_| to_val(element, reader)).collect())
        }
        Type::Map(types) => Val::Map(
            (0..reader.map_len().unwrap())
                .map(|_| (to_val(&types.key, reader), to_val(&types.value, reader)))
                .collect(),
        ),
        Type::Tuple(types) => {
            reader.array_len().unwrap();
            Val::Tuple(types.iter().map(|ty| to_val(ty, reader)).collect())
        }
        Type::Record(fields) => {
            reader.map_len().unwrap();
            Val::Record(
                fields
                    .iter()
                    .map(|field| (reader.str().unwrap().to_owned(), to_val(&field.ty, reader)))
                    .collect(),
            )
        }
        Type::Option(some) => Val::Option((!reader.take_nil().unwrap()).then(|| {
            if some.admits_nil() {
                reader.array_len().unwrap();
            }
            Box::new(to_val(some, reader))
        })),
        Type::Enum(_) => Val::Enum(reader.str().unwrap().to_owned()),
        Type::Flags(_) => {
            Val::Flags((0..reader.array_len().unwrap()).map(|_| reader.str().unwrap().to_owned()).collect())
        }
        Type::Variant(cases) => {
            if reader.peek().unwrap() == Kind::Map {
                reader.map_len().unwrap();
            }
            let name = reader.str().unwrap();
            let case = cases.iter().find(|case| *case.name == *name).unwrap();
            Val::Variant(name.to_owned(), case.ty.as_ref().map(|ty| Box::new(to_val(ty, reader))))
        }
        Type::Result(sides) => {
            reader.map_len().unwrap();
            let is_ok = reader.str().unwrap() == "ok";
            let ty = if is_ok { &sides.ok } else { &sides.err };
            let payload = ty.as_ref().map(|ty| Box::new(to_val(ty, reader)));
            if payload.is_none() {
                reader.nil().unwrap();
            }
            Val::Result(if is_ok { Ok(payload) } else { Err(payload) })
        }
    }
}

/// Writes wasmtime's tree of a value of type `ty` as MessagePack.
pub(crate) fn from_val(ty: &Type, val: &Val, out: &mut Vec<u8>) {
    match (ty, val) {
        (_, Val::Bool(value)) => wire::put_bool(out, *value),
        (_, Val::S8(number)) => wire::put_int(out, (*number).into()),
        (_, Val::U8(number)) => wire::put_uint(out, (*number).into()),
        (_, Val::S16(number)) => wire::put_int(out, (*number).into()),
        (_, Val::U16(number)) => wire::put_uint(out, (*number).into()),
        (_, Val::S32(number)) => wire::put_int(out, (*number).into()),
        (_, Val::U32(number)) => wire::put_uint(out, (*number).into()),
        (_, Val::S64(number)) => wire::put_int(out, *number),
        (_, Val::U64(number)) => wire::put_uint(out, *number),
        (_, Val::Float32(number)) => wire::put_f32(out, *number),
        (_, Val::Float64(number)) => wire::put_f64(out, *number),
        (_, Val::Char(char)) => wire::put_str(out, &char.to_string()),
        (_, Val::String(text) | Val::Enum(text)) => wire::put_str(out, text),
        (Type::List(element), Val::List(vals)) if **element == Type::U8 => {
            let byte = |val: &Val| if let Val::U8(byte) = val { *byte } else { panic!("{val:?}") };
            wire::put_bin(out, &vals.iter().map(byte).collect::<Vec<_>>());
        }
        (Type::List(element), Val::List(vals)) => {
            wire::put_array_len(out, vals.len());
            for val in vals {
                from_val(element, val, out);
            }
        }
        (Type::Map(types), Val::Map(pairs)) => {
            // A key that occurs twice has its last value.
            let encoded = |ty: &Type, val: &Val| {
                let mut out = Vec::new();
                from_val(ty, val, &mut out);
                out
            };
            let pairs = pairs.iter().map(|(key, val)| (encoded(&types.key, key), encoded(&types.value, val)));
            let entries: BTreeMap<Vec<u8>, Vec<u8>> = pairs.collect();
            wire::put_map_len(out, entries.len());
            entries.into_iter().for_each(|(key, val)| out.extend([key, val].concat()));
        }
        (Type::Tuple(types), Val::Tuple(vals)) => {
            wire::put_array_len(out, vals.len());
            for (ty, val) in types.iter().zip(vals) {
                from_val(ty, val, out);
            }
        }
        (Type::Record(fields), Val::Record(vals)) => {
            wire::put_map_len(out, vals.len());
            for (field, (name, val)) in fields.iter().zip(vals) {
                wire::put_str(out, name);
                from_val(&field.ty, val, out);
            }
        }
        (Type::Option(_), Val::Option(None)) => wire::put_nil(out),
        (Type::Option(some), Val::Option(Some(val))) => {
            if some.admits_nil() {
                wire::put_array_len(out, 1);
            }
            from_val(some, val, out);
        }
        (_, Val::Flags(names)) => {
            wire::put_array_len(out, names.len());
            for name in names {
                wire::put_str(out, name);
            }
        }
        (_, Val::Variant(name, None)) => wire::put_str(out, name),
        (Type::Variant(cases), Val::Variant(name, Some(val))) => {
            let case = cases.iter().find(|case| *case.name == **name).unwrap();
            wire::put_map_len(out, 1);
            wire::put_str(out, name);
            from_val(case.ty.as_ref().unwrap(), val, out);
        }
        (Type::Result(sides), Val::Result(result)) => side_from_val(sides, result, out),
        other => panic!("{other:?}"),
    }
}

fn side_from_val(sides: &ResultType, result: &Result<Option<Box<Val>>, Option<Box<Val>>>, out: &mut Vec<u8>) {
    let (name, ty, val) = match result {
        Ok(val) => ("ok", &sides.ok, val),
        Err(val) => ("err", &sides.err, val),
    };
    wire::put_map_len(out, 1);
    wire::put_str(out, name);
    match (ty, val) {
        (Some(ty), Some(val)) => from_val(ty, val, out),
        _ => wire::put_nil(out),
    }
}
