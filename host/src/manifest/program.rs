//! The syntax tree of what a task runs: a function, a built-in task, a component as a program, or the tasks of another
//! manifest. `call`, `builtin`, `command` and `pipeline` read it; `graph` inlines manifests.

use crate::model::{FilePath, FilePattern, Name, Spanned};
use std::path::PathBuf;

/// Code that a task runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `call`: a function.
    Call(Call),
    /// `call`: a built-in task.
    Builtin(BuiltinCall),
    /// `command`: a program.
    Command(Box<Command>),
    /// `manifest`: the tasks of another manifest.
    Manifest(Included),
}

/// Another manifest, whose tasks are those of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// `manifest`, joined to the folder of the manifest that has it.
    pub path: PathBuf,
    /// `manifest` as it is written.
    pub written: String,
}

/// `std.function`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltinCall {
    /// The name after `std.`.
    pub function: String,
    /// `type`: the type of the result, as unparsed WIT text.
    pub ty: Option<Spanned<String>>,
}

/// `component.function`, or `component#interface.function`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The component's name.
    pub component: String,
    /// The interface, in the long form.
    pub interface: Option<String>,
    /// The function's name.
    pub function: String,
}

/// A component as a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// `command`: the component's name.
    pub component: String,
    /// What the program is given, in the order of the task's `args`.
    pub feeds: Vec<Feed>,
    /// `output` or `outputs`.
    pub output: CommandOutput,
    /// `ok-status`, in ascending order without duplicates.
    pub ok_status: Vec<u8>,
}

/// What a value becomes for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// An element of `args`.
    Arg,
    /// `stdin`.
    Stdin,
    /// A variable of `env`.
    Env(String),
    /// A file of `files`.
    File(FilePath),
}

/// The result of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandOutput {
    /// `output`.
    One(Collected),
    /// `outputs`, in the order of the text.
    Several(Vec<(Name, Collected)>),
}

/// A value that is collected when a program has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// `"text"`: standard output as text.
    Text,
    /// `"bytes"`: standard output as bytes.
    Bytes,
    /// `"json"` or `{ json = "TYPE" }`: standard output as JSON of a type, as unparsed WIT text.
    Json(Spanned<String>),
    /// `{ file = "PATH", text = true }`.
    File {
        /// `file`.
        path: FilePath,
        /// `text`.
        is_text: bool,
    },
    /// `{ files = "PATTERN", text = true }`.
    Files {
        /// `files`.
        pattern: FilePattern,
        /// `text`.
        is_text: bool,
    },
}

impl Action {
    /// Returns the name of the component; none for a built-in task and for a pipeline.
    #[must_use]
    pub fn component(&self) -> Option<&str> {
        match self {
            Self::Call(call) => Some(&call.component),
            Self::Command(command) => Some(&command.component),
            Self::Builtin(_) | Self::Manifest(_) => None,
        }
    }

    /// Returns the included manifest, if it is one.
    #[must_use]
    pub const fn included(&self) -> Option<&Included> {
        match self {
            Self::Manifest(included) => Some(included),
            Self::Call(_) | Self::Builtin(_) | Self::Command(_) => None,
        }
    }

    /// Returns the command, if it is one.
    #[must_use]
    pub const fn command(&self) -> Option<&Command> {
        match self {
            Self::Call(_) | Self::Builtin(_) | Self::Manifest(_) => None,
            Self::Command(command) => Some(command),
        }
    }
}
