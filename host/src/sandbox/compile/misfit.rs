//! Links between components of a composition, and the reasons why components do not fit together.
//! `composition` builds the composition.

use serde::{Deserialize, Serialize};

/// An import that another component satisfies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Name of the import.
    pub import: String,
    /// Position of the component that exports it.
    pub from: usize,
    /// Name of the export.
    pub export: String,
}

/// Reasons why components do not fit together. Positions are those of the parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Misfit {
    /// An export has another type than the import that it would satisfy.
    #[error("the types of the import `{}` and of the export `{}` differ: {reason}", link.import, link.export)]
    Link {
        /// The component with the import.
        part: usize,
        /// The import and the export.
        link: Link,
        /// Description of the difference.
        reason: String,
    },
    /// Two components leave an import to the host, with types that differ.
    #[error("two components import `{import}` with types that differ: {reason}")]
    Shared {
        /// Name of the import.
        import: String,
        /// The two components.
        parts: (usize, usize),
        /// Description of the difference.
        reason: String,
    },
    /// Any other reason.
    #[error("{0}")]
    Other(String),
}
