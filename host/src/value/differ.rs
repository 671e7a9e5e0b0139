//! Difference of two values of one type: the path to the first part of their MessagePack that differs.
//! Differences between types are found in `assign`.

use crate::model::{Path, Step};
use crate::value::wire::{Kind, Malformed, Reader};

/// Returns the path to the first part that differs, as deep as it can be followed.
///
/// The path is the root if the values themselves differ in kind or length. It names fields and positions, never
/// content.
#[must_use]
pub fn difference(one: &[u8], other: &[u8]) -> Path {
    let mut path = Path::root();
    let mut parts = (one, other);
    // Terminates: each step descends to shorter parts.
    while let Ok(Some((step, one, other))) = differing_part(parts.0, parts.1) {
        path.push(step);
        parts = (one, other);
    }
    path
}

type Differing<'a> = Option<(Step, &'a [u8], &'a [u8])>;

/// Returns the first item or field that differs; none if the values differ in kind or length.
fn differing_part<'a>(one: &'a [u8], other: &'a [u8]) -> Result<Differing<'a>, Malformed> {
    let (mut one, mut other) = (Reader::new(one), Reader::new(other));
    let is_map = match (one.peek()?, other.peek()?) {
        (Kind::Array, Kind::Array) => false,
        (Kind::Map, Kind::Map) => true,
        _ => return Ok(None), // nothing to descend into, or two different kinds
    };
    let len = |reader: &mut Reader<'a>| if is_map { reader.map_len() } else { reader.array_len() };
    let shared = len(&mut one)?.min(len(&mut other)?);
    for index in 0..shared {
        let step = if is_map {
            let (key, of_other) = (one.str()?, other.str()?);
            if key != of_other {
                return Ok(None);
            }
            Step::Field(key.to_owned())
        } else {
            Step::Index(u32::try_from(index).unwrap_or(u32::MAX))
        };
        let (part, of_other) = (whole(&mut one)?, whole(&mut other)?);
        if part != of_other {
            return Ok(Some((step, part, of_other)));
        }
    }
    Ok(None)
}

/// Reads the bytes of the next value.
fn whole<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let start = reader.position();
    reader.skip()?;
    Ok(reader.between(start, reader.position()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::{Type, encode};

    fn at(ty: &str, one: &str, other: &str) -> String {
        let ty = Type::parse(ty).unwrap();
        let bytes = |text: &str| {
            let literal: Datum = serde_json::from_str(text).unwrap();
            encode(&ty, &literal).unwrap()
        };
        difference(&bytes(one), &bytes(other)).to_string()
    }

    #[test]
    fn the_first_part_that_differs_is_named() {
        let ty = "record { a: list<record { x: f64 }>, b: option<string> }";
        let base = r#"{"a": [{"x": 1.5}, {"x": 2.5}], "b": "s"}"#;
        assert_eq!(at(ty, base, r#"{"a": [{"x": 1.5}, {"x": 3.5}], "b": "t"}"#), ".a[1].x");
        assert_eq!(at(ty, base, r#"{"a": [{"x": 1.5}, {"x": 2.5}], "b": null}"#), ".b");
        assert_eq!(at(ty, base, r#"{"a": [{"x": 1.5}], "b": "s"}"#), ".a", "one is longer");
        assert_eq!(at("u32", "1", "2"), "");
        assert_eq!(at("variant { a(u8), b(u8) }", r#"{"a": 1}"#, r#"{"b": 1}"#), "");
        assert_eq!(at("variant { a(u8), b(u8) }", r#"{"a": 1}"#, r#"{"a": 2}"#), ".a");
    }

    #[test]
    fn damaged_bytes_have_a_path_too() {
        assert_eq!(difference(&[0x92, 1, 2], &[0x92, 1, 0xc1]).to_string(), "");
        assert_eq!(difference(&[0x92, 1], &[0x92, 2]).to_string(), "");
        assert_eq!(difference(&[], &[0xc1]).to_string(), "");
    }
}
