//! What a command gets from its call: arguments, variables, input and files, each from its parameter.
//! `collect` has what it gives back.

use crate::invoke::Grants;
use crate::model::Limits;
use crate::sandbox::guest::wasi::{CapturedOutput, GuestInput};
use crate::value::wire::{Kind, Malformed, Reader};
use crate::value::{Collected, Command, CommandOutput, Feed, Type, to_json_excerpt};
use bytes::Bytes;
use std::sync::Arc;

/// Maximum length of a number as text, in bytes: no float is longer.
const MAX_NUMBER: usize = 64;

/// A command before it runs.
pub(crate) struct Program {
    /// The command.
    pub(crate) command: Arc<Command>,
    /// Arguments, the program's name first.
    pub(crate) argv: Vec<String>,
    /// Variables, each name once if the task sets it.
    pub(crate) env: Vec<(String, String)>,
    /// Input.
    pub(crate) stdin: GuestInput,
    /// Files of the working directory, by path.
    pub(crate) files: Vec<(Arc<str>, Bytes)>,
    /// Captured output, if the result needs it.
    pub(crate) stdout: Option<CapturedOutput>,
}

/// Reason why an argument cannot be passed on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// The argument is no MessagePack of its type.
    #[error("parameter {0} of the command is malformed: {1}")]
    Malformed(usize, Malformed),
    /// Two files need the same path, or one needs a folder where another is.
    #[error("the file `{0}` of the command has the path of another file, or is below one")]
    Taken(Arc<str>),
    /// A text with a NUL, which would end it.
    #[error("{0} of the command contains a NUL character, which would end it")]
    Nul(String),
}

impl Program {
    /// Distributes the arguments of a call.
    pub(crate) fn new(
        command: &Arc<Command>,
        grants: &Grants,
        args: &[Bytes],
        limits: &Limits,
    ) -> Result<Self, Unfit> {
        let stdout = collects_stdout(&command.output).then(|| CapturedOutput::new(limits.output));
        let mut program = Self {
            command: Arc::clone(command),
            argv: std::iter::once(command.program.to_string()).chain(grants.args.iter().cloned()).collect(),
            env: grants.env.clone(),
            stdin: GuestInput::default(),
            files: Vec::new(),
            stdout,
        };
        for (index, (feed, arg)) in command.feeds.iter().zip(args).enumerate() {
            let malformed = |fault| Unfit::Malformed(index + 1, fault);
            match feed {
                Feed::Arg => {
                    let text = text(arg).map_err(malformed)?;
                    let nth = program.argv.len();
                    program.argv.push(without_nul(text, || format!("argument {nth}"))?);
                }
                Feed::Env(name) => {
                    let text = text(arg).map_err(malformed)?;
                    let value = without_nul(text, || format!("the variable `{name}`"))?;
                    program.env.retain(|(known, _)| **known != **name);
                    program.env.push((name.to_string(), value));
                }
                Feed::Stdin => program.stdin = GuestInput::new(content(arg).map_err(malformed)?),
                Feed::File(path) => {
                    program.files.push((Arc::clone(path), content(arg).map_err(malformed)?));
                }
            }
        }
        Ok(program)
    }
}

fn collects_stdout(output: &CommandOutput) -> bool {
    let is_stdout = |collected: &Collected| match collected {
        Collected::Text | Collected::Bytes | Collected::Json(_) => true,
        Collected::File { .. } | Collected::Files { .. } => false,
    };
    match output {
        CommandOutput::One(collected) => is_stdout(collected),
        CommandOutput::Several(outputs) => outputs.iter().any(|(_, collected)| is_stdout(collected)),
    }
}

fn without_nul(text: String, subject: impl FnOnce() -> String) -> Result<String, Unfit> {
    if text.contains('\0') { Err(Unfit::Nul(subject())) } else { Ok(text) }
}

/// Returns a string, a number or a bool as text, numbers as JSON has them.
fn text(arg: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(arg);
    let float =
        |ty| Ok(to_json_excerpt(&ty, arg, MAX_NUMBER).unwrap_or_default().trim_matches('"').to_owned());
    let text = match reader.peek()? {
        Kind::Bool => reader.bool()?.to_string(),
        Kind::Int => reader.int()?.to_string(),
        Kind::F32 => return float(Type::F32),
        Kind::F64 => return float(Type::F64),
        Kind::Str | Kind::Nil | Kind::Bin | Kind::Array | Kind::Map | Kind::Ext => reader.str()?.to_owned(),
    };
    reader.finish()?;
    Ok(text)
}

/// Returns the bytes of a string or `list<u8>`, without a copy.
fn content(arg: &Bytes) -> Result<Bytes, Malformed> {
    let mut reader = Reader::new(arg);
    let len = match reader.peek()? {
        Kind::Bin => reader.bin()?.len(),
        _ => reader.str()?.len(), // nothing else has bytes
    };
    reader.finish()?;
    Ok(arg.slice(arg.len() - len..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::testing::value;

    #[test]
    fn content_is_a_part_of_the_argument() {
        for arg in [value("string", "\"abc\""), value("list<u8>", "[97, 98, 99]")] {
            let content = content(&arg).unwrap();
            assert_eq!(&*content, b"abc");
            assert_eq!(content.as_ptr(), arg.last_chunk::<3>().unwrap().as_ptr(), "nothing was copied");
        }
        assert!(content(&value("u8", "1")).is_err());
        assert!(content(&Bytes::from_static(b"\xa1ab")).is_err(), "bytes behind it");
    }

    #[test]
    fn scalars_are_texts_as_json_has_them() {
        for (ty, json, shown) in [
            ("s64", "-7", "-7"),
            ("u64", "18446744073709551615", "18446744073709551615"),
            ("f64", "0.1", "0.1"),
            ("f32", "0.1", "0.1"),
            ("f64", "1e300", "1e+300"),
            ("f32", "\"-Infinity\"", "-Infinity"),
            ("f64", "\"NaN\"", "NaN"),
            ("bool", "true", "true"),
            ("string", "\"\\\"a\\\"\"", "\"a\""),
        ] {
            assert_eq!(text(&value(ty, json)).unwrap(), shown, "{ty}");
        }
        assert!(text(&value("list<u8>", "[1]")).is_err());
    }
}
