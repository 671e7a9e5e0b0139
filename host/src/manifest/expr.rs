//! Values of a manifest as data: literals, references, and arrays and tables of both.
//! `reference` reads them, and `graph` resolves their names.

use crate::model::{Datum, InputPattern, Path, Spanned};
use std::path::PathBuf;

/// An expression: any place where a value is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal without references.
    Literal(Datum),
    /// An array that contains a reference.
    Array(Vec<Spanned<Expr>>),
    /// A table that contains a reference; keys are unique.
    Table(Vec<(Spanned<String>, Spanned<Expr>)>),
    /// A reference table.
    Reference(Box<Reference>),
    /// A value with a reported fault, and its readable parts, so that names in them are still resolved.
    Faulty(Vec<Spanned<Expr>>),
}

/// The value of `{ run = … }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunValue {
    /// The ending of the run.
    Status,
    /// The tasks and elements that have failed.
    Failures,
    /// The run's id.
    Id,
}

impl RunValue {
    /// All of them, with their words.
    pub const ALL: [(&str, Self); 3] =
        [("status", Self::Status), ("failures", Self::Failures), ("id", Self::Id)];

    /// Returns the word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Failures => "failures",
            Self::Id => "id",
        }
    }
}

/// A reference table.
#[derive(Debug, Clone, PartialEq)]
pub enum Reference {
    /// `{ task = …, path = …, default = … }`.
    Task {
        /// The task's name.
        task: Spanned<String>,
        /// The path into its output; the root by default.
        path: Path,
        /// The value if the task was skipped or the path misses.
        default: Option<Spanned<Datum>>,
    },
    /// `{ param = …, path = … }`.
    Param {
        /// The param's name.
        param: Spanned<String>,
        /// The path into its value.
        path: Path,
    },
    /// `{ item = …, path = … }`.
    Item {
        /// The item's name in the task's `for-each`.
        item: Spanned<String>,
        /// The path into the element.
        path: Path,
    },
    /// `{ env = …, default = …, secret = … }`.
    Env {
        /// The variable's name.
        name: Spanned<String>,
        /// The value if the variable is unset.
        default: Option<Spanned<Datum>>,
        /// Whether the value is never shown.
        is_secret: bool,
    },
    /// `{ file = … }`, joined to the manifest's folder.
    File {
        /// The file's path.
        path: Spanned<PathBuf>,
    },
    /// `{ files = … }`.
    Files {
        /// The manifest's folder.
        folder: PathBuf,
        /// The pattern of their paths.
        pattern: InputPattern,
    },
    /// `{ run = … }`, in `[finally]` only.
    Run(RunValue),
    /// `{ range = … }`, in `for-each` only.
    Range {
        /// The first number; 0 by default.
        from: Spanned<Expr>,
        /// One past the last number.
        to: Spanned<Expr>,
    },
    /// `{ select = …, cases = …, default = … }`.
    Select {
        /// The selector: a string or an enum.
        selector: Spanned<Expr>,
        /// Case names with their values, in order.
        cases: Vec<(Spanned<String>, Spanned<Expr>)>,
        /// The value if no case matches, or the selector's task was skipped.
        default: Option<Spanned<Datum>>,
    },
}
