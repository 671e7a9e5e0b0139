//! What a backend has to say beside its answers; that it was lost and found is for `health`.
//! Whoever asked for the answers picks notices up and tells them.

/// Something that is no failure and should be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub message: String,
}
