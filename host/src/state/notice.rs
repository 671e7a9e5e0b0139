//! Notices of a backend to the user; `health` reports outages.
//! Callers collect and show them.

/// An event that is not a failure, but that the user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A machine-readable code.
    pub code: &'static str,
    /// A sentence for the user.
    pub message: String,
}
