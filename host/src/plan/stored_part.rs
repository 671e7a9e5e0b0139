//! Parts of stored values, whose types are not stored with them.
//! `assembly` puts values together from them.

use crate::model::to_usize;
use crate::plan::known::MAX_CONVERTED;
use crate::plan::recipe::Wire;
use crate::value::wire::{Kind, Reader};
use crate::value::{Items, Type, assign, split};
use bytes::Bytes;
use std::sync::Arc;

/// Locates the elements of a stored list, whose type is not stored.
pub(crate) fn items(value: &Bytes) -> Option<Items> {
    let element = match Reader::new(value).peek().ok()? {
        Kind::Bin => Type::U8,
        _ => Type::String, // of an array, or of what `split` refuses
    };
    split(&Type::List(Arc::new(element)), value).ok()
}

/// Converts a value from one type to another.
pub(crate) fn convert(value: &Bytes, from: &Type, to: &Type) -> Option<Bytes> {
    assign(from, to).ok()?.apply(value, MAX_CONVERTED).ok()
}

pub(crate) fn or_default(value: Option<Bytes>, default: Option<&[u8]>) -> Option<Bytes> {
    value.or_else(|| default.map(Bytes::copy_from_slice))
}

/// Returns a part of a stored value; none if it has no such part.
pub(crate) fn at(value: &Bytes, part: &[Wire]) -> Option<Bytes> {
    let mut reader = Reader::new(value);
    for step in part {
        match step {
            Wire::Present => {
                let start = reader.position();
                if reader.take_nil().ok()? {
                    return None;
                }
                reader.seek(start);
            }
            Wire::Element(index) => {
                let index = to_usize(*index);
                if index >= reader.array_len().ok()? {
                    return None;
                }
                (0..index).try_for_each(|_| reader.skip().ok())?;
            }
            Wire::Key(name) => {
                let len = reader.map_len().ok()?;
                let found = (0..len).find_map(|_| match reader.str() {
                    Ok(key) if key == name => Some(Some(())),
                    Ok(_) => reader.skip().err().map(|_| None),
                    Err(_) => Some(None),
                });
                found??;
            }
        }
    }
    let start = reader.position();
    reader.skip().ok()?;
    Some(value.slice(start..reader.position()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::{Datum, Path};
    use crate::plan::recipe::wire;
    use crate::value::encode;

    /// Returns a type, and a value of it as it is stored.
    pub(crate) fn stored(ty: &str, json: &str) -> (Type, Bytes) {
        let ty = Type::parse(ty).unwrap();
        let datum: Datum = serde_json::from_str(json).unwrap();
        let bytes = encode(&ty, &datum).unwrap();
        (ty, bytes)
    }

    #[test]
    fn parts_of_stored_values_are_those_of_their_types() {
        for (ty, json, path, expected) in [
            (
                "record { a: u8, b: list<string> }",
                r#"{"a": 1, "b": ["x", "y"]}"#,
                "b[1]",
                Some(("string", "\"y\"")),
            ),
            ("list<u32>", "[7]", "[1]", None),
            ("option<u8>", "null", "some", None),
            ("option<u8>", "3", "some", Some(("u8", "3"))),
            ("option<option<u8>>", "[null]", "some", Some(("option<u8>", "null"))),
            ("result<u8, string>", r#"{"ok": 4}"#, "ok", Some(("u8", "4"))),
            ("result<u8, string>", r#"{"err": "e"}"#, "ok", None),
        ] {
            let (ty, bytes) = stored(ty, json);
            let part = wire(&ty, &Path::parse(path).unwrap()).unwrap();
            let expected = expected.map(|(ty, json)| stored(ty, json).1);
            assert_eq!(at(&bytes, &part), expected, "{json} {path}");
        }
    }
}
