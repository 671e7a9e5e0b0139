//! Converts MessagePack to JSON without a type, by its own markers alone.
//! With a type, `value` is more exact: it distinguishes `list<u8>` from text, and nil from an empty record.

use crate::value::wire::{Kind, Reader};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::Serializer;
use serde::ser::Error as _;
use serde::ser::SerializeMap as _;
use serde::ser::SerializeSeq as _;
use std::cell::RefCell;
use std::fmt::Display;

/// Maximum nesting. Anyone with write access to the state backend may store arbitrary bytes, and recursion uses
/// stack.
const MAX_DEPTH: usize = 128;

/// A stored value. Serializes as JSON: bin as base64, maps as objects (with keys that are
/// bools, as pairs), numbers that JSON lacks as words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Untyped<'a>(&'a [u8]);

impl<'a> Untyped<'a> {
    /// Wraps the encoded value `bytes`.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl Serialize for Untyped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reader = RefCell::new(Reader::new(self.0));
        let done = Part { reader: &reader, depth: 0 }.serialize(serializer)?;
        reader.borrow().finish().map_err(S::Error::custom)?;
        Ok(done)
    }
}

/// The next value of a reader, in a cell because serializing borrows immutably.
struct Part<'a, 'b> {
    reader: &'a RefCell<Reader<'b>>,
    depth: usize,
}

impl<'b> Part<'_, 'b> {
    fn read<T, E: serde::ser::Error, F: Display>(
        &self,
        read: impl FnOnce(&mut Reader<'b>) -> Result<T, F>,
    ) -> Result<T, E> {
        read(&mut self.reader.borrow_mut()).map_err(E::custom)
    }

    fn nested<E: serde::ser::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format!("the value nests more than {MAX_DEPTH} deep")));
        }
        Ok(Self { reader: self.reader, depth: self.depth + 1 })
    }
}

impl Serialize for Part<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.read(|reader| reader.peek())? {
            Kind::Nil => {
                self.read(Reader::nil)?;
                serializer.serialize_unit()
            }
            Kind::Bool => serializer.serialize_bool(self.read(Reader::bool)?),
            Kind::Int => serializer.serialize_i128(self.read(Reader::int)?),
            Kind::F32 => {
                let number = self.read(Reader::f32)?;
                match word(number.into()) {
                    Some(word) => serializer.serialize_str(word),
                    None => serializer.serialize_f32(number),
                }
            }
            Kind::F64 => {
                let number = self.read(Reader::f64)?;
                match word(number) {
                    Some(word) => serializer.serialize_str(word),
                    None => serializer.serialize_f64(number),
                }
            }
            Kind::Str => serializer.serialize_str(self.read(Reader::str)?),
            Kind::Bin => serializer.serialize_str(&STANDARD.encode(self.read(Reader::bin)?)),
            Kind::Array => {
                let inner = self.nested()?;
                let len = self.read(Reader::array_len)?;
                let mut seq = serializer.serialize_seq(Some(len))?;
                for _ in 0..len {
                    seq.serialize_element(&inner)?;
                }
                seq.end()
            }
            Kind::Map => {
                let inner = self.nested()?;
                let len = self.read(Reader::map_len)?;
                if len > 0 && matches!(self.read(|reader| reader.peek())?, Kind::Bool) {
                    let mut pairs = serializer.serialize_seq(Some(len))?;
                    for _ in 0..len {
                        pairs.serialize_element(&(self.read(Reader::bool)?, &inner))?;
                    }
                    return pairs.end();
                }
                let mut map = serializer.serialize_map(Some(len))?;
                for _ in 0..len {
                    match self.read(|reader| reader.peek())? {
                        Kind::Int => map.serialize_entry(&self.read(Reader::int)?.to_string(), &inner)?,
                        _ => map.serialize_entry(self.read(Reader::str)?, &inner)?, // no other kind is a key
                    }
                }
                map.end()
            }
            Kind::Ext => Err(S::Error::custom("a MessagePack extension, which no value uses")),
        }
    }
}

/// Returns the word for a number that JSON cannot express.
const fn word(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None, // JSON can express every other number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(bytes: &[u8]) -> Result<String, String> {
        serde_json::to_string(&Untyped::new(bytes)).map_err(|error| error.to_string())
    }

    #[test]
    fn every_kind_has_a_json_form() {
        for (bytes, text) in [
            (&b"\xc0"[..], "null"),
            (b"\xc3", "true"),
            (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615"),
            (b"\xff", "-1"),
            (b"\xca\x3f\xc0\x00\x00", "1.5"),
            (b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "\"NaN\""),
            (b"\xcb\xff\xf0\x00\x00\x00\x00\x00\x00", "\"-Infinity\""),
            (b"\xa2hi", "\"hi\""),
            (b"\xc4\x02\xff\x00", "\"/wA=\""),
            (b"\x92\x01\x90", "[1,[]]"),
            (b"\x82\xa1b\x01\xa1a\x80", "{\"b\":1,\"a\":{}}"),
            (b"\x82\x07\xc0\xff\xc0", "{\"7\":null,\"-1\":null}"),
            (b"\x82\xc2\x01\xc3\x02", "[[false,1],[true,2]]"),
        ] {
            assert_eq!(json(bytes).as_deref(), Ok(text));
        }
    }

    #[test]
    fn malformed_values_are_errors() {
        for (bytes, text) in [
            (&b""[..], "the value ends too early"),
            (b"\x01\x02", "1 bytes follow the value"),
            (b"\x81\xc0\x02", "expected a str, found nil"),
            (b"\x82\xc2\x01\x01\x02", "expected a bool, found an integer"),
            (b"\xd4\x00\x00", "a MessagePack extension, which no value uses"),
        ] {
            assert_eq!(json(bytes), Err(text.to_owned()));
        }
        assert_eq!(json(&[0x91].repeat(200_000)).unwrap_err(), "the value nests more than 128 deep");
    }
}
