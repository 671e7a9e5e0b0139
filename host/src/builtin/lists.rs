//! Built-in tasks on lists whose elements they do not look into.
//! Those that reach into elements by a path are in `keyed`.

use crate::builtin::body::{ListBody, put_element, put_list_len};
use crate::builtin::budget::{Budget, Stop};
use crate::builtin::elements::Items;
use crate::value::check::{copy, enter_some};
use crate::value::wire::Reader;
use crate::value::{Type, ValueFault, wire};
use bytes::Bytes;

/// An argument: its name, its type and its value.
pub(crate) type Argument<'a> = (&'static str, &'a Type, &'a Bytes);

/// Returns the type of the elements of a list.
pub(crate) fn element_type(ty: &Type) -> &Type {
    match ty {
        Type::List(element) => element,
        other => other, // the plan has solved a list, so that no other type gets here
    }
}

/// Concatenates lists.
pub(crate) fn flatten((name, ty, lists): Argument<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let list_ty = element_type(ty);
    let mut out = ListBody::new(element_type(list_ty), budget);
    let mut lists = Items::open((name, ty, lists), budget)?;
    while let Some((_, list)) = lists.next()? {
        let mut items = Items::open((name, list_ty, list), budget)?;
        while let Some((index, item)) = items.next()? {
            out.push(item, (name, index))?;
        }
    }
    Ok(out.finish())
}

/// Pairs the elements of two lists.
pub(crate) fn zip(
    [first, second]: [Argument<'_>; 2],
    result: &Type,
    budget: &Budget<'_>,
) -> Result<Bytes, Stop> {
    let [mut left, mut right] = equally_long([first, second], budget)?;
    let types = (element_type(first.1), element_type(second.1));
    let mut out = ListBody::new(element_type(result), budget);
    while let (Some((index, a)), Some((_, b))) = (left.next()?, right.next()?) {
        out.push_with(|out| {
            wire::put_array_len(out, 2);
            copied(types.0, a, out).map_err(|fault| of_element(first.0, index, fault))?;
            copied(types.1, b, out).map_err(|fault| of_element(second.0, index, fault))
        })?;
    }
    Ok(out.finish())
}

/// Returns the elements of two lists, which must be equally long.
fn equally_long<'v, 'b>(
    [first, second]: [Argument<'v>; 2],
    budget: &'b Budget<'b>,
) -> Result<[Items<'v, 'b>; 2], Stop> {
    let open = |(name, ty, value): Argument<'v>| Items::open((name, ty, value), budget);
    let (left, right) = (open(first)?, open(second)?);
    if left.len() == right.len() {
        return Ok([left, right]);
    }
    Err(Stop::Input(format!(
        "`{}` has {} elements, and `{}` has {}; they must be equally long",
        first.0,
        left.len(),
        second.0,
        right.len()
    )))
}

/// Splits a list into lists of `size` elements.
pub(crate) fn chunk(
    (name, ty, items): Argument<'_>,
    (result, size): (&Type, u32),
    budget: &Budget<'_>,
) -> Result<Bytes, Stop> {
    let size = crate::model::to_usize(size);
    if size == 0 {
        return Err(Stop::Input("`size` is 0; a chunk has at least one element".to_owned()));
    }
    let element = element_type(ty);
    let mut items = Items::open((name, ty, items), budget)?;
    let mut out = ListBody::new(element_type(result), budget);
    let mut left = items.len();
    while left > 0 {
        let len = left.min(size);
        out.push_with(|out| {
            put_list_len(out, element, len);
            for _ in 0..len {
                if let Some((index, item)) = items.next()? {
                    put_element(element, item, out).map_err(|fault| of_element(name, index, fault))?;
                    budget.allow(out.len())?;
                }
            }
            Ok(())
        })?;
        left -= len;
    }
    Ok(out.finish())
}

/// Position of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    First,
    Last,
}

/// Returns the first or the last element.
pub(crate) fn end((name, ty, items): Argument<'_>, end: End, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let element = element_type(ty);
    let mut items = Items::open((name, ty, items), budget)?;
    let mut found = items.next()?;
    while let (End::Last, Some(next)) = (end, items.next()?) {
        found = Some(next);
    }
    let mut out = Vec::new();
    match found {
        None => wire::put_nil(&mut out),
        Some((index, item)) => {
            if element.admits_nil() {
                wire::put_array_len(&mut out, 1);
            }
            copied(element, item, &mut out).map_err(|fault| of_element(name, index, fault))?;
        }
    }
    whole(out, budget)
}

/// Counts the elements.
pub(crate) fn length((name, ty, items): Argument<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let len = Items::open((name, ty, items), budget)?.len();
    let mut out = Vec::new();
    wire::put_uint(&mut out, u64::try_from(len).unwrap_or(u64::MAX));
    whole(out, budget)
}

/// Keeps the elements whose bool is true.
pub(crate) fn filter([items, keep]: [Argument<'_>; 2], budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let [mut elements, mut bools] = equally_long([items, keep], budget)?;
    let mut out = ListBody::new(element_type(items.1), budget);
    while let (Some((index, element)), Some((_, keeps))) = (elements.next()?, bools.next()?) {
        let keeps = Reader::new(keeps).bool();
        if keeps.map_err(|malformed| of_element(keep.0, index, malformed.into()))? {
            out.push(element, (items.0, index))?;
        }
    }
    Ok(out.finish())
}

/// Drops the elements that are none, and unwraps the others.
pub(crate) fn compact((name, ty, items): Argument<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let Type::Option(some) = element_type(ty) else {
        return Err(Stop::Input(format!("argument `{name}` is no list of options")));
    };
    let mut items = Items::open((name, ty, items), budget)?;
    let mut out = ListBody::new(some, budget);
    while let Some((index, item)) = items.next()? {
        if let Some(value) = value_of(some, item).map_err(|fault| of_element(name, index, fault))? {
            out.push(value, (name, index))?;
        }
    }
    Ok(out.finish())
}

/// Returns the value of an option, or else the default.
pub(crate) fn unwrap_or(
    [(name, ty, value), (default_name, some, default)]: [Argument<'_>; 2],
    budget: &Budget<'_>,
) -> Result<Bytes, Stop> {
    let Type::Option(inner) = ty else {
        return Err(Stop::Input(format!("argument `{name}` is no option")));
    };
    let value = value_of(inner, value).map_err(|fault| Stop::of_argument(name, &fault))?;
    let (name, ty, value) = value.map_or((default_name, some, &**default), |value| (name, &**inner, value));
    let mut out = Vec::with_capacity(value.len());
    copied(ty, value, &mut out).map_err(|fault| Stop::of_argument(name, &fault))?;
    whole(out, budget)
}

/// Returns the value of an option that may be none.
fn value_of<'v>(some: &Type, option: &'v [u8]) -> Result<Option<&'v [u8]>, ValueFault> {
    let mut reader = Reader::new(option);
    if reader.take_nil()? {
        reader.finish()?;
        return Ok(None);
    }
    enter_some(some, &mut reader)?;
    Ok(option.get(reader.position()..))
}

/// Writes exactly one value in its canonical form.
pub(crate) fn copied(ty: &Type, value: &[u8], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let mut reader = Reader::new(value);
    copy(ty, &mut reader, out)?;
    Ok(reader.finish()?)
}

/// Returns a result that was written as a whole.
pub(crate) fn whole(out: Vec<u8>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    budget.allow(out.len())?;
    budget.count(out.capacity())?;
    Ok(out.into())
}

/// Returns the fault of an element of an argument.
pub(crate) fn of_element(name: &str, index: usize, fault: ValueFault) -> Stop {
    Stop::of_argument(name, &fault.at_index(index))
}
