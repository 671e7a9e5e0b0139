//! Parses the params of the user: `-p NAME=VALUE`, and params files.
//! Converts texts to literals by the param's type. `plan` fits them to it.

use crate::config::{as_text, explain_toml, read_input, read_text};
use crate::model::{Datum, without_mark};
use crate::plan::Supplied;
use crate::value::Type;
use rmp_serde::Serializer;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The params of a run: texts from a command line, and values from a program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    /// `NAME=VALUE`, in order; only paths may be other than UTF-8.
    pub pairs: Vec<OsString>,
    /// A params file.
    pub file: Option<PathBuf>,
    /// Values by name; the last one of a name counts.
    pub values: Vec<(String, Supplied)>,
}

/// The reason why a text is not a value. The text may be a secret, and is never quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct TextFault {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl TextFault {
    fn new(message: String) -> Self {
        Self { message, help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Converts a Rust value to a literal, by way of MessagePack, which keeps bytes and NaN.
pub(crate) fn to_datum(value: impl Serialize) -> Result<Datum, SerdeFault> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::new(&mut bytes).with_struct_map())?;
    Ok(rmp_serde::from_slice(&bytes)?)
}

/// The error of converting a Rust value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SerdeFault {
    /// The value's own `Serialize` failed.
    #[error(transparent)]
    Encode(#[from] rmp_serde::encode::Error),
    /// No literal has the form of the value, such as a map whose keys are not strings.
    #[error(transparent)]
    Decode(#[from] rmp_serde::decode::Error),
}

/// Splits `NAME=VALUE`.
pub(crate) fn split(pair: &OsStr) -> Result<(&str, &OsStr), TextFault> {
    let mut parts = pair.as_bytes().splitn(2, |byte| *byte == b'=').map(OsStr::from_bytes);
    let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
        let fault = TextFault::new("`-p` takes `NAME=VALUE`, but this argument has no `=`".to_owned());
        return Err(fault.help("write `-p name=value`; quote it if the value has spaces"));
    };
    let not_utf8 = || TextFault::new("the name of a `-p` param is not UTF-8 text".to_owned());
    Ok((name.to_str().ok_or_else(not_utf8)?, value))
}

/// Returns the param and the file of a `NAME=@FILE`.
pub(crate) fn file_of(pair: &OsStr) -> Option<(&str, &Path)> {
    let (name, text) = split(pair).ok()?;
    Some((name, file(text)?))
}

/// Returns the file of an `@FILE`; `@@` escapes an `@`.
fn file(text: &OsStr) -> Option<&Path> {
    let path = text.as_bytes().strip_prefix(b"@").filter(|path| !path.starts_with(b"@"))?;
    Some(Path::new(OsStr::from_bytes(path)))
}

/// Parses a text as the value of a param of type `ty`.
pub(crate) fn value(ty: &Type, text: &OsStr) -> Result<Supplied, TextFault> {
    if let Some(path) = file(text) {
        return content(ty, path);
    }
    let text = text.to_str().ok_or_else(|| {
        let fault = TextFault::new("the value is not UTF-8 text".to_owned());
        fault.help("write it to a file, and pass `@FILE`")
    })?;
    literal(ty, text.strip_prefix('@').unwrap_or(text)) // the second `@` of two stays
}

/// Parses a literal: JSON, except for strings, chars and enums, which are taken as they are.
fn literal(ty: &Type, text: &str) -> Result<Supplied, TextFault> {
    if is_text(ty) {
        return Ok(Supplied::Datum(Datum::Text(text.to_owned())));
    }
    let datum = serde_json::from_str(without_mark(text)).map_err(|error| {
        let fault = TextFault::new(format!(
            "the value is not JSON, which the type `{ty}` requires: {}",
            line_and_column(&error)
        ));
        fault.help(example(ty))
    })?;
    Ok(Supplied::Datum(datum))
}

/// Reads a file: bytes and text unchanged, even a byte order mark; other types as JSON.
fn content(ty: &Type, path: &Path) -> Result<Supplied, TextFault> {
    let unreadable = |error: std::io::Error| {
        let fault = TextFault::new(format!("cannot read `{}`: {error}", path.display()));
        fault.help("a value that begins with `@` names a file; write `@@` for a literal `@`")
    };
    let text = |bytes| {
        as_text(bytes).map_err(|error| TextFault::new(format!("cannot read `{}`: {error}", path.display())))
    };
    let bytes = read_input(path).map_err(unreadable)?;
    if is_text(ty) || is_bytes(ty) {
        if !matches!(ty, Type::Char | Type::Enum(_)) {
            return Ok(Supplied::Content(bytes));
        }
        return Ok(Supplied::Datum(Datum::Text(text(bytes)?.trim_end_matches(['\r', '\n']).to_owned())));
    }
    let datum = serde_json::from_str(&text(bytes)?).map_err(|error| {
        TextFault::new(format!("`{}` is not JSON: {}", path.display(), line_and_column(&error)))
    })?;
    Ok(Supplied::Datum(datum))
}

const fn is_text(ty: &Type) -> bool {
    matches!(ty, Type::String | Type::Char | Type::Enum(_))
}

fn is_bytes(ty: &Type) -> bool {
    matches!(ty, Type::List(element) if **element == Type::U8)
}

/// Returns the position of a JSON error, without quoting the text.
fn line_and_column(error: &serde_json::Error) -> String {
    format!("line {} column {}", error.line(), error.column())
}

/// Returns an example value of the type, as typed on a command line.
fn example(ty: &Type) -> String {
    let json = sample(ty);
    if json.contains(['"', '[', '{']) {
        format!("for example '{json}', in quotes for the shell")
    } else {
        format!("for example {json}")
    }
}

/// Returns an example value of the type, as JSON.
fn sample(ty: &Type) -> String {
    match ty {
        Type::Bool => "true".to_owned(),
        Type::Char | Type::String => "\"a\"".to_owned(),
        Type::List(element) if **element == Type::U8 => "\"AQI=\"".to_owned(),
        Type::List(element) => format!("[{}]", sample(element)),
        Type::Map(map) if map.key == Type::Bool => format!("[[true, {}]]", sample(&map.value)),
        Type::Map(map) => {
            let key = sample(&map.key);
            format!("{{\"{}\": {}}}", key.trim_matches('"'), sample(&map.value))
        }
        Type::Tuple(types) => format!("[{}]", types.iter().map(sample).collect::<Vec<_>>().join(", ")),
        Type::Record(fields) => {
            let fields = fields.iter().map(|field| format!("\"{}\": {}", field.name, sample(&field.ty)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Type::Option(some) => sample(some),
        Type::Enum(names) => format!("\"{}\"", names.first().map_or("", |name| name)),
        Type::Flags(names) => format!("[\"{}\"]", names.first().map_or("", |name| name)),
        Type::Variant(cases) => cases.first().map_or_else(String::new, |case| match &case.ty {
            Some(ty) => format!("{{\"{}\": {}}}", case.name, sample(ty)),
            None => format!("\"{}\"", case.name),
        }),
        Type::Result(sides) => {
            format!("{{\"ok\": {}}}", sides.ok.as_ref().map_or_else(|| "null".to_owned(), sample))
        }
        Type::F32 | Type::F64 => "1.5".to_owned(),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => {
            "12".to_owned()
        }
    }
}

/// Reads a params file: a TOML table, or a JSON object if the name ends in `.json`.
pub(crate) fn read_file(path: &Path) -> Result<Vec<(String, Datum)>, TextFault> {
    let shown = path.display();
    let text = read_text(path).map_err(|error| TextFault::new(format!("cannot read `{shown}`: {error}")))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let datum: Datum = if is_json {
        serde_json::from_str(&text)
            .map_err(|error| TextFault::new(format!("`{shown}` is not JSON: {}", line_and_column(&error))))?
    } else {
        toml::from_str(&text).map_err(|error| {
            let (line, message) = explain_toml(&text, &error);
            TextFault::new(format!("`{shown}` is not TOML: line {line}: {message}"))
        })?
    };
    match datum {
        Datum::Table(entries) => Ok(entries),
        other => {
            Err(TextFault::new(format!("`{shown}` holds {}, not an object of params by name", other.kind())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn supplied(ty: &str, text: &str) -> Result<Supplied, String> {
        value(&Type::parse(ty).unwrap(), text.as_ref()).map_err(|fault| fault.message)
    }

    fn datum(ty: &str, text: &str) -> Datum {
        match supplied(ty, text).unwrap() {
            Supplied::Datum(datum) => datum,
            Supplied::Content(_) | Supplied::Encoded(_) => panic!("content"),
        }
    }

    #[test]
    fn strings_are_taken_as_they_are_and_other_types_as_json() {
        assert_eq!(datum("string", "12"), Datum::Text("12".into()));
        assert_eq!(datum("enum { a, b }", "a"), Datum::Text("a".into()));
        assert_eq!(datum("string", "@@home"), Datum::Text("@home".into()));
        assert_eq!(datum("u32", "12"), Datum::Int(12));
        assert_eq!(datum("list<u8>", "[1]"), Datum::Array(vec![Datum::Int(1)]));
        assert_eq!(datum("option<string>", "null"), Datum::Null);
    }

    #[test]
    fn examples_have_their_type() {
        for ty in [
            "list<string>",
            "record { a: option<u8>, b: tuple<f64, char> }",
            "variant { x(s8), y }",
            "result<_, u8>",
        ] {
            let ty = Type::parse(ty).unwrap();
            let datum: Datum = serde_json::from_str(&sample(&ty)).unwrap();
            assert!(crate::value::encode(&ty, &datum).is_ok(), "{ty}: {}", sample(&ty));
        }
    }

    #[test]
    fn invalid_json_is_rejected_without_quoting_it() {
        let message = supplied("u32", "hunter2").unwrap_err();
        assert!(message.contains("u32") && !message.contains("hunter2"), "{message}");
    }

    #[test]
    fn files_are_content_for_strings_and_bytes_and_json_for_other_types() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"[1, 2]\n").unwrap();
        let argument = format!("@{}", file.path().display());
        assert!(
            matches!(supplied("string", &argument).unwrap(), Supplied::Content(bytes) if bytes == b"[1, 2]\n")
        );
        assert!(matches!(supplied("list<u8>", &argument).unwrap(), Supplied::Content(_)));
        assert_eq!(datum("list<u32>", &argument), Datum::Array(vec![Datum::Int(1), Datum::Int(2)]));
        assert!(supplied("string", "@/nonexistent").unwrap_err().contains("cannot read"));
    }

    #[test]
    fn params_files_are_toml_or_json() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("p.toml", "a = 1\nb = [true]\n"), ("p.json", r#"{"a": 1, "b": [true]}"#)] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let entries = read_file(&path).unwrap();
            assert_eq!(entries[0], ("a".into(), Datum::Int(1)), "{name}");
            assert_eq!(entries[1], ("b".into(), Datum::Array(vec![Datum::Bool(true)])), "{name}");
        }
    }
}
