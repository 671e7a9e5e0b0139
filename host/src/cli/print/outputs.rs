//! Prints results on stdout as JSON, MessagePack or raw bytes: outputs of a run, and stored results.
//! The engine and the ledger supply the results.

use crate::cli::print::untyped::Untyped;
use crate::cli::process::Reader;
use crate::engine::OutputValue;
use crate::model::{nearest, shortlist};
use crate::value::wire::Kind;
use crate::value::{Type, Typed, wire};
use bytes::Bytes;
use serde::Serialize;
use serde::ser::SerializeMap as _;

/// The format of results, chosen by `-o`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// One JSON object.
    #[default]
    Json,
    /// One MessagePack map.
    Msgpack,
    /// The bytes of one string or list<u8>.
    Raw,
}

/// The layout of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Indented by two spaces.
    Pretty,
    /// On one line.
    Line,
}

impl From<Reader> for Layout {
    fn from(reader: Reader) -> Self {
        match reader {
            Reader::Person => Self::Pretty,
            Reader::Program => Self::Line,
        }
    }
}

/// Rendered outputs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// The bytes for stdout.
    pub(crate) bytes: Vec<u8>,
    /// The lines for stderr: each output that is left out, and why.
    pub(crate) left_out: Vec<String>,
}

/// The reason why results cannot be printed as requested.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutputFault {
    /// `--output` names an unknown output.
    #[error("there is no output `{name}`")]
    Unknown {
        /// The requested name.
        name: String,
        /// The existing names.
        known: Vec<String>,
    },
    /// `raw` needs exactly one output.
    #[error("`-o raw` prints exactly one output, but there are {}", known.len())]
    NotOne {
        /// The existing names.
        known: Vec<String>,
    },
    /// `raw` needs exactly one task.
    #[error("`-o raw` prints the result of exactly one task, but the run has {tasks}")]
    NotOneTask {
        /// The number of tasks with a result.
        tasks: usize,
    },
    /// `raw` needs a string or bytes.
    #[error("`-o raw` prints a string or list<u8>, but `{name}` is {ty}")]
    NotBytes {
        /// The output's or task's name.
        name: String,
        /// The output's type, or the kind of the stored value.
        ty: String,
    },
    /// A stored value does not match its type.
    #[error("the stored value of `{name}` cannot be read")]
    Malformed {
        /// The output's or task's name.
        name: String,
        /// The error of reading it.
        source: Unreadable,
    },
}

/// The error of reading a stored value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(String);

impl OutputFault {
    /// Returns the help text, if there is one.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { known, .. } | Self::NotOne { known } if known.is_empty() => None,
            Self::Unknown { name, known } => {
                let names = || known.iter().map(String::as_str);
                let meant = nearest(name, names()).map(|meant| format!("did you mean `{meant}`? "));
                let list = shortlist(name, names());
                Some(format!("{}the outputs are {list}", meant.unwrap_or_default()))
            }
            Self::NotOne { known } => {
                let list = shortlist("", known.iter().map(String::as_str));
                Some(format!("choose one with `--output NAME`: {list}"))
            }
            Self::NotOneTask { .. } => Some("name a task: `output RUN TASK`".to_owned()),
            Self::NotBytes { .. } => Some("use `-o json` or `-o msgpack`".to_owned()),
            Self::Malformed { .. } => Some(
                "the state backend holds a changed or damaged value; run again with the same id and `--fresh`"
                    .to_owned(),
            ),
        }
    }
}

/// Refuses, before anything runs, outputs that could not be printed afterwards. `outputs` are those of the plan.
pub(crate) fn check(
    outputs: &[(&str, &Type)],
    name: Option<&str>,
    format: Format,
) -> Result<(), OutputFault> {
    let known = || outputs.iter().map(|(output, _)| (*output).to_owned()).collect();
    let mut chosen = outputs.iter().filter(|(output, _)| name.is_none_or(|name| name == *output));
    let (first, second) = (chosen.next(), chosen.next());
    match (name, first, second, format) {
        (Some(name), None, _, _) => Err(OutputFault::Unknown { name: name.to_owned(), known: known() }),
        (_, _, _, Format::Json | Format::Msgpack) => Ok(()),
        (_, Some((_, ty)), None, Format::Raw) if is_bytes(ty) => Ok(()),
        (_, Some((output, ty)), None, Format::Raw) => Err(not_bytes(output, &type_text(ty))),
        (_, _, _, Format::Raw) => Err(OutputFault::NotOne { known: known() }),
    }
}

/// Returns the output that `--output` names, or all of them.
pub(crate) fn choose(
    outputs: Vec<(String, OutputValue)>,
    name: Option<&str>,
) -> Result<Vec<(String, OutputValue)>, OutputFault> {
    let Some(name) = name else {
        return Ok(outputs);
    };
    let known = outputs.iter().map(|(name, _)| name.clone()).collect();
    let chosen: Vec<_> = outputs.into_iter().filter(|(output, _)| output == name).collect();
    if chosen.is_empty() {
        return Err(OutputFault::Unknown { name: name.to_owned(), known });
    }
    Ok(chosen)
}

/// Renders the outputs of a run: one object or map, or the bytes of the only output.
pub(crate) fn render(
    outputs: &[(String, OutputValue)],
    format: Format,
    layout: Layout,
) -> Result<Rendered, OutputFault> {
    let mut left_out = Vec::new();
    let mut values = Vec::with_capacity(outputs.len());
    for (name, output) in outputs {
        match output {
            OutputValue::Value(ty, bytes) => values.push((name.as_str(), Value { ty: Some(ty), bytes })),
            OutputValue::Skipped(reason) => left_out.push(format!("output `{name}` is left out: {reason}")),
            OutputValue::Missing(why) => left_out.push(format!("output `{name}` is left out: {why}")),
            OutputValue::Faulty(why) => left_out.push(format!("output `{name}` is left out: {}", why.error)),
        }
    }
    let bytes = match format {
        Format::Json => json_object(&values, layout)?,
        Format::Msgpack => msgpack_map(&values)?,
        Format::Raw if outputs.len() != 1 => {
            return Err(OutputFault::NotOne {
                known: outputs.iter().map(|(name, _)| name.clone()).collect(),
            });
        }
        Format::Raw => match values.first() {
            Some((name, value)) => value.raw(name)?,
            None => Vec::new(), // the only output is left out, as reported on stderr
        },
    };
    Ok(Rendered { bytes, left_out })
}

/// Renders stored results by task, as one object or map. Their types are not known.
pub(crate) fn render_stored(
    results: &[(String, Bytes)],
    format: Format,
    layout: Layout,
) -> Result<Vec<u8>, OutputFault> {
    let values: Vec<_> =
        results.iter().map(|(name, bytes)| (name.as_str(), Value { ty: None, bytes })).collect();
    match format {
        Format::Json => json_object(&values, layout),
        Format::Msgpack => msgpack_map(&values),
        Format::Raw => match &*values {
            [(name, value)] => value.raw(name),
            values => Err(OutputFault::NotOneTask { tasks: values.len() }),
        },
    }
}

/// Renders one stored result, for `output RUN TASK`.
pub(crate) fn render_one(
    name: &str,
    bytes: &Bytes,
    format: Format,
    layout: Layout,
) -> Result<Vec<u8>, OutputFault> {
    let value = Value { ty: None, bytes };
    match format {
        Format::Json => json(&value, layout).map_err(|error| malformed(name, &error)),
        Format::Msgpack => value.check_one_value(name).map(|()| bytes.to_vec()),
        Format::Raw => value.raw(name),
    }
}

/// A value with its type, if known.
#[derive(Clone, Copy)]
struct Value<'a> {
    ty: Option<&'a Type>,
    bytes: &'a [u8],
}

impl Serialize for Value<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.ty {
            Some(ty) => Typed::new(ty, self.bytes).serialize(serializer),
            None => Untyped::new(self.bytes).serialize(serializer),
        }
    }
}

impl Value<'_> {
    /// Fails unless the bytes are exactly one MessagePack value: other programs may have written them.
    fn check_one_value(&self, name: &str) -> Result<(), OutputFault> {
        let mut reader = wire::Reader::new(self.bytes);
        reader.skip().and_then(|()| reader.finish()).map_err(|fault| malformed(name, &fault))
    }

    /// Returns the bytes of a string or list<u8>.
    fn raw(&self, name: &str) -> Result<Vec<u8>, OutputFault> {
        self.check_one_value(name)?;
        let mut reader = wire::Reader::new(self.bytes);
        let kind = reader.peek().map_err(|fault| malformed(name, &fault))?;
        match self.ty {
            Some(ty) if is_bytes(ty) => {}
            Some(ty) => return Err(not_bytes(name, &type_text(ty))),
            None if matches!(kind, Kind::Str | Kind::Bin) => {}
            None => return Err(not_bytes(name, &kind)),
        }
        let bytes = match kind {
            Kind::Str => reader.str().map(str::as_bytes),
            _ => reader.bin(), // the reader's error names the other kind
        };
        bytes.map(<[u8]>::to_vec).map_err(|fault| malformed(name, &fault))
    }
}

fn is_bytes(ty: &Type) -> bool {
    match ty {
        Type::String => true,
        Type::List(element) => **element == Type::U8,
        _ => false, // no other type is text or bytes
    }
}

fn type_text(ty: &Type) -> String {
    format!("of type {ty}")
}

fn not_bytes(name: &str, ty: &dyn std::fmt::Display) -> OutputFault {
    OutputFault::NotBytes { name: name.to_owned(), ty: ty.to_string() }
}

fn malformed(name: &str, fault: &dyn std::fmt::Display) -> OutputFault {
    OutputFault::Malformed { name: name.to_owned(), source: Unreadable(fault.to_string()) }
}

/// Writes names and values in order. On failure, names the first unreadable value.
fn json_object(values: &[(&str, Value<'_>)], layout: Layout) -> Result<Vec<u8>, OutputFault> {
    json(&Object(values), layout).map_err(|error| {
        let unreadable =
            values.iter().find(|(_, value)| serde_json::to_writer(std::io::sink(), value).is_err());
        malformed(unreadable.map_or("", |(name, _)| name), &error)
    })
}

struct Object<'a>(&'a [(&'a str, Value<'a>)]);

impl Serialize for Object<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn json(value: &impl Serialize, layout: Layout) -> serde_json::Result<Vec<u8>> {
    let mut text = match layout {
        Layout::Pretty => serde_json::to_vec_pretty(value)?,
        Layout::Line => serde_json::to_vec(value)?,
    };
    text.push(b'\n');
    Ok(text)
}

fn msgpack_map(values: &[(&str, Value<'_>)]) -> Result<Vec<u8>, OutputFault> {
    let mut map = Vec::new();
    wire::put_map_len(&mut map, values.len());
    for (name, value) in values {
        value.check_one_value(name)?;
        wire::put_str(&mut map, name);
        map.extend(value.bytes);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SkipReason;

    fn value(ty: &str, bytes: &[u8]) -> OutputValue {
        OutputValue::Value(Type::parse(ty).unwrap(), Bytes::copy_from_slice(bytes))
    }

    fn outputs() -> Vec<(String, OutputValue)> {
        vec![
            ("top".into(), value("list<tuple<string, u32>>", b"\x91\x92\xa3the\x02")),
            ("blob".into(), value("list<u8>", b"\xc4\x02\xff\x00")),
            ("gone".into(), OutputValue::Skipped(SkipReason::Pruned)),
        ]
    }

    fn only(name: &str) -> Vec<(String, OutputValue)> {
        choose(outputs(), Some(name)).unwrap()
    }

    #[test]
    fn json_is_one_object_in_order() {
        let rendered = render(&outputs(), Format::Json, Layout::Line).unwrap();
        assert_eq!(rendered.bytes, b"{\"top\":[[\"the\",2]],\"blob\":\"/wA=\"}\n");
        assert_eq!(rendered.left_out, ["output `gone` is left out: Pruned"]);
    }

    #[test]
    fn json_for_people_is_indented() {
        let rendered = render(&only("blob"), Format::Json, Layout::Pretty).unwrap();
        assert_eq!(rendered.bytes, b"{\n  \"blob\": \"/wA=\"\n}\n");
    }

    #[test]
    fn msgpack_is_one_map() {
        let rendered = render(&only("blob"), Format::Msgpack, Layout::Line).unwrap();
        assert_eq!(rendered.bytes, b"\x81\xa4blob\xc4\x02\xff\x00");
    }

    #[test]
    fn raw_is_the_bytes_of_one_output() {
        assert_eq!(render(&only("blob"), Format::Raw, Layout::Line).unwrap().bytes, [0xff, 0]);
        let text = [("text".to_owned(), value("string", b"\xa2hi"))];
        assert_eq!(render(&text, Format::Raw, Layout::Line).unwrap().bytes, b"hi");
        assert_eq!(render(&only("gone"), Format::Raw, Layout::Line).unwrap().bytes, b"");
    }

    #[test]
    fn output_faults_have_a_cause_and_help() {
        let faults = [
            render(&outputs(), Format::Raw, Layout::Line).unwrap_err(),
            render(&only("top"), Format::Raw, Layout::Line).unwrap_err(),
            choose(outputs(), Some("tip")).unwrap_err(),
            render_stored(&[], Format::Raw, Layout::Line).unwrap_err(),
            render(&[("x".into(), value("u8", b"\xa1a"))], Format::Json, Layout::Line).unwrap_err(),
        ];
        let shown: Vec<String> =
            faults.iter().map(|fault| format!("{fault}; {}", fault.help().unwrap_or_default())).collect();
        assert_eq!(
            shown,
            [
                "`-o raw` prints exactly one output, but there are 3; choose one with `--output NAME`: top, blob, gone",
                "`-o raw` prints a string or list<u8>, but `top` is of type list<tuple<string, u32>>; \
                 use `-o json` or `-o msgpack`",
                "there is no output `tip`; did you mean `top`? the outputs are top, blob, gone",
                "`-o raw` prints the result of exactly one task, but the run has 0; name a task: `output RUN TASK`",
                "the stored value of `x` cannot be read; the state backend holds a changed or damaged value; run again \
                 with the same id and `--fresh`",
            ]
        );
    }

    #[test]
    fn unprintable_outputs_are_refused_before_the_run() {
        let (text, number) = (Type::String, Type::U32);
        let outputs = [("text", &text), ("number", &number)];
        assert_eq!(check(&outputs, None, Format::Json), Ok(()));
        assert_eq!(check(&[], None, Format::Msgpack), Ok(()));
        assert_eq!(check(&outputs, Some("text"), Format::Raw), Ok(()));
        for (name, format) in
            [(None, Format::Raw), (Some("number"), Format::Raw), (Some("tip"), Format::Json)]
        {
            assert!(check(&outputs, name, format).is_err(), "{name:?}");
        }
    }

    #[test]
    fn stored_results_are_printed_without_types() {
        let results = [
            ("a".to_owned(), Bytes::from_static(b"\x81\xa1x\x01")),
            ("b".to_owned(), Bytes::from_static(b"\xc4\x01\xff")),
        ];
        let json = render_stored(&results, Format::Json, Layout::Line).unwrap();
        assert_eq!(json, b"{\"a\":{\"x\":1},\"b\":\"/w==\"}\n");
        let (name, bytes) = &results[1];
        assert_eq!(render_one(name, bytes, Format::Json, Layout::Line).unwrap(), b"\"/w==\"\n");
        assert_eq!(render_one(name, bytes, Format::Raw, Layout::Line).unwrap(), [0xff]);
        assert_eq!(render_one(name, bytes, Format::Msgpack, Layout::Line).unwrap(), b"\xc4\x01\xff");
    }

    #[test]
    fn damaged_result_is_an_error_in_every_format() {
        for damaged in [&b"\xa5ab"[..], b"\xa1\xff", b"\xa1aa", b"\xc1", b""] {
            let damaged = Bytes::copy_from_slice(damaged);
            for format in [Format::Json, Format::Msgpack, Format::Raw] {
                let one = render_one("a", &damaged, format, Layout::Line);
                let all = render_stored(&[("a".to_owned(), damaged.clone())], format, Layout::Line);
                for fault in [one.unwrap_err(), all.unwrap_err()] {
                    assert!(matches!(fault, OutputFault::Malformed { .. }), "{fault}");
                }
            }
        }
    }
}
