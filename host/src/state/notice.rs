//! What a backend has to say beside its answers: that it was lost and found, and what should be known.
//! Whoever asked for the answers picks notices up and tells them.

/// Something that happened to a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The connection was lost and is there again.
    Reconnected,
    /// Something that is no failure and should be known.
    Warning {
        /// A word for programs.
        code: &'static str,
        /// A sentence for people.
        message: String,
    },
}
