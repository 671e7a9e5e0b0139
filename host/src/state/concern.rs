//! What users are to know of a backend before they trust it with a run.
//! Finding it out is for the backend, telling it for the application.

/// Something about a backend that is no failure and may become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// A word for programs.
    pub code: &'static str,
    /// What it is and what to change, in sentences for people.
    pub message: String,
}
