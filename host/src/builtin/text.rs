//! Built-in tasks between texts and values: lines, and JSON.
//! CSV is in `csv`, templates are in `template`.

use crate::builtin::body::{Body, ListBody};
use crate::builtin::budget::{Budget, Stop};
use crate::builtin::elements::Items;
use crate::builtin::lists::{Argument, of_element};
use crate::builtin::show::{Escape, Sink};
use crate::value::wire::Reader;
use crate::value::{JsonFault, Type, from_json_while, wire};
use bytes::Bytes;
use std::cell::RefCell;

/// Returns the text of an argument of the type `string`.
pub(crate) fn text((name, _, value): Argument<'_>) -> Result<&str, Stop> {
    Reader::new(value).str().map_err(|malformed| Stop::of_argument(name, &malformed.into()))
}

/// Splits a text into its lines.
pub(crate) fn lines(argument: Argument<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let mut out = ListBody::new(&Type::String, budget);
    for line in text(argument)?.lines() {
        budget.step(line.len())?;
        out.push_with(|out| {
            wire::put_str(out, line);
            Ok(())
        })?;
    }
    Ok(out.finish())
}

/// Joins texts with a separator between them.
pub(crate) fn join(
    (name, ty, items): Argument<'_>,
    separator: Argument<'_>,
    budget: &Budget<'_>,
) -> Result<Bytes, Stop> {
    let separator = text(separator)?;
    let mut items = Items::open((name, ty, items), budget)?;
    let mut body = Body::new();
    while let Some((index, item)) = items.next()? {
        if index > 0 {
            body.out().extend_from_slice(separator.as_bytes());
        }
        let text = Reader::new(item).str().map_err(|malformed| of_element(name, index, malformed.into()))?;
        body.out().extend_from_slice(text.as_bytes());
        body.count(budget)?;
    }
    Ok(body.into_text())
}

/// Writes a value as JSON.
pub(crate) fn to_json((name, ty, value): Argument<'_>, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let mut sink = Sink::new(budget, Escape::None);
    sink.json(ty, value).map_err(|shown| shown.of_argument(name, |fault| fault))?;
    Ok(sink.finish())
}

/// Reads JSON as a value of the type `result`.
pub(crate) fn from_json(argument: Argument<'_>, result: &Type, budget: &Budget<'_>) -> Result<Bytes, Stop> {
    let text = text(argument)?;
    let stop = RefCell::new(None);
    // Growing takes twice the size for a moment.
    let count = |len: usize| budget.allow(len).and_then(|()| budget.count(len.saturating_mul(2)));
    let goes_on = |len: usize| match budget.step(0).and_then(|()| count(len)) {
        Ok(()) => true,
        Err(reason) => {
            stop.replace(Some(reason));
            false
        }
    };
    from_json_while(result, text.as_bytes(), &goes_on).map_err(|fault| match (stop.take(), fault) {
        (Some(stop), _) => stop,
        (None, JsonFault::Mistake(fault)) => {
            Stop::Input(format!("the text is not JSON of the type: {fault}"))
        }
        (None, JsonFault::TooLarge) => Stop::Stopped, // only said with a reason
    })
}
