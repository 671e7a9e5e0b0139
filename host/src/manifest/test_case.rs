//! A test of a manifest as data: params, and what is expected.
//! `expectation` reads it.

use crate::model::{Datum, FailureClass, Span, Spanned};

/// A test of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// Span of the test.
    pub span: Span,
    /// Name, which no other test has.
    pub name: String,
    /// Values of params by name. Others have their defaults.
    pub params: Values,
    /// What is expected of the run.
    pub expectation: Expectation,
}

/// Literals by name, in the order of the text.
pub(crate) type Values = Vec<(Spanned<String>, Spanned<Datum>)>;

/// What a test expects of its run.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// The run succeeds, and these outputs have these values.
    Outputs(Values),
    /// The run fails, and a task or an output with this class.
    Failure(FailureClass),
}
