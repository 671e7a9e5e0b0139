//! Values made of parts that are values already, for literals with references inside.
//! The parts are taken as they are: whoever hands them in has fitted them to their types.

use crate::value::Type;
use crate::value::ValueFault;
use crate::value::wire;
use crate::value::wire::Reader;
use bytes::Bytes;
use std::sync::Arc;

/// A list of parts; bytes where the element is `u8`.
pub fn compose_list(element: &Type, parts: &[Bytes]) -> Result<Bytes, ValueFault> {
    if *element != Type::U8 {
        return Ok(compose_tuple(parts));
    }
    let mut bytes = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        let number =
            Reader::new(part).int().map_err(|malformed| ValueFault::from(malformed).at_index(index))?;
        let byte = u8::try_from(number)
            .map_err(|_| ValueFault::new(format!("expected u8, found {number}")).at_index(index))?;
        bytes.push(byte);
    }
    let mut out = Vec::with_capacity(bytes.len() + 5);
    wire::put_bin(&mut out, &bytes);
    Ok(out.into())
}

/// A tuple of parts.
#[must_use]
pub fn compose_tuple(parts: &[Bytes]) -> Bytes {
    let mut out = Vec::with_capacity(parts.iter().map(Bytes::len).sum::<usize>() + 5);
    wire::put_array_len(&mut out, parts.len());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.into()
}

/// A record of fields, which come in declared order.
#[must_use]
pub fn compose_record(fields: &[(Arc<str>, Bytes)]) -> Bytes {
    let mut out = Vec::new();
    wire::put_map_len(&mut out, fields.len());
    for (name, part) in fields {
        wire::put_str(&mut out, name);
        out.extend_from_slice(part);
    }
    out.into()
}

/// A case with a payload, or a side of a `result`.
#[must_use]
pub fn compose_case(name: &str, payload: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + name.len() + 6);
    wire::put_map_len(&mut out, 1);
    wire::put_str(&mut out, name);
    out.extend_from_slice(payload);
    out.into()
}

/// A `some` whose own value may be nil.
#[must_use]
pub fn compose_some(part: &Bytes) -> Bytes {
    compose_tuple(std::slice::from_ref(part))
}
