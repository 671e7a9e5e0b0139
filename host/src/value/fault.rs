//! Faults of values: why a value is not of its type, and where in it.
//! Values may be secret or large, so messages name only kinds and small numbers, never content.

use crate::model::{Path, Step};
use crate::value::wire::Malformed;
use std::fmt;

/// A value that does not fit its type: `.items[3].name: expected u8, found 300`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFault {
    /// Steps from the whole value to the faulty part, innermost first.
    steps: Vec<Step>,
    message: String,
}

impl ValueFault {
    /// Creates a fault of the current value.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { steps: Vec::new(), message: message.into() }
    }

    /// Adds the step from the enclosing value.
    #[must_use]
    pub(crate) fn within(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Replaces the step from the enclosing list by another index.
    #[must_use]
    pub(crate) fn with_index(mut self, index: usize) -> Self {
        self.steps.pop();
        self.at_index(index)
    }

    /// Adds the step from an enclosing record or variant.
    #[must_use]
    pub(crate) fn in_field(self, name: &str) -> Self {
        self.within(Step::Field(name.to_owned()))
    }

    /// Adds the step from an enclosing list or tuple.
    #[must_use]
    pub(crate) fn at_index(self, index: usize) -> Self {
        self.within(Step::Index(u32::try_from(index).unwrap_or(u32::MAX)))
    }
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            let mut path = Path::root();
            self.steps.iter().rev().for_each(|step| path.push(step.clone()));
            write!(f, "{path}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValueFault {}

impl From<Malformed> for ValueFault {
    fn from(malformed: Malformed) -> Self {
        Self::new(malformed.to_string())
    }
}
