//! A result while it is written: a list or a text whose length is known only at its end.
//! `Budget` bounds it as it grows.

use crate::builtin::budget::{Budget, Stop};
use crate::value::check::copy;
use crate::value::wire::Reader;
use crate::value::{Type, ValueFault, wire};
use bytes::Bytes;

/// Space for the longest head of a list or a text.
const HEAD: usize = 5;

/// The content of a list or a text, behind space for its head.
pub(crate) struct Body(Vec<u8>);

impl Body {
    pub(crate) fn new() -> Self {
        Self(vec![0; HEAD])
    }

    /// Returns where content is appended.
    pub(crate) const fn out(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// Returns the number of bytes with the longest head.
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Counts the content so far.
    pub(crate) fn count(&self, budget: &Budget<'_>) -> Result<(), Stop> {
        budget.written(&self.0)
    }

    /// Puts the head right before the content, so that the content need not move.
    fn finish(mut self, head: &[u8]) -> Bytes {
        let start = HEAD.saturating_sub(head.len());
        self.0.iter_mut().skip(start).zip(head).for_each(|(slot, byte)| *slot = *byte);
        Bytes::from(self.0).slice(start..)
    }

    /// Returns the content as a string.
    pub(crate) fn into_text(self) -> Bytes {
        let mut head = Vec::with_capacity(HEAD);
        wire::put_str_len(&mut head, self.0.len().saturating_sub(HEAD));
        self.finish(&head)
    }
}

/// A list while it is written.
pub(crate) struct ListBody<'a> {
    body: Body,
    element: &'a Type,
    len: usize,
    budget: &'a Budget<'a>,
}

impl<'a> ListBody<'a> {
    /// Starts a list of elements of the type `element`.
    pub(crate) fn new(element: &'a Type, budget: &'a Budget<'a>) -> Self {
        Self { body: Body::new(), element, len: 0, budget }
    }

    /// Appends an element in its canonical form. `name` and `index` say where it comes from.
    pub(crate) fn push(&mut self, element: &[u8], (name, index): (&str, usize)) -> Result<(), Stop> {
        let written = put_element(self.element, element, self.body.out());
        written.map_err(|fault| Stop::of_argument(name, &fault.at_index(index)))?;
        self.written()
    }

    /// Appends an element that `write` writes.
    pub(crate) fn push_with(
        &mut self,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        write(self.body.out())?;
        self.written()
    }

    fn written(&mut self) -> Result<(), Stop> {
        self.len += 1;
        self.body.count(self.budget)
    }

    /// Returns the list.
    pub(crate) fn finish(self) -> Bytes {
        let mut head = Vec::with_capacity(HEAD);
        put_list_len(&mut head, self.element, self.len);
        self.body.finish(&head)
    }
}

/// Writes the head of a list, whose elements follow.
pub(crate) fn put_list_len(out: &mut Vec<u8>, element: &Type, len: usize) {
    match element {
        Type::U8 => wire::put_bin_len(out, len),
        _ => wire::put_array_len(out, len),
    }
}

/// Writes an element of a list in its canonical form.
pub(crate) fn put_element(element: &Type, piece: &[u8], out: &mut Vec<u8>) -> Result<(), ValueFault> {
    let mut reader = Reader::new(piece);
    match element {
        Type::U8 => {
            let number = reader.int()?;
            let byte = u8::try_from(number);
            out.push(byte.map_err(|_| ValueFault::new(format!("expected u8, found {number}")))?);
        }
        _ => copy(element, &mut reader, out)?,
    }
    Ok(reader.finish()?)
}
