//! Composition of values from encoded parts, for literals that contain references.
//! Parts are trusted: the caller has fitted them to their types.

use crate::value::map::Entries;
use crate::value::wire::{Malformed, Reader};
use crate::value::{Type, ValueFault, wire};
use bytes::Bytes;
use std::sync::Arc;

/// Builder of a list; the list is stored as bytes if the element is `u8`.
pub struct ListBuilder {
    out: Vec<u8>,
    /// Number of parts that the header in `out` announces; none if each is a single byte, which need no header yet.
    announced: Option<usize>,
    len: usize,
}

impl ListBuilder {
    /// Starts a list of `len` parts, or fewer: the header is replaced at the end if it announces too many.
    #[must_use]
    pub fn new(element: &Type, len: usize) -> Self {
        let announced = (*element != Type::U8).then_some(len);
        Self { out: announced.map(array_header).unwrap_or_default(), announced, len: 0 }
    }

    /// Appends a part.
    pub fn push(&mut self, part: &[u8]) -> Result<(), ValueFault> {
        let index = self.len;
        self.len += 1;
        if self.announced.is_some() {
            self.out.extend_from_slice(part);
            return Ok(());
        }
        let number =
            Reader::new(part).int().map_err(|malformed| ValueFault::from(malformed).at_index(index))?;
        let byte = u8::try_from(number)
            .map_err(|_| ValueFault::new(format!("expected u8, found {number}")).at_index(index))?;
        self.out.push(byte);
        Ok(())
    }

    /// Returns the list.
    #[must_use]
    pub fn finish(mut self) -> Bytes {
        let Some(announced) = self.announced else {
            let mut out = Vec::with_capacity(self.out.len() + 5);
            wire::put_bin(&mut out, &self.out);
            return out.into();
        };
        if self.len != announced {
            self.out.splice(..array_header(announced).len(), array_header(self.len));
        }
        self.out.into()
    }
}

fn array_header(len: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(5);
    wire::put_array_len(&mut header, len);
    header
}

/// Composes a list of parts, stored as bytes if the element is `u8`.
pub fn compose_list(element: &Type, parts: &[Bytes]) -> Result<Bytes, ValueFault> {
    let mut list = ListBuilder::new(element, parts.len());
    parts.iter().try_for_each(|part| list.push(part))?;
    Ok(list.finish())
}

/// Composes a tuple of parts.
#[must_use]
pub fn compose_tuple(parts: &[Bytes]) -> Bytes {
    let mut out = Vec::with_capacity(parts.iter().map(Bytes::len).sum::<usize>() + 5);
    wire::put_array_len(&mut out, parts.len());
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out.into()
}

/// Composes a record of fields, which must be in declared order.
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

/// Composes a map of pairs, each a tuple of key and value. Fails if a key occurs twice.
pub fn compose_map(pairs: &[Bytes]) -> Result<Bytes, ValueFault> {
    let mut out = Vec::with_capacity(pairs.iter().map(Bytes::len).sum::<usize>() + 5);
    wire::put_map_len(&mut out, pairs.len());
    let mut entries = Entries::begin(&out);
    for (index, pair) in pairs.iter().enumerate() {
        let mut reader = Reader::new(pair);
        let mut key_and_value = || {
            reader.array_len()?;
            let start = reader.position();
            reader.skip()?;
            let end = reader.position();
            Ok((reader.between(start, end), reader.between(end, pair.len())))
        };
        let parts = key_and_value();
        let (key, value) =
            parts.map_err(|malformed: Malformed| ValueFault::from(malformed).at_index(index))?;
        let start = out.len();
        out.extend_from_slice(key);
        let end = out.len();
        out.extend_from_slice(value);
        entries.add(&out, start..end);
    }
    entries.finish(&mut out)?;
    Ok(out.into())
}

/// Composes a case with a payload, or a side of a `result`.
#[must_use]
pub fn compose_case(name: &str, payload: &Bytes) -> Bytes {
    let mut out = Vec::with_capacity(payload.len() + name.len() + 6);
    wire::put_map_len(&mut out, 1);
    wire::put_str(&mut out, name);
    out.extend_from_slice(payload);
    out.into()
}

/// Composes a `some` whose own value may be nil.
#[must_use]
pub fn compose_some(part: &Bytes) -> Bytes {
    compose_tuple(std::slice::from_ref(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::split;

    #[test]
    fn list_may_have_fewer_parts_than_announced() {
        for (announced, len) in
            [(0, 0), (3, 0), (16, 15), (16, 16), (70_000, 15), (70_000, 65_535), (70_000, 70_000)]
        {
            for (element, part) in [(Type::U32, &b"\x07"[..]), (Type::U8, b"\x07"), (Type::String, b"\xa1x")]
            {
                let mut list = ListBuilder::new(&element, announced);
                (0..len).try_for_each(|_| list.push(part)).unwrap();
                let list = list.finish();
                let items = split(&Type::List(Arc::new(element.clone())), &list).unwrap();
                assert_eq!(items.len(), len, "{element} {announced}");
                assert!(len == 0 || &*items.get(len - 1).unwrap() == part);
            }
        }
    }
}
