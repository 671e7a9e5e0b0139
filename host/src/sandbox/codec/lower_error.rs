//! Errors of lowering: an argument that is not of its type, or a guest that cannot take it.
//! `lower` finds them; `failure` classes them.

use crate::value::ValueFault;
use crate::value::wire::Malformed;
use wasmtime::format_err;

/// Error: an argument is not of its parameter's type.
#[derive(Debug, thiserror::Error)]
#[error("the argument `{name}` is malformed: {fault}")]
pub(crate) struct MalformedArgument {
    /// The parameter.
    pub(crate) name: String,
    /// Fault in the argument.
    pub(crate) fault: ValueFault,
}

/// Reasons why lowering stopped early.
pub(crate) enum LowerError {
    /// The value is not of its type.
    Fault(ValueFault),
    /// The guest's allocator failed, the value does not fit its memory, or the deadline passed.
    Guest(wasmtime::Error),
}

/// Result of lowering a part of an argument.
pub(crate) type Result<T> = std::result::Result<T, LowerError>;

impl From<ValueFault> for LowerError {
    fn from(fault: ValueFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Malformed> for LowerError {
    #[cold]
    fn from(malformed: Malformed) -> Self {
        Self::Fault(malformed.into())
    }
}

impl From<wasmtime::Error> for LowerError {
    #[cold]
    fn from(error: wasmtime::Error) -> Self {
        Self::Guest(error)
    }
}

impl LowerError {
    /// Creates a fault of the current value.
    #[cold]
    pub(crate) fn fault(message: String) -> Self {
        Self::Fault(ValueFault::new(message))
    }

    /// Adds the step from an enclosing record or variant.
    #[cold]
    pub(crate) fn in_field(self, name: &str) -> Self {
        match self {
            Self::Fault(fault) => Self::Fault(fault.in_field(name)),
            Self::Guest(error) => Self::Guest(error),
        }
    }

    /// Returns the error of a call whose argument `name` this is.
    #[cold]
    pub(crate) fn of_argument(self, name: &str) -> wasmtime::Error {
        match self {
            Self::Fault(fault) => MalformedArgument { name: name.to_owned(), fault }.into(),
            Self::Guest(error) => error,
        }
    }

    /// Adds the step from an enclosing list, map or tuple.
    #[cold]
    pub(crate) fn at_index(self, index: usize) -> Self {
        match self {
            Self::Fault(fault) => Self::Fault(fault.at_index(index)),
            Self::Guest(error) => Self::Guest(error),
        }
    }
}

/// Returns the error for a value outside of its slot, which only a wrong layout causes.
#[cold]
pub(crate) fn out_of_bounds() -> LowerError {
    LowerError::Guest(format_err!("a value outside of its slot"))
}
