//! Why a value is not of the type that it should be, and where in it.
//! The value itself may be a secret of some size: messages name kinds and small numbers only.

use crate::model::{Path, Step};
use crate::value::wire::Malformed;
use std::fmt;

/// A value that does not fit: `.items[3].name: expected u8, found 300`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueFault {
    /// The steps from the value to the part that does not fit, innermost first.
    steps: Vec<Step>,
    message: String,
}

impl ValueFault {
    /// A fault of the value at hand.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { steps: Vec::new(), message: message.into() }
    }

    /// The same fault, seen from the value around.
    #[must_use]
    pub(crate) fn within(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The same fault of an element at another place of the list around it.
    #[must_use]
    pub(crate) fn moved_to(mut self, index: usize) -> Self {
        self.steps.pop();
        self.at_index(index)
    }

    /// The same fault, seen from a record or variant around.
    #[must_use]
    pub(crate) fn in_field(self, name: &str) -> Self {
        self.within(Step::Field(name.to_owned()))
    }

    /// The same fault, seen from a list or tuple around.
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
