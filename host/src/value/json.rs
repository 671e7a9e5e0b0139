//! MessagePack to JSON, directed by a type, in one pass.
//! The other direction is `encode`, from an untyped literal.

#[cfg(any(test, feature = "internals"))]
use crate::value::ValueFault;
use crate::value::check::{enter_some, locate, one_pair};
use crate::value::map::{is_text_key, key_text};
use crate::value::wire::{Kind, Reader};
use crate::value::{MapType, Type};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::Serializer;
use serde::ser::Error as _;
use serde::ser::SerializeMap;
use serde::ser::SerializeSeq;
use std::cell::RefCell;

/// A value with its type. Serializes by the JSON column of the value table.
#[derive(Debug, Clone, Copy)]
pub struct Typed<'a> {
    ty: &'a Type,
    bytes: &'a [u8],
}

impl<'a> Typed<'a> {
    /// Pairs a value with its type.
    #[must_use]
    pub const fn new(ty: &'a Type, bytes: &'a [u8]) -> Self {
        Self { ty, bytes }
    }
}

/// Returns a value as JSON on one line.
#[cfg(any(test, feature = "internals"))]
pub fn to_json_text(ty: &Type, bytes: &[u8]) -> Result<String, ValueFault> {
    serde_json::to_string(&Typed::new(ty, bytes)).map_err(|error| ValueFault::new(error.to_string()))
}

/// Returns a value as JSON for people: about `max_len` bytes, with `…` if it was cut. None if the value is malformed.
#[must_use]
pub fn to_json_excerpt(ty: &Type, bytes: &[u8], max_len: usize) -> Option<String> {
    let mut excerpt = Excerpt { text: Vec::new(), max_len };
    let written = serde_json::to_writer(&mut excerpt, &Typed::new(ty, bytes));
    let is_cut = excerpt.text.len() >= max_len;
    if written.is_err() && !is_cut {
        return None;
    }
    let text = String::from_utf8_lossy(&excerpt.text);
    Some(if is_cut {
        format!("{}…", text.trim_end_matches(char::REPLACEMENT_CHARACTER))
    } else {
        text.into()
    })
}

/// Returns JSON for people with its line ends and tabs as such, if its strings have several lines. A string alone loses
/// its quotes and escapes.
#[must_use]
pub fn several_lines(json: &str) -> Option<String> {
    let string = json.strip_prefix('"').map(|string| string.strip_suffix('"').unwrap_or(string));
    let mut text = String::with_capacity(json.len());
    let mut chars = string.unwrap_or(json).chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some(escaped @ ('"' | '\\')) if string.is_some() => text.push(escaped),
            Some(escaped) => text.extend([c, escaped]),
            None => text.push(c),
        }
    }
    text.trim_end().contains('\n').then_some(text)
}

/// Writer that keeps the beginning of a text and refuses the rest.
struct Excerpt {
    text: Vec<u8>,
    max_len: usize,
}

impl std::io::Write for Excerpt {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let taken = piece.len().min(self.max_len.saturating_sub(self.text.len()));
        self.text.extend(piece.iter().take(taken));
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Serialize for Typed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let reader = RefCell::new(Reader::new(self.bytes));
        let result = Part { ty: self.ty, reader: &reader }.serialize(serializer)?;
        reader.borrow().finish().map_err(S::Error::custom)?;
        Ok(result)
    }
}

/// The next value of a reader, in a cell because serializing borrows it immutably.
struct Part<'a, 'b> {
    ty: &'a Type,
    reader: &'a RefCell<Reader<'b>>,
}

impl<'b> Part<'_, 'b> {
    fn read<T, E: serde::ser::Error, F: std::fmt::Display>(
        &self,
        read: impl FnOnce(&mut Reader<'b>) -> Result<T, F>,
    ) -> Result<T, E> {
        read(&mut self.reader.borrow_mut()).map_err(E::custom)
    }

    const fn part<'a>(&'a self, ty: &'a Type) -> Part<'a, 'b> {
        Part { ty, reader: self.reader }
    }
}

/// An entry of a map whose key is no text.
struct Pair<'a, 'b>([Part<'a, 'b>; 2]);

impl Serialize for Pair<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(&self.0)
    }
}

impl Serialize for Part<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.ty {
            Type::Bool => serializer.serialize_bool(self.read(Reader::bool)?),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
                serializer.serialize_i128(self.read(Reader::int)?)
            }
            Type::F32 => {
                let number = self.read(Reader::f32)?;
                match special(number.into()) {
                    Some(word) => serializer.serialize_str(word),
                    None => serializer.serialize_f32(number),
                }
            }
            Type::F64 => {
                let number = self.read(Reader::f64)?;
                match special(number) {
                    Some(word) => serializer.serialize_str(word),
                    None => serializer.serialize_f64(number),
                }
            }
            Type::Char | Type::String | Type::Enum(_) => serializer.serialize_str(self.read(Reader::str)?),
            Type::List(element) if **element == Type::U8 => {
                serializer.serialize_str(&STANDARD.encode(self.read(Reader::bin)?))
            }
            Type::List(element) => self.sequence(serializer, |_| Some(&**element)),
            Type::Map(types) => self.map(serializer, types),
            Type::Tuple(types) => self.sequence(serializer, |index| types.get(index)),
            Type::Flags(_) => self.sequence(serializer, |_| Some(&Type::String)),
            Type::Record(_) => self.record(serializer),
            Type::Option(some) => {
                if self.read(Reader::take_nil)? {
                    return serializer.serialize_unit();
                }
                self.read(|reader| enter_some(some, reader))?;
                if some.admits_nil() {
                    serializer.collect_seq(std::iter::once(self.part(some)))
                } else {
                    self.part(some).serialize(serializer)
                }
            }
            Type::Variant(cases) => {
                if self.read(|reader| reader.peek())? != Kind::Map {
                    return serializer.serialize_str(self.read(Reader::str)?);
                }
                self.pair(serializer, |name| {
                    let case = cases.iter().find(|case| *case.name == *name);
                    case.map(|case| case.ty.as_ref())
                })
            }
            Type::Result(sides) => self.pair(serializer, |name| match name {
                "ok" => Some(sides.ok.as_ref()),
                "err" => Some(sides.err.as_ref()),
                _ => None, // no other side
            }),
        }
    }
}

impl Part<'_, '_> {
    fn sequence<'t, S: Serializer>(
        &'t self,
        serializer: S,
        ty: impl Fn(usize) -> Option<&'t Type>,
    ) -> Result<S::Ok, S::Error> {
        let len = self.read(Reader::array_len)?;
        let mut seq = serializer.serialize_seq(Some(len))?;
        for index in 0..len {
            let ty = ty(index).ok_or_else(|| S::Error::custom("a tuple has too many elements"))?;
            seq.serialize_element(&self.part(ty))?;
        }
        seq.end()
    }

    /// Serializes a map as an object, or as an array of pairs where JSON has no text for the keys.
    fn map<S: Serializer>(&self, serializer: S, types: &MapType) -> Result<S::Ok, S::Error> {
        let len = self.read(Reader::map_len)?;
        if is_text_key(&types.key) {
            let mut map = serializer.serialize_map(Some(len))?;
            for _ in 0..len {
                let key = self.read(key_text)?;
                map.serialize_entry(&*key, &self.part(&types.value))?;
            }
            return map.end();
        }
        let mut pairs = serializer.serialize_seq(Some(len))?;
        for _ in 0..len {
            pairs.serialize_element(&Pair([self.part(&types.key), self.part(&types.value)]))?;
        }
        pairs.end()
    }

    fn record<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Type::Record(fields) = self.ty else {
            return Err(S::Error::custom("not a record"));
        };
        let found = self.read(|reader| locate(fields, reader))?;
        let end = self.reader.borrow().position();
        let mut map = serializer.serialize_map(Some(fields.len()))?;
        for (field, position) in fields.iter().zip(found) {
            match position {
                None => map.serialize_entry(&*field.name, &())?,
                Some(position) => {
                    self.reader.borrow_mut().seek(position);
                    map.serialize_entry(&*field.name, &self.part(&field.ty))?;
                }
            }
        }
        self.reader.borrow_mut().seek(end);
        map.end()
    }

    /// Serializes a map of one pair. `ty` returns none for an unknown name, and an inner none for a case without
    /// payload.
    fn pair<'t, S: Serializer>(
        &'t self,
        serializer: S,
        ty: impl Fn(&str) -> Option<Option<&'t Type>>,
    ) -> Result<S::Ok, S::Error> {
        self.read(|reader| one_pair(reader))?;
        let name = self.read(Reader::str)?;
        let payload = ty(name).ok_or_else(|| S::Error::custom(format!("no case `{name}`")))?;
        let mut map = serializer.serialize_map(Some(1))?;
        match payload {
            Some(ty) => map.serialize_entry(name, &self.part(ty))?,
            None => {
                self.read(Reader::nil)?;
                map.serialize_entry(name, &())?;
            }
        }
        map.end()
    }
}

/// Returns the word for a number that JSON cannot express.
fn special(number: f64) -> Option<&'static str> {
    match number {
        _ if number.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None, // JSON has every other number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_with_several_lines_keeps_its_line_ends() {
        let string = serde_json::to_string("Traceback:\n\tFile \"x\\n\"\r\nüé\u{1b}").unwrap();
        assert_eq!(several_lines(&string).unwrap(), "Traceback:\n\tFile \"x\\n\"\r\nüé\\u001b");
        assert_eq!(several_lines("\"cut at\\nits end…").unwrap(), "cut at\nits end…");
        assert_eq!(several_lines(r#"{"bad":"a \"b\"\n\\nc"}"#).unwrap(), "{\"bad\":\"a \\\"b\\\"\n\\\\nc\"}");
        for one_line in [r#""a""#, r#""a\\n""#, r#""a\n""#, r#"{"n":1}"#, "1", "", "\"\\"] {
            assert_eq!(several_lines(one_line), None, "{one_line}");
        }
    }
}
