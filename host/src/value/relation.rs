//! Relation of number types, and the description of a mismatch between two types.
//! The relation on whole types, with its conversions, is `assign`.

use crate::value::Type;
use std::fmt;

/// A mismatch between two types: ``at `.items[].name`: `u64` does not fit `u32` ``.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Steps from the whole type to the mismatch, innermost first.
    steps: Vec<String>,
    reason: String,
}

impl Mismatch {
    /// Creates a mismatch between the current types.
    pub(crate) fn types(from: &Type, to: &Type) -> Self {
        Self { steps: Vec::new(), reason: format!("{} does not fit {}", describe(from), describe(to)) }
    }

    /// Creates a mismatch because of a member that only one of the types has.
    pub(crate) const fn because(reason: String) -> Self {
        Self { steps: Vec::new(), reason }
    }

    /// Adds the step from the enclosing type.
    #[must_use]
    pub(crate) fn within(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }
}

/// Longest type text shown in full, in characters; a longer one is shown by its kind.
const MAX_SHOWN_TYPE: usize = 60;

/// Describes a type in a few words.
fn describe(ty: &Type) -> String {
    let text = ty.to_string();
    if text.chars().count() <= MAX_SHOWN_TYPE {
        return format!("`{text}`");
    }
    let kind: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("this `{kind}`")
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            f.write_str("at `")?;
            self.steps.iter().rev().try_for_each(|step| f.write_str(step))?;
            f.write_str("`: ")?;
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Mismatch {}

/// Conversion from one number type to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widening {
    /// The bytes stay the same.
    Same,
    /// An integer becomes a float 32.
    IntToF32,
    /// An integer becomes a float 64.
    IntToF64,
    /// A float 32 becomes a float 64.
    F32ToF64,
}

/// Returns the conversion that keeps every number of `from` exact in `to`; none if some numbers do not fit.
pub(crate) fn widening(from: &Type, to: &Type) -> Option<Widening> {
    if let (Some((from_low, from_high)), Some((to_low, to_high))) = (bounds(from), bounds(to)) {
        return (to_low <= from_low && from_high <= to_high).then_some(Widening::Same);
    }
    match (from, to) {
        (Type::F32, Type::F32) | (Type::F64, Type::F64) => Some(Widening::Same),
        (Type::F32, Type::F64) => Some(Widening::F32ToF64),
        (Type::U8 | Type::S8 | Type::U16 | Type::S16, Type::F32) => Some(Widening::IntToF32),
        (Type::U8 | Type::S8 | Type::U16 | Type::S16 | Type::U32 | Type::S32, Type::F64) => {
            Some(Widening::IntToF64)
        }
        _ => None, // a float is no integer, and floats round wider integers
    }
}

/// Returns the minimum and the maximum of an integer type.
fn bounds(ty: &Type) -> Option<(i128, i128)> {
    match ty {
        Type::U8 => Some((0, u8::MAX.into())),
        Type::U16 => Some((0, u16::MAX.into())),
        Type::U32 => Some((0, u32::MAX.into())),
        Type::U64 => Some((0, u64::MAX.into())),
        Type::S8 => Some((i8::MIN.into(), i8::MAX.into())),
        Type::S16 => Some((i16::MIN.into(), i16::MAX.into())),
        Type::S32 => Some((i32::MIN.into(), i32::MAX.into())),
        Type::S64 => Some((i64::MIN.into(), i64::MAX.into())),
        _ => None, // no other type is an integer
    }
}
