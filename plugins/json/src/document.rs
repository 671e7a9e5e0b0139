//! Responsible for documents: reading within a depth, writing as strict JSON, merging.
//! Leaves filters to `filter`.

use crate::{Error, Mistake};
use jaq_json::{Map, Val};

/// Bounds the stack that values take when they are read, written and dropped: their depth is the caller's.
const MAX_DEPTH: usize = 100;
/// Bounds a result, which a filter can double at every step.
pub const MAX_TEXT: usize = 64 << 20;

/// Reads a document.
pub fn read(document: &str) -> Result<Val, Error> {
    let mistake = |byte, message: &str| Error::Document(mistake(byte, message.to_owned()));
    if let Some(byte) = too_deep(document) {
        return Err(mistake(byte, "the document nests more than 100 levels deep"));
    }
    jaq_json::read::parse_single(document.as_bytes()).map_err(|error| {
        // Its only form is `byte offset N: MESSAGE`.
        let text = error.to_string();
        let (place, message) = text.split_once(": ").unwrap_or(("", &text));
        let byte = place.rsplit(' ').next().and_then(|number| number.parse().ok());
        mistake(byte.unwrap_or(document.len()), message)
    })
}

/// Puts a place and a message together.
pub fn mistake(byte: usize, message: String) -> Mistake {
    Mistake { byte: u32::try_from(byte).unwrap_or(u32::MAX), message }
}

/// The byte at which brackets outside of strings nest too deep.
fn too_deep(document: &str) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in document.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'[' | b'{' if !is_string => depth += 1,
            b']' | b'}' if !is_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(at);
        }
    }
    None
}

/// Writes a value on one line.
pub fn write(value: &Val) -> Result<String, Error> {
    Writer::default().written(value)
}

/// Writes a value: a string as it is, all else as JSON.
pub fn text(value: &Val) -> Result<String, Error> {
    match value {
        Val::TStr(bytes) | Val::BStr(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        other => write(other),
    }
}

/// Writes a value with `indent` spaces a level, or on one line.
pub fn format(value: &Val, indent: Option<u8>) -> Result<String, Error> {
    Writer { indent: indent.map(usize::from), ..Writer::default() }.written(value)
}

/// Text that is being written.
#[derive(Default)]
struct Writer {
    text: String,
    indent: Option<usize>,
    depth: usize,
}

impl Writer {
    fn written(mut self, value: &Val) -> Result<String, Error> {
        self.value(value)?;
        Ok(self.text)
    }

    fn value(&mut self, value: &Val) -> Result<(), Error> {
        match value {
            Val::Null => self.text.push_str("null"),
            Val::Bool(value) => self.text.push_str(if *value { "true" } else { "false" }),
            Val::Num(number) => self.number(&number.to_string()),
            Val::TStr(bytes) | Val::BStr(bytes) => self.string(&String::from_utf8_lossy(bytes)),
            Val::Arr(items) => {
                let items = items.iter().map(|item| (None, item));
                self.members(['[', ']'], items)?;
            }
            Val::Obj(fields) => {
                let fields = fields.iter().map(|(key, value)| (Some(key), value));
                self.members(['{', '}'], fields)?;
            }
        }
        if self.text.len() > MAX_TEXT { Err(Error::TooLarge) } else { Ok(()) }
    }

    fn members<'v>(
        &mut self,
        [open, close]: [char; 2],
        members: impl ExactSizeIterator<Item = (Option<&'v Val>, &'v Val)>,
    ) -> Result<(), Error> {
        let is_empty = members.len() == 0;
        self.text.push(open);
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Error::Failed("a result nests more than 100 levels deep".to_owned()));
        }
        for (number, (key, value)) in members.enumerate() {
            if number > 0 {
                self.text.push(',');
            }
            self.line();
            match key {
                Some(Val::TStr(key)) => {
                    self.string(&String::from_utf8_lossy(key));
                    self.text.push_str(if self.indent.is_some() { ": " } else { ":" });
                }
                Some(_) => return Err(Error::Failed("a result has a key that is no string".to_owned())),
                None => {}
            }
            self.value(value)?;
        }
        self.depth -= 1;
        if !is_empty {
            self.line();
        }
        self.text.push(close);
        Ok(())
    }

    fn line(&mut self) {
        if let Some(indent) = self.indent {
            self.text.push('\n');
            self.text.extend(std::iter::repeat_n(' ', indent * self.depth));
        }
    }

    /// JSON has no NaN and no infinities: jq writes null as well.
    fn number(&mut self, number: &str) {
        let is_finite = number.ends_with(|last: char| last.is_ascii_digit());
        self.text.push_str(if is_finite { number.trim_start_matches('+') } else { "null" });
    }

    fn string(&mut self, string: &str) {
        self.text.push('"');
        for letter in string.chars() {
            match letter {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                control if control < ' ' => self.text += &format!("\\u{:04x}", u32::from(control)),
                other => self.text.push(other),
            }
        }
        self.text.push('"');
    }
}

/// Merges values from the first to the last; null if there are none.
pub fn merge(values: Vec<Val>) -> Val {
    values.into_iter().reduce(merged).unwrap_or_default()
}

fn merged(base: Val, patch: Val) -> Val {
    let Val::Obj(patch) = patch else { return patch };
    let mut fields = match base {
        Val::Obj(fields) => (*fields).clone(),
        _ => Map::default(),
    };
    for (key, value) in patch.iter() {
        if matches!(value, Val::Null) {
            fields.shift_remove(key);
        } else {
            let old = fields.get(key).cloned().unwrap_or_default();
            fields.insert(key.clone(), merged(old, value.clone()));
        }
    }
    Val::obj(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(documents: &[&str]) -> String {
        write(&merge(documents.iter().map(|document| read(document).unwrap()).collect())).unwrap()
    }

    #[test]
    fn documents_come_back_as_they_were() {
        for document in
            [r#"{"b":[1,-2.5,1e300,true,null],"a":"\"\\\n\u0001ä"}"#, "[]", "{}", "12345678901234567890"]
        {
            assert_eq!(write(&read(document).unwrap()).unwrap(), document);
        }
    }

    #[test]
    fn documents_are_indented() {
        let value = read(r#"{"a":[1,{}],"b":[]}"#).unwrap();
        let expected = "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}";
        assert_eq!(format(&value, Some(2)).unwrap(), expected);
    }

    #[test]
    fn later_documents_win_key_by_key() {
        assert_eq!(
            merged(&[r#"{"a":{"b":1,"c":2},"d":[1]}"#, r#"{"a":{"b":null,"e":3},"d":[2]}"#]),
            r#"{"a":{"c":2,"e":3},"d":[2]}"#
        );
        assert_eq!(merged(&["1", "{\"a\":null}"]), "{}");
        assert_eq!(merged(&[]), "null");
    }

    #[test]
    fn whatever_is_no_document_is_an_error() {
        let deep = "[".repeat(100_000);
        for document in ["", "{", "[1", "nul", "\"", "\"\\u12\"", "1 2", "{\"a\" 1}", "-", "]", &deep] {
            assert!(matches!(read(document), Err(Error::Document(_))), "{document}");
        }
        let text = r#"{"a":[1,{"b":"c"}],"d":-1.5e3}"#;
        for end in 0..text.len() {
            assert!(read(&text[..end]).is_err(), "{}", &text[..end]);
        }
    }

    #[test]
    fn place_of_a_mistake_is_told() {
        let Err(Error::Document(mistake)) = read("[1, x]") else { panic!("an error") };
        assert_eq!(mistake.byte, 4);
    }
}
