//! An error as programs are told of it: a line of JSON.
//! What people see is made by `diagnostic` and `error_chain`.

use serde::Serialize;

/// An error, without what people see of the source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Complaint {
    /// What could not be done, and why.
    pub(crate) message: String,
    /// Facts that explain it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// What would help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) help: Vec<String>,
    /// The text that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The line of it, from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// The column of it, in characters from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
}
