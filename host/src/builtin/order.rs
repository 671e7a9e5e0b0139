//! The order of values, by which `std.sort-by` sorts: every type has one.
//! The caller passes values in canonical form.

use crate::value::check::{enter_some, one_pair};
use crate::value::wire::{Kind, Reader};
use crate::value::{Type, ValueFault};
use std::cmp::Ordering;
use std::sync::Arc;

/// Compares the next values of two readers. If they are equal, both readers are behind them.
pub(crate) fn compare(
    ty: &Type,
    left: &mut Reader<'_>,
    right: &mut Reader<'_>,
) -> Result<Ordering, ValueFault> {
    Ok(match ty {
        Type::Bool => left.bool()?.cmp(&right.bool()?),
        Type::S8 | Type::U8 | Type::S16 | Type::U16 | Type::S32 | Type::U32 | Type::S64 | Type::U64 => {
            left.int()?.cmp(&right.int()?)
        }
        Type::F32 => numbers(left.f32()?.into(), right.f32()?.into()),
        Type::F64 => numbers(left.f64()?, right.f64()?),
        // The order of UTF-8 is that of code points.
        Type::Char | Type::String => left.str()?.cmp(right.str()?),
        Type::List(element) if **element == Type::U8 => left.bin()?.cmp(right.bin()?),
        Type::List(element) => {
            sequences((left.array_len()?, right.array_len()?), |_| compare(element, left, right))?
        }
        Type::Map(types) => sequences((left.map_len()?, right.map_len()?), |_| {
            let keys = compare(&types.key, left, right)?;
            if keys.is_eq() { compare(&types.value, left, right) } else { Ok(keys) }
        })?,
        Type::Tuple(types) => {
            let lens = (left.array_len()?, right.array_len()?);
            sequences(lens, |nth| match types.get(nth) {
                Some(ty) => compare(ty, left, right),
                None => Err(ValueFault::new("a tuple has too many elements")),
            })?
        }
        Type::Record(fields) => {
            let lens = (left.map_len()?, right.map_len()?);
            sequences(lens, |nth| {
                left.str()?;
                right.str()?;
                match fields.get(nth) {
                    Some(field) => compare(&field.ty, left, right),
                    None => Err(ValueFault::new("a record has too many fields")),
                }
            })?
        }
        Type::Option(some) => match (left.take_nil()?, right.take_nil()?) {
            (false, false) => {
                enter_some(some, left)?;
                enter_some(some, right)?;
                compare(some, left, right)?
            }
            (left_is_none, right_is_none) => right_is_none.cmp(&left_is_none), // none comes first
        },
        Type::Enum(names) => position(names, left.str()?).cmp(&position(names, right.str()?)),
        Type::Flags(names) => flags(names, left, right)?,
        Type::Variant(cases) => {
            let nth = |name: &str| cases.iter().position(|case| *case.name == *name);
            let names = (case(left)?, case(right)?);
            match nth(names.0).cmp(&nth(names.1)) {
                Ordering::Equal => match nth(names.0).and_then(|nth| cases.get(nth)?.ty.as_ref()) {
                    Some(ty) => compare(ty, left, right)?,
                    None => Ordering::Equal,
                },
                unequal => unequal,
            }
        }
        Type::Result(sides) => {
            let is_error = (case(left)? == "err", case(right)? == "err");
            match (is_error.0.cmp(&is_error.1), if is_error.0 { &sides.err } else { &sides.ok }) {
                (Ordering::Equal, Some(ty)) => compare(ty, left, right)?,
                (Ordering::Equal, None) => {
                    left.nil()?;
                    right.nil()?;
                    Ordering::Equal
                }
                (unequal, _) => unequal,
            }
        }
    })
}

/// Compares numbers. NaN comes last, and -0.0 equals 0.0.
fn numbers(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan()))
}

/// Compares part by part. If one is the beginning of the other, the shorter one comes first.
fn sequences(
    (left, right): (usize, usize),
    mut compare: impl FnMut(usize) -> Result<Ordering, ValueFault>,
) -> Result<Ordering, ValueFault> {
    for nth in 0..left.min(right) {
        let ordering = compare(nth)?;
        if ordering.is_ne() {
            return Ok(ordering);
        }
    }
    Ok(left.cmp(&right))
}

fn position(names: &[Arc<str>], name: &str) -> Option<usize> {
    names.iter().position(|known| **known == *name)
}

/// Compares flag by flag, in declared order: a flag that is not set comes before one that is.
fn flags(names: &[Arc<str>], left: &mut Reader<'_>, right: &mut Reader<'_>) -> Result<Ordering, ValueFault> {
    // Both list their flags in declared order. The first difference is a flag that one of them has and the other lacks.
    let lens = (left.array_len()?, right.array_len()?);
    sequences(lens, |_| Ok(position(names, right.str()?).cmp(&position(names, left.str()?))))
}

/// Reads the name of a case. Its payload, if it has one, is next.
fn case<'v>(reader: &mut Reader<'v>) -> Result<&'v str, ValueFault> {
    if reader.peek()? == Kind::Map {
        one_pair(reader)?;
    }
    Ok(reader.str()?)
}
