//! Difference of two values of one type: the path to the first part of their MessagePack that differs.
//! Differences between types are found in `assign`.

use crate::model::{Path, Step};
use crate::value::wire::{Kind, Malformed, Reader};

/// Returns the path to the first part that differs, as deep as it can be followed.
///
/// The path is the root if the values themselves differ in kind or length. It names fields and positions, never
/// content.
#[must_use]
pub fn difference(first: &[u8], second: &[u8]) -> Path {
    let mut path = Path::root();
    let mut parts = (first, second);
    // Terminates: each step descends to shorter parts.
    while let Ok(Some((step, first, second))) = differing_part(parts.0, parts.1) {
        path.push(step);
        parts = (first, second);
    }
    path
}

type Differing<'a> = Option<(Step, &'a [u8], &'a [u8])>;

/// Returns the first item or field that differs; none if the values differ in kind or length.
fn differing_part<'a>(first: &'a [u8], second: &'a [u8]) -> Result<Differing<'a>, Malformed> {
    let (mut first, mut second) = (Reader::new(first), Reader::new(second));
    let is_map = match (first.peek()?, second.peek()?) {
        (Kind::Array, Kind::Array) => false,
        (Kind::Map, Kind::Map) => true,
        _ => return Ok(None), // nothing to descend into, or two different kinds
    };
    let len = |reader: &mut Reader<'a>| if is_map { reader.map_len() } else { reader.array_len() };
    let shared = len(&mut first)?.min(len(&mut second)?);
    for index in 0..shared {
        let step = if is_map {
            let (key, second_key) = (first.str()?, second.str()?);
            if key != second_key {
                return Ok(None);
            }
            Step::Field(key.to_owned())
        } else {
            Step::Index(u32::try_from(index).unwrap_or(u32::MAX))
        };
        let (first_part, second_part) = (read_value(&mut first)?, read_value(&mut second)?);
        if first_part != second_part {
            return Ok(Some((step, first_part, second_part)));
        }
    }
    Ok(None)
}

/// Reads the bytes of the next value.
fn read_value<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let start = reader.position();
    reader.skip()?;
    Ok(reader.between(start, reader.position()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::{Type, encode};

    fn path_of(ty: &str, first: &str, second: &str) -> String {
        let ty = Type::parse(ty).unwrap();
        let bytes = |text: &str| {
            let literal: Datum = serde_json::from_str(text).unwrap();
            encode(&ty, &literal).unwrap()
        };
        difference(&bytes(first), &bytes(second)).to_string()
    }

    #[test]
    fn path_leads_to_the_first_difference() {
        let ty = "record { a: list<record { x: f64 }>, b: option<string> }";
        let base = r#"{"a": [{"x": 1.5}, {"x": 2.5}], "b": "s"}"#;
        assert_eq!(path_of(ty, base, r#"{"a": [{"x": 1.5}, {"x": 3.5}], "b": "t"}"#), ".a[1].x");
        assert_eq!(path_of(ty, base, r#"{"a": [{"x": 1.5}, {"x": 2.5}], "b": null}"#), ".b");
        assert_eq!(path_of(ty, base, r#"{"a": [{"x": 1.5}], "b": "s"}"#), ".a", "one is longer");
        assert_eq!(path_of("u32", "1", "2"), "");
        assert_eq!(path_of("variant { a(u8), b(u8) }", r#"{"a": 1}"#, r#"{"b": 1}"#), "");
        assert_eq!(path_of("variant { a(u8), b(u8) }", r#"{"a": 1}"#, r#"{"a": 2}"#), ".a");
    }

    #[test]
    fn damaged_bytes_yield_the_root_path() {
        assert_eq!(difference(&[0x92, 1, 2], &[0x92, 1, 0xc1]).to_string(), "");
        assert_eq!(difference(&[0x92, 1], &[0x92, 2]).to_string(), "");
        assert_eq!(difference(&[], &[0xc1]).to_string(), "");
    }
}
