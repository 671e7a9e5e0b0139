//! An error in its form for programs: a line of JSON.
//! `diagnostic` and `error_chain` format errors for people.

use serde::Serialize;

/// An error without source lines.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct JsonError {
    /// The failed action and its cause.
    pub(crate) message: String,
    /// Facts that explain the error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// Suggestions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) help: Vec<String>,
    /// The faulty file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The line, counted from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// The column, in characters counted from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
}
