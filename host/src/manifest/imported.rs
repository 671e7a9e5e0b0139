//! The imports of a component that the manifest satisfies, as the syntax tree has them.
//! `imports` reads them.

use crate::model::Spanned;

/// The imports of a component that the manifest satisfies; none by default.
#[derive(Debug, Clone, Default)]
pub struct Imports {
    /// Whether the manifest has the table.
    pub is_written: bool,
    /// Whether a part has a fault. Then imports may be missing here.
    pub is_partial: bool,
    /// The imports, in the order of the text, each key as it is written.
    pub entries: Vec<(Spanned<String>, ImportSource)>,
}

/// Source of an import, as the manifest names it.
#[derive(Debug, Clone)]
pub enum ImportSource {
    /// `"trap"`: functions that trap when they are called.
    Trap,
    /// `{ component = "NAME" }`: the exports of another component.
    Component(Spanned<String>),
}
