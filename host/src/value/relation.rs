//! Which numbers hold which, and how a misfit of two types is told.
//! The relation on whole types, and the conversion that follows from it, is `assign`.

use crate::value::Type;
use std::fmt;

/// Where two types differ, and how: `.items[].name is u64, which does not fit u32`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Steps from the whole to the place, innermost first.
    steps: Vec<String>,
    why: String,
}

impl Mismatch {
    /// One type where another is asked for.
    pub(crate) fn types(from: &Type, to: &Type) -> Self {
        Self { steps: Vec::new(), why: format!("{} does not fit {}", named(from), named(to)) }
    }

    /// Something that one of the types has and the other has not.
    pub(crate) const fn because(why: String) -> Self {
        Self { steps: Vec::new(), why }
    }

    /// The same misfit, seen from the type around.
    #[must_use]
    pub(crate) fn within(mut self, step: impl Into<String>) -> Self {
        self.steps.push(step.into());
        self
    }
}

/// The longest text of a type that is told whole, in characters; of a longer one its kind is told.
const LONGEST: usize = 60;

/// A type in a few words.
fn named(ty: &Type) -> String {
    let whole = ty.to_string();
    if whole.chars().count() <= LONGEST {
        return format!("`{whole}`");
    }
    let kind: String = whole.chars().take_while(char::is_ascii_alphanumeric).collect();
    format!("that `{kind}`")
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.steps.is_empty() {
            f.write_str("at `")?;
            self.steps.iter().rev().try_for_each(|step| f.write_str(step))?;
            f.write_str("`: ")?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for Mismatch {}

/// How numbers of one type become numbers of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widening {
    /// The bytes are the same.
    Same,
    /// An integer becomes a float 32.
    IntToF32,
    /// An integer becomes a float 64.
    IntToF64,
    /// A float 32 becomes a float 64.
    F32ToF64,
}

/// How every number of `from` becomes one of `to`; none if some do not.
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
        _ => None, // a float is no integer, and wider integers have values that floats round
    }
}

/// The least and the greatest value of an integer type.
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
