//! Leaves of a value: its texts, bytes and numbers, in the forms in which a guest may write them.
//! The caller searches for them, and decides how short a leaf may be.

use crate::value::check::{enter_some, locate, one_pair};
use crate::value::wire::{Kind, Reader};
use crate::value::{Type, ValueFault};

/// Minimum number of digits of a numeric leaf. Shorter numbers occur everywhere and reveal nothing.
const MIN_DIGITS: usize = 4;

/// Returns the texts, bytes and longer numbers of a value of type `ty`. Names of enum cases and flags are texts, and so
/// are consecutive chars of a list or a tuple.
pub fn leaves(ty: &Type, bytes: &[u8]) -> Result<Vec<Vec<u8>>, ValueFault> {
    let mut leaves = Vec::new();
    collect_leaves(ty, &mut Reader::new(bytes), &mut leaves)?;
    Ok(leaves)
}

fn collect_leaves(ty: &Type, reader: &mut Reader<'_>, leaves: &mut Vec<Vec<u8>>) -> Result<(), ValueFault> {
    match ty {
        Type::Bool => drop(reader.bool()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::S8 | Type::S16 | Type::S32 | Type::S64 => {
            number(&reader.int()?.to_string(), leaves);
        }
        Type::F32 => {
            let value = reader.f32()?;
            float(value, leaves);
            float(f64::from(value), leaves); // the number as an `f64`
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
                collect_leaves(element, reader, leaves)?;
            }
        }
        Type::Tuple(types) => {
            reader.array_len()?;
            for run in types.chunk_by(|a, b| (a == &Type::Char) == (b == &Type::Char)) {
                match run {
                    [Type::Char, ..] => chars(run.len(), reader, leaves)?,
                    others => others.iter().try_for_each(|ty| collect_leaves(ty, reader, leaves))?,
                }
            }
        }
        Type::Map(types) => {
            for _ in 0..reader.map_len()? {
                collect_leaves(&types.key, reader, leaves)?;
                collect_leaves(&types.value, reader, leaves)?;
            }
        }
        Type::Flags(_) => {
            for _ in 0..reader.array_len()? {
                leaves.push(reader.str()?.into());
            }
        }
        Type::Record(fields) => {
            let positions = locate(fields, reader)?;
            let end = reader.position();
            for (field, position) in fields.iter().zip(positions) {
                if let Some(position) = position {
                    reader.seek(position);
                    collect_leaves(&field.ty, reader, leaves)?;
                }
            }
            reader.seek(end);
        }
        Type::Option(some) => {
            if !reader.take_nil()? {
                enter_some(some, reader)?;
                collect_leaves(some, reader, leaves)?;
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

/// Collects the payload of a case. Names of cases and fields belong to the type, so they are no leaves.
fn pair<'t>(
    payload: impl Fn(&str) -> Option<&'t Type>,
    reader: &mut Reader<'_>,
    leaves: &mut Vec<Vec<u8>>,
) -> Result<(), ValueFault> {
    one_pair(reader)?;
    match payload(reader.str()?) {
        Some(ty) => collect_leaves(ty, reader, leaves),
        None => Ok(reader.nil()?),
    }
}

/// Collects consecutive chars as one text, and as the JSON list of them.
fn chars(len: usize, reader: &mut Reader<'_>, leaves: &mut Vec<Vec<u8>>) -> Result<(), ValueFault> {
    let mut text = String::new();
    for _ in 0..len {
        text.push_str(reader.str()?);
    }
    let json = text.chars().filter_map(|c| serde_json::to_string(&c).ok()).collect::<Vec<_>>().join(",");
    leaves.extend([text.into_bytes(), json.into_bytes()]);
    Ok(())
}

/// Collects a float with and without an exponent.
fn float(value: impl std::fmt::Display + std::fmt::Debug, leaves: &mut Vec<Vec<u8>>) {
    number(&format!("{value}"), leaves);
    number(&format!("{value:?}"), leaves);
}

fn number(text: &str, leaves: &mut Vec<Vec<u8>>) {
    if text.bytes().filter(u8::is_ascii_digit).count() >= MIN_DIGITS {
        leaves.push(text.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::encode;

    fn leaf_texts(ty: &str, json: &str) -> Vec<String> {
        let ty = Type::parse(ty).unwrap();
        let datum: Datum = serde_json::from_str(json).unwrap();
        let leaves = leaves(&ty, &encode(&ty, &datum).unwrap()).unwrap();
        leaves.into_iter().map(|leaf| String::from_utf8(leaf).unwrap()).collect()
    }

    #[test]
    fn texts_and_bytes_are_found_at_any_depth() {
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
            ("map<string, list<string>>", r#"{"b": ["c"], "a": []}"#, &["a", "b", "c"]),
            ("enum { one, two }", r#""two""#, &["two"]),
            ("flags { one, two }", r#"["two"]"#, &["two"]),
        ] {
            assert_eq!(leaf_texts(ty, json), expected, "{ty}");
        }
    }

    #[test]
    fn consecutive_chars_are_one_text() {
        assert_eq!(leaf_texts("list<char>", r#"["a", "b", "\""]"#), ["ab\"", r#""a","b","\"""#]);
        assert_eq!(
            leaf_texts("tuple<char, char, u8, char>", r#"["a", "b", 1, "c"]"#),
            ["ab", r#""a","b""#, "c", r#""c""#]
        );
    }

    #[test]
    fn long_numbers_are_found_in_each_written_form() {
        assert_eq!(leaf_texts("u64", "18446744073709551615"), ["18446744073709551615"]);
        assert_eq!(leaf_texts("s32", "-1234"), ["-1234"]);
        assert!(leaf_texts("s32", "-123").is_empty());
        assert_eq!(leaf_texts("list<u8>", "[1, 2]"), ["\u{1}\u{2}"]);
        assert_eq!(leaf_texts("f64", "1e16"), ["10000000000000000"]);
        assert!(leaf_texts("f32", "2.625").contains(&"2.625".to_owned()));
        assert!(leaf_texts("f32", "0.1").contains(&"0.10000000149011612".to_owned()));
    }
}
