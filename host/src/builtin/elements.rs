//! The elements of a list, one after the other, as slices of the list.
//! `order` compares them, and `body` writes them.

use crate::builtin::budget::{Budget, Stop};
use crate::value::wire::Reader;
use crate::value::{Type, ValueFault};

/// A byte of a `list<u8>` as a value of its own: up to 127 in one piece of MessagePack, then with a marker before it.
static BYTES: [[u8; 2]; 256] = byte_pieces();

const fn byte_pieces() -> [[u8; 2]; 256] {
    let mut pieces = [[0xcc; 2]; 256];
    let mut byte: u8 = 0;
    let mut rest: &mut [[u8; 2]] = &mut pieces;
    while let [piece, after @ ..] = rest {
        *piece = if byte < 0x80 { [byte, 0] } else { [0xcc, byte] };
        byte = byte.wrapping_add(1);
        rest = after;
    }
    pieces
}

/// Returns a byte as a value of the type `u8`.
pub(crate) fn byte_piece(byte: u8) -> &'static [u8] {
    let piece = BYTES.get(usize::from(byte)).map_or(&[][..], <[u8; 2]>::as_slice);
    piece.get(..if byte < 0x80 { 1 } else { 2 }).unwrap_or_default()
}

/// Iterator over the elements of a list.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'v> {
    value: &'v [u8],
    source: Source<'v>,
    at: usize,
    len: usize,
}

#[derive(Debug, Clone)]
enum Source<'v> {
    Pieces(Reader<'v>),
    Bytes(&'v [u8]),
}

impl<'v> Elements<'v> {
    /// Begins with the first element of a list of the type `ty`.
    pub(crate) fn open(ty: &Type, value: &'v [u8]) -> Result<Self, ValueFault> {
        let mut reader = Reader::new(value);
        let (source, len) = match ty {
            Type::List(element) if **element == Type::U8 => {
                let bytes = reader.bin()?;
                (Source::Bytes(bytes), bytes.len())
            }
            Type::List(_) => {
                let len = reader.array_len()?;
                (Source::Pieces(reader), len)
            }
            other => return Err(ValueFault::new(format!("`{other}` is not a list"))),
        };
        Ok(Self { value, source, at: 0, len })
    }

    /// Returns the number of all elements.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the next element, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<&'v [u8]>, ValueFault> {
        if self.at == self.len {
            return Ok(None);
        }
        let element = match &mut self.source {
            Source::Bytes(bytes) => bytes.get(self.at).map_or(&[][..], |byte| byte_piece(*byte)),
            Source::Pieces(reader) => {
                let start = reader.position();
                reader.skip().map_err(|malformed| ValueFault::from(malformed).at_index(self.at))?;
                self.value.get(start..reader.position()).unwrap_or_default()
            }
        };
        self.at += 1;
        if let (true, Source::Pieces(reader)) = (self.at == self.len, &self.source) {
            reader.finish()?;
        }
        Ok(Some(element))
    }
}

/// The elements of a list that is an argument, counted in the budget.
pub(crate) struct Items<'v, 'b> {
    elements: Elements<'v>,
    name: &'static str,
    budget: &'b Budget<'b>,
}

impl<'v, 'b> Items<'v, 'b> {
    /// Begins with the first element of the argument `name`.
    pub(crate) fn open(
        (name, ty, value): (&'static str, &Type, &'v [u8]),
        budget: &'b Budget<'b>,
    ) -> Result<Self, Stop> {
        let elements = Elements::open(ty, value).map_err(|fault| Stop::of_argument(name, &fault))?;
        Ok(Self { elements, name, budget })
    }

    /// Returns the number of all elements.
    pub(crate) const fn len(&self) -> usize {
        self.elements.len()
    }

    /// Returns the next element and its position.
    pub(crate) fn next(&mut self) -> Result<Option<(usize, &'v [u8])>, Stop> {
        let next = self.elements.next().map_err(|fault| Stop::of_argument(self.name, &fault))?;
        let Some(element) = next else { return Ok(None) };
        self.budget.step(element.len())?;
        Ok(Some((self.elements.at.saturating_sub(1), element)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::wire;

    #[test]
    fn bytes_are_pieces_of_their_own() {
        for byte in 0..=u8::MAX {
            let mut expected = Vec::new();
            wire::put_uint(&mut expected, byte.into());
            assert_eq!(byte_piece(byte), expected);
        }
    }
}
