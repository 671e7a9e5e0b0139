//! Strings in the encodings of the canonical ABI: UTF-8 in the host, the guest's own encoding in its memory.
//! `lower` and `lift` handle all other values.

use crate::sandbox::codec::memory::{Encoding, Guest, write_bytes};
use wasmtime::{Result, bail};

/// Maximum size of one string that the canonical ABI allows, in bytes.
const MAX_BYTES: usize = (1 << 31) - 1;

/// Tag in the length of a [`Encoding::Latin1`] string that is UTF-16.
const UTF16_TAG: usize = 1 << 31;

/// Number of bytes of a string that are processed between two checks of the deadline.
pub(crate) const PIECE: usize = 64 << 10;

/// Layout of a string in memory.
struct Form {
    align: usize,
    bytes: usize,
    is_wide: bool,
}

impl Encoding {
    /// Decodes the length of a string in memory.
    fn form(self, len: usize) -> Form {
        let wide = |units: usize| Form { align: 2, bytes: units.saturating_mul(2), is_wide: true };
        match self {
            Self::Utf8 => Form { align: 1, bytes: len, is_wide: false },
            Self::Utf16 => wide(len),
            Self::Latin1 if len & UTF16_TAG != 0 => wide(len ^ UTF16_TAG),
            Self::Latin1 => Form { align: 2, bytes: len, is_wide: false },
        }
    }

    /// Returns the alignment and the size in bytes of a string of that length.
    pub(crate) fn layout(self, len: usize) -> (usize, usize) {
        let form = self.form(len);
        (form.align, form.bytes)
    }

    /// Returns how many of the first bytes of a string of that length form a piece that cuts no character.
    pub(crate) fn piece(self, len: usize, bytes: &[u8]) -> usize {
        if bytes.len() <= PIECE {
            return bytes.len();
        }
        let before = |index: usize| index.checked_sub(1).and_then(|index| bytes.get(index)).copied();
        // A UTF-16 piece must not end with a high surrogate. In UTF-8, at most three bytes belong to a cut character.
        if self.form(len).is_wide {
            let ends_with_high_surrogate = matches!(before(PIECE), Some(0xd8..=0xdb));
            return if ends_with_high_surrogate { PIECE - 2 } else { PIECE };
        }
        let is_inside =
            |index: &usize| bytes.get(*index).is_some_and(|byte| self == Self::Utf8 && byte & 0xc0 == 0x80);
        (PIECE - 3..=PIECE).rev().find(|index| !is_inside(index)).unwrap_or(PIECE)
    }

    /// Appends the string in `bytes` to `text`. Returns `None` if they are not valid in this encoding.
    ///
    /// Encodings other than UTF-8 are rare: their text is allocated, at most three times as large as `bytes`.
    pub(crate) fn decode(self, len: usize, bytes: &[u8], text: &mut String) -> Option<()> {
        if self.form(len).is_wide {
            let units = bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit));
            return char::decode_utf16(units).try_for_each(|char| char.map(|char| text.push(char))).ok();
        }
        match self {
            Self::Utf8 | Self::Utf16 => text.push_str(std::str::from_utf8(bytes).ok()?),
            Self::Latin1 => text.extend(bytes.iter().map(|byte| char::from(*byte))),
        }
        Some(())
    }
}

/// Writes a string to guest memory; returns its address, and its length as the guest counts it.
pub(crate) fn store(guest: &mut impl Guest, text: &str) -> Result<(usize, usize)> {
    match guest.encoding() {
        Encoding::Utf8 => bytes(guest, 1, text.as_bytes()),
        Encoding::Utf16 => wide(guest, text),
        Encoding::Latin1 => match latin1(guest, text)? {
            Some(narrow) => bytes(guest, 2, &narrow),
            None => wide(guest, text).map(|(start, len)| (start, len | UTF16_TAG)),
        },
    }
}

fn wide(guest: &mut impl Guest, text: &str) -> Result<(usize, usize)> {
    let mut units = Vec::with_capacity(text.len());
    for piece in pieces(text) {
        guest.check()?;
        units.extend(piece.encode_utf16().flat_map(u16::to_le_bytes));
    }
    let (start, len) = bytes(guest, 2, &units)?;
    Ok((start, len / 2))
}

/// Encodes a string as Latin-1; returns `None` if it has a character outside of Latin-1.
fn latin1(guest: &impl Guest, text: &str) -> Result<Option<Vec<u8>>> {
    let mut narrow = Vec::with_capacity(text.len());
    for piece in pieces(text) {
        guest.check()?;
        for char in piece.chars() {
            match u8::try_from(u32::from(char)) {
                Ok(byte) => narrow.push(byte),
                Err(_) => return Ok(None), // Latin-1 lacks this character
            }
        }
    }
    Ok(Some(narrow))
}

/// Splits a string into pieces between which the deadline is checked.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.floor_char_boundary(PIECE);
        let (piece, after) = rest.split_at_checked(end)?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn bytes(guest: &mut impl Guest, align: usize, bytes: &[u8]) -> Result<(usize, usize)> {
    if bytes.len() > MAX_BYTES {
        bail!("a string of {} bytes is longer than the canonical ABI allows", bytes.len());
    }
    Ok((write_bytes(guest, align, bytes)?, bytes.len()))
}
