//! The texts, bytes and numbers that a value is made of, as a guest may write them.
//! What they are looked for in, and how short one may be, is for whoever asks.

use crate::value::check::{enter_some, locate, one_pair};
use crate::value::wire::{Kind, Reader};
use crate::value::{Type, ValueFault};

/// Numbers of fewer digits may stand anywhere, and give nothing away.
const LEAST_DIGITS: usize = 4;

/// The texts, bytes and longer numbers of a value, which is of type `ty`: words of enums and flags are texts, and so are
/// chars that follow each other in a list or a tuple.
pub fn leaves(ty: &Type, bytes: &[u8]) -> Result<Vec<Vec<u8>>, ValueFault> {
    let mut leaves = Vec::new();
    gather(ty, &mut Reader::new(bytes), &mut leaves)?;
    Ok(leaves)
}

fn gather(ty: &Type, reader: &mut Reader<'_>, leaves: &mut Vec<Vec<u8>>) -> Result<(), ValueFault> {
    match ty {
        Type::Bool => drop(reader.bool()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
            number(&reader.int()?.to_string(), leaves);
        }
        Type::F32 => {
            let value = reader.f32()?;
            float(value, leaves);
            float(f64::from(value), leaves); // the same as an `f64`
        }
        Type::F64 => float(reader.f64()?, leaves),
        Type::Char | Type::String | Type::Enum(_) => leaves.push(reader.str()?.into()),
        Type::List(element) if **element == Type::U8 => leaves.push(reader.bin()?.into()),
        Type::List(element) if **element == Type::Char => {
            let len = reader.array_len()?;
            chars(len, reader, leaves)?;
        }
        Type::List(element) => {
            for _ in 0..reader.array_len()? {
                gather(element, reader, leaves)?;
            }
        }
        Type::Tuple(types) => {
            reader.array_len()?;
            for run in types.chunk_by(|a, b| (a == &Type::Char) == (b == &Type::Char)) {
                match run {
                    [Type::Char, ..] => chars(run.len(), reader, leaves)?,
                    others => others.iter().try_for_each(|ty| gather(ty, reader, leaves))?,
                }
            }
        }
        Type::Flags(_) => {
            for _ in 0..reader.array_len()? {
                leaves.push(reader.str()?.into());
            }
        }
        Type::Record(fields) => {
            let found = locate(fields, reader)?;
            let end = reader.position();
            for (field, position) in fields.iter().zip(found) {
                if let Some(position) = position {
                    reader.seek(position);
                    gather(&field.ty, reader, leaves)?;
                }
            }
            reader.seek(end);
        }
        Type::Option(some) => {
            if !reader.take_nil()? {
                enter_some(some, reader)?;
                gather(some, reader, leaves)?;
            }
        }
        Type::Variant(cases) => {
            if reader.peek()? == Kind::Map {
                let payload = |name: &str| cases.iter().find(|case| *case.name == *name)?.ty.as_ref();
                pair(payload, reader, leaves)?;
            } else {
                leaves.push(reader.str()?.into());
            }
        }
        Type::Result(sides) => {
            let payload = |name: &str| if name == "ok" { sides.ok.as_ref() } else { sides.err.as_ref() };
            pair(payload, reader, leaves)?;
        }
    }
    Ok(())
}

/// A case with its payload; its name is no part of the value, as those of fields are none.
fn pair<'t>(
    payload: impl Fn(&str) -> Option<&'t Type>,
    reader: &mut Reader<'_>,
    leaves: &mut Vec<Vec<u8>>,
) -> Result<(), ValueFault> {
    one_pair(reader)?;
    match payload(reader.str()?) {
        Some(ty) => gather(ty, reader, leaves),
        None => Ok(reader.nil()?),
    }
}

/// Chars in a row: together as text, and as JSON has them.
fn chars(len: usize, reader: &mut Reader<'_>, leaves: &mut Vec<Vec<u8>>) -> Result<(), ValueFault> {
    let mut text = String::new();
    for _ in 0..len {
        text.push_str(reader.str()?);
    }
    let json = text.chars().filter_map(|c| serde_json::to_string(&c).ok()).collect::<Vec<_>>().join(",");
    leaves.extend([text.into_bytes(), json.into_bytes()]);
    Ok(())
}

/// A float with and without an exponent.
fn float(value: impl std::fmt::Display + std::fmt::Debug, leaves: &mut Vec<Vec<u8>>) {
    number(&format!("{value}"), leaves);
    number(&format!("{value:?}"), leaves);
}

fn number(text: &str, leaves: &mut Vec<Vec<u8>>) {
    if text.bytes().filter(u8::is_ascii_digit).count() >= LEAST_DIGITS {
        leaves.push(text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::encode;

    fn found(ty: &str, json: &str) -> Vec<String> {
        let ty = Type::parse(ty).unwrap();
        let datum: Datum = serde_json::from_str(json).unwrap();
        let leaves = leaves(&ty, &encode(&ty, &datum).unwrap()).unwrap();
        leaves.into_iter().map(|leaf| String::from_utf8(leaf).unwrap()).collect()
    }

    #[test]
    fn texts_and_bytes_are_found_however_deep_they_are() {
        for (ty, json, expected) in [
            ("string", r#""text""#, &["text"][..]),
            ("list<u8>", r#""dGV4dA==""#, &["text"]),
            ("option<list<list<u8>>>", r#"["dGV4dA==", "bW9yZQ=="]"#, &["text", "more"]),
            ("list<tuple<string, list<u8>>>", r#"[["key", "dGV4dA=="]]"#, &["key", "text"]),
            ("record { b: u8, a: option<string>, c: option<string> }", r#"{"a": "text", "b": 1}"#, &["text"]),
            ("variant { token(string), none }", r#"{"token": "text"}"#, &["text"]),
            ("variant { token(string), none }", r#""none""#, &["none"]),
            ("result<_, list<u8>>", r#"{"err": "dGV4dA=="}"#, &["text"]),
            ("result<_, list<u8>>", r#"{"ok": null}"#, &[]),
            ("option<option<string>>", r#"["text"]"#, &["text"]),
            ("enum { one, two }", r#""two""#, &["two"]),
            ("flags { one, two }", r#"["two"]"#, &["two"]),
        ] {
            assert_eq!(found(ty, json), expected, "{ty}");
        }
    }

    #[test]
    fn chars_in_a_row_are_a_text() {
        assert_eq!(found("list<char>", r#"["a", "b", "\""]"#), ["ab\"", r#""a","b","\"""#]);
        assert_eq!(
            found("tuple<char, char, u8, char>", r#"["a", "b", 1, "c"]"#),
            ["ab", r#""a","b""#, "c", r#""c""#]
        );
    }

    #[test]
    fn numbers_of_some_digits_are_found_as_they_are_written() {
        assert_eq!(found("u64", "18446744073709551615"), ["18446744073709551615"]);
        assert_eq!(found("s32", "-1234"), ["-1234"]);
        assert!(found("s32", "-123").is_empty());
        assert_eq!(found("list<u8>", "[1, 2]"), ["\u{1}\u{2}"]);
        assert_eq!(found("f64", "1e16"), ["10000000000000000"]);
        assert!(found("f32", "2.625").contains(&"2.625".to_owned()));
        assert!(found("f32", "0.1").contains(&"0.10000000149011612".to_owned()));
    }
}
