//! Commands: what a program takes and gives, as the parameters and the result of a function.
//! `plan` types them as it types any function; `sandbox` feeds the program and collects what it wrote.

use crate::value::{Field, ResultType, Signature, Type};
use std::sync::Arc;

/// A program as a function: where each parameter goes, and what the result consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Name of the program, its `argv[0]`.
    pub program: Arc<str>,
    /// Target of each parameter, in the order of the parameters.
    pub feeds: Vec<Feed>,
    /// Result of the program.
    pub output: CommandOutput,
    /// Statuses that mean success.
    pub ok_status: Vec<u8>,
}

/// What a parameter becomes for the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// The next argument: a string, a number or a bool, as text.
    Arg,
    /// Standard input: a string or `list<u8>`.
    Stdin,
    /// The environment variable of that name: a string.
    Env(Arc<str>),
    /// The file at that path, relative to the working directory: a string or `list<u8>`.
    File(Arc<str>),
}

/// Result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutput {
    /// One value: `output`.
    One(Collected),
    /// A record of several: `outputs`.
    Several(Vec<(Arc<str>, Collected)>),
}

/// A value that is collected when the program has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// Standard output, as `string`.
    Text,
    /// Standard output, as `list<u8>`.
    Bytes,
    /// Standard output, parsed as the JSON of that type.
    Json(Type),
    /// A file, relative to the working directory: `list<u8>`, or `string`.
    File {
        /// Its path.
        path: Arc<str>,
        /// Whether the file is collected as a `string`.
        is_text: bool,
    },
    /// All files that match a pattern: a list of `record { name: string, content: list<u8> }`.
    Files {
        /// The pattern.
        pattern: Arc<str>,
        /// Whether `content` is a `string`.
        is_text: bool,
    },
}

impl Command {
    /// Returns the signature of the command as a function, for parameters of the given names and types.
    #[must_use]
    pub fn signature(&self, params: Vec<(Arc<str>, Type)>) -> Signature {
        let sides = ResultType { ok: Some(self.output.ty()), err: Some(Self::error_type()) };
        Signature { params, result: Some(Type::Result(Arc::new(sides))) }
    }

    /// Returns the type of the error of a program that failed: `record { status: option<u8>, stderr: string }`.
    #[must_use]
    pub fn error_type() -> Type {
        record([("status", Type::Option(Arc::new(Type::U8))), ("stderr", Type::String)])
    }
}

impl CommandOutput {
    /// Returns the type of the result.
    #[must_use]
    pub fn ty(&self) -> Type {
        match self {
            Self::One(collected) => collected.ty(),
            Self::Several(outputs) => record(outputs.iter().map(|(name, part)| (&**name, part.ty()))),
        }
    }
}

impl Collected {
    /// Returns the type of the value.
    #[must_use]
    pub fn ty(&self) -> Type {
        let content = |is_text| if is_text { Type::String } else { bytes() };
        match self {
            Self::Text => Type::String,
            Self::Bytes => bytes(),
            Self::Json(ty) => ty.clone(),
            Self::File { is_text, .. } => content(*is_text),
            Self::Files { is_text, .. } => {
                let file = record([("name", Type::String), ("content", content(*is_text))]);
                Type::List(Arc::new(file))
            }
        }
    }
}

fn bytes() -> Type {
    Type::List(Arc::new(Type::U8))
}

fn record<'a>(fields: impl IntoIterator<Item = (&'a str, Type)>) -> Type {
    Type::Record(fields.into_iter().map(|(name, ty)| Field { name: name.into(), ty }).collect())
}
