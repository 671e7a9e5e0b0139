//! The syntax tree of `repeat`.
//! `repeat` reads it; `plan` compares the parameter and the path with the types of the function.

use crate::model::{Path, Span, Spanned};

/// `repeat = { … }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// Span of the key.
    pub span: Span,
    /// `feed`: the parameter that the output of an iteration is the next argument of.
    pub feed: Spanned<String>,
    /// `until`: the path to the `bool` that ends the repetition.
    pub until: Spanned<Path>,
    /// `max`: the maximum number of iterations.
    pub max: u32,
}
