//! Reads of single MessagePack pieces, bounded and without panics; re-exports the writes of `put`.
//! The other files of `value` know which pieces form a value of a type.

use crate::value::put::{canonical_f32, canonical_f64};
use rmp::Marker;
use std::fmt;

pub use crate::value::put::{
    put_array_len, put_bin, put_bin_len, put_bool, put_f32, put_f64, put_int, put_map_len, put_nil,
    put_run_of_f32, put_run_of_f64, put_str, put_str_len, put_uint,
};

/// Reader of MessagePack from a slice.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

/// Kind of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// nil
    Nil,
    /// bool
    Bool,
    /// A signed or unsigned integer.
    Int,
    /// float 32
    F32,
    /// float 64
    F64,
    /// str
    Str,
    /// bin
    Bin,
    /// array
    Array,
    /// map
    Map,
    /// ext, which no value here has.
    Ext,
}

/// Reason why bytes are not the expected MessagePack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end in the middle of a value.
    #[error("the value ends too early")]
    Truncated,
    /// The value is of another kind.
    #[error("expected {expected}, found {found}")]
    Kind {
        /// Kind that was expected.
        expected: Kind,
        /// Kind that was found.
        found: Kind,
    },
    /// A str is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// Bytes follow the value: this many.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nil => "nil",
            Self::Bool => "a bool",
            Self::Int => "an integer",
            Self::F32 => "a float 32",
            Self::F64 => "a float 64",
            Self::Str => "a str",
            Self::Bin => "a bin",
            Self::Array => "an array",
            Self::Map => "a map",
            Self::Ext => "an ext",
        })
    }
}

impl<'a> Reader<'a> {
    /// Creates a reader at the beginning of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Returns the number of bytes read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Moves to a position that this reader was at before.
    pub fn seek(&mut self, position: usize) {
        self.position = position.min(self.bytes.len());
    }

    /// Returns the number of bytes left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.position)
    }

    /// Returns the bytes between two positions that this reader was at.
    #[must_use]
    pub fn between(&self, start: usize, end: usize) -> &'a [u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Fails unless all bytes were read.
    pub fn finish(&self) -> Result<(), Malformed> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(Malformed::Trailing(left)),
        }
    }

    /// Returns the kind of the next piece without reading it.
    pub fn peek(&self) -> Result<Kind, Malformed> {
        self.marker().map(kind_of)
    }

    /// Reads nil if it comes next. Returns whether it did.
    pub fn take_nil(&mut self) -> Result<bool, Malformed> {
        let is_nil = self.marker()? == Marker::Null;
        self.position += usize::from(is_nil);
        Ok(is_nil)
    }

    /// Reads nil.
    pub fn nil(&mut self) -> Result<(), Malformed> {
        if self.take_nil()? { Ok(()) } else { self.unexpected(Kind::Nil) }
    }

    /// Reads a bool.
    pub fn bool(&mut self) -> Result<bool, Malformed> {
        let value = match self.marker()? {
            Marker::True => true,
            Marker::False => false,
            _ => return self.unexpected(Kind::Bool), // no other marker is a bool
        };
        self.position += 1;
        Ok(value)
    }

    /// Reads exactly `bytes` if they come next. Returns whether they did.
    #[inline]
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let is_next = self.bytes.get(self.position..).is_some_and(|rest| rest.starts_with(bytes));
        if is_next {
            self.position += bytes.len();
        }
        is_next
    }

    /// Reads an integer of any width.
    #[inline]
    pub fn int(&mut self) -> Result<i128, Malformed> {
        match self.bytes.get(self.position) {
            Some(small @ 0..=0x7f) => {
                self.position += 1;
                Ok(i128::from(*small))
            }
            _ => self.wide_int(), // longer than a byte, negative, or no integer
        }
    }

    fn wide_int(&mut self) -> Result<i128, Malformed> {
        let (value, next) = {
            let mut rest = self.rest();
            let marker = rest.marker()?;
            let value = match marker {
                Marker::FixPos(value) => i128::from(value),
                Marker::FixNeg(value) => i128::from(value),
                Marker::U8 => i128::from(u8::from_be_bytes(rest.array()?)),
                Marker::U16 => i128::from(u16::from_be_bytes(rest.array()?)),
                Marker::U32 => i128::from(u32::from_be_bytes(rest.array()?)),
                Marker::U64 => i128::from(u64::from_be_bytes(rest.array()?)),
                Marker::I8 => i128::from(i8::from_be_bytes(rest.array()?)),
                Marker::I16 => i128::from(i16::from_be_bytes(rest.array()?)),
                Marker::I32 => i128::from(i32::from_be_bytes(rest.array()?)),
                Marker::I64 => i128::from(i64::from_be_bytes(rest.array()?)),
                _ => return self.unexpected(Kind::Int), // no other marker is an integer
            };
            (value, rest.position)
        };
        self.position = next;
        Ok(value)
    }

    /// Reads a float 32.
    pub fn f32(&mut self) -> Result<f32, Malformed> {
        let mut rest = self.rest();
        if rest.marker()? != Marker::F32 {
            return self.unexpected(Kind::F32);
        }
        let value = f32::from_be_bytes(rest.array()?);
        self.position = rest.position;
        Ok(value)
    }

    /// Reads a float 32; every NaN becomes the canonical one.
    #[inline]
    pub fn canonical_f32(&mut self) -> Result<f32, Malformed> {
        self.f32().map(canonical_f32)
    }

    /// Reads consecutive floats 32 into `target`, as little-endian bytes with canonical NaNs, until `target` is full or
    /// another kind of piece follows. Returns how many were read.
    pub fn run_of_f32(&mut self, target: &mut [u8]) -> usize {
        let native = |bytes| canonical_f32(f32::from_be_bytes(bytes)).to_le_bytes();
        self.run::<5, 4>(Marker::F32, target, native)
    }

    /// Reads a float 64.
    pub fn f64(&mut self) -> Result<f64, Malformed> {
        let mut rest = self.rest();
        if rest.marker()? != Marker::F64 {
            return self.unexpected(Kind::F64);
        }
        let value = f64::from_be_bytes(rest.array()?);
        self.position = rest.position;
        Ok(value)
    }

    /// Reads a float 64; every NaN becomes the canonical one.
    #[inline]
    pub fn canonical_f64(&mut self) -> Result<f64, Malformed> {
        self.f64().map(canonical_f64)
    }

    /// Reads consecutive floats 64 into `target`, as little-endian bytes with canonical NaNs, until `target` is full or
    /// another kind of piece follows. Returns how many were read.
    pub fn run_of_f64(&mut self, target: &mut [u8]) -> usize {
        let native = |bytes| canonical_f64(f64::from_be_bytes(bytes)).to_le_bytes();
        self.run::<9, 8>(Marker::F64, target, native)
    }

    /// Reads a str.
    pub fn str(&mut self) -> Result<&'a str, Malformed> {
        let mut rest = self.rest();
        let len = match rest.marker()? {
            Marker::FixStr(len) => usize::from(len),
            Marker::Str8 => usize::from(u8::from_be_bytes(rest.array()?)),
            Marker::Str16 => usize::from(u16::from_be_bytes(rest.array()?)),
            Marker::Str32 => rest.len32()?,
            _ => return self.unexpected(Kind::Str), // no other marker is a str
        };
        let text = std::str::from_utf8(rest.take(len)?).map_err(|_| Malformed::Utf8)?;
        self.position = rest.position;
        Ok(text)
    }

    /// Reads a bin.
    pub fn bin(&mut self) -> Result<&'a [u8], Malformed> {
        let mut rest = self.rest();
        let len = match rest.marker()? {
            Marker::Bin8 => usize::from(u8::from_be_bytes(rest.array()?)),
            Marker::Bin16 => usize::from(u16::from_be_bytes(rest.array()?)),
            Marker::Bin32 => rest.len32()?,
            _ => return self.unexpected(Kind::Bin), // no other marker is a bin
        };
        let bytes = rest.take(len)?;
        self.position = rest.position;
        Ok(bytes)
    }

    /// Reads the head of an array. Returns its number of values, which never exceeds the bytes left.
    pub fn array_len(&mut self) -> Result<usize, Malformed> {
        let mut rest = self.rest();
        let len = match rest.marker()? {
            Marker::FixArray(len) => usize::from(len),
            Marker::Array16 => usize::from(u16::from_be_bytes(rest.array()?)),
            Marker::Array32 => rest.len32()?,
            _ => return self.unexpected(Kind::Array), // no other marker is an array
        };
        self.commit_len(&rest, len, 1)
    }

    /// Reads the head of a map. Returns its number of pairs, which never exceeds the bytes left.
    pub fn map_len(&mut self) -> Result<usize, Malformed> {
        let mut rest = self.rest();
        let len = match rest.marker()? {
            Marker::FixMap(len) => usize::from(len),
            Marker::Map16 => usize::from(u16::from_be_bytes(rest.array()?)),
            Marker::Map32 => rest.len32()?,
            _ => return self.unexpected(Kind::Map), // no other marker is a map
        };
        self.commit_len(&rest, len, 2)
    }

    /// Skips one whole value of any depth, without recursion.
    pub fn skip(&mut self) -> Result<(), Malformed> {
        let mut pending: usize = 1;
        while pending > 0 {
            pending -= 1;
            match self.peek()? {
                Kind::Nil | Kind::Bool => self.position += 1,
                Kind::Int => drop(self.int()?),
                Kind::F32 => drop(self.f32()?),
                Kind::F64 => drop(self.f64()?),
                Kind::Str => drop(self.str()?),
                Kind::Bin => drop(self.bin()?),
                Kind::Array => pending = pending.saturating_add(self.array_len()?),
                Kind::Map => pending = pending.saturating_add(self.map_len()?.saturating_mul(2)),
                Kind::Ext => return self.unexpected(Kind::Nil),
            }
        }
        Ok(())
    }

    /// Reads consecutive pieces of one marker; each piece has `PIECE` bytes, of which `LEN` follow the marker.
    fn run<const PIECE: usize, const LEN: usize>(
        &mut self,
        marker: Marker,
        target: &mut [u8],
        native: impl Fn([u8; LEN]) -> [u8; LEN],
    ) -> usize {
        let pieces = self.bytes.get(self.position..).unwrap_or_default().as_chunks::<PIECE>().0;
        let marker = marker.to_u8();
        let mut read = 0;
        for (piece, slot) in pieces.iter().zip(target.as_chunks_mut::<LEN>().0) {
            match piece.split_last_chunk::<LEN>() {
                Some(([found], body)) if *found == marker => *slot = native(*body),
                _ => break, // the caller reads any other value
            }
            read += 1;
        }
        self.position += read * PIECE;
        read
    }

    /// Fails because the next piece is of another kind than expected.
    fn unexpected<T>(&self, expected: Kind) -> Result<T, Malformed> {
        Err(Malformed::Kind { expected, found: self.peek()? })
    }

    fn marker(&self) -> Result<Marker, Malformed> {
        self.bytes.get(self.position).map(|byte| Marker::from_u8(*byte)).ok_or(Malformed::Truncated)
    }

    /// Returns a reader of the bytes after the next marker.
    const fn rest(&self) -> Body<'a> {
        Body { bytes: self.bytes, position: self.position + 1 }
    }

    fn commit_len(&mut self, rest: &Body<'a>, len: usize, bytes_each: usize) -> Result<usize, Malformed> {
        if len.saturating_mul(bytes_each) > self.bytes.len().saturating_sub(rest.position) {
            return Err(Malformed::Truncated);
        }
        self.position = rest.position;
        Ok(len)
    }
}

/// Bytes after a marker.
struct Body<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Body<'a> {
    /// Returns the marker before these bytes.
    fn marker(&self) -> Result<Marker, Malformed> {
        let before = self.position.checked_sub(1).and_then(|position| self.bytes.get(position));
        before.map(|byte| Marker::from_u8(*byte)).ok_or(Malformed::Truncated)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let end = self.position.checked_add(len).ok_or(Malformed::Truncated)?;
        let bytes = self.bytes.get(self.position..end).ok_or(Malformed::Truncated)?;
        self.position = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed::Truncated)
    }

    fn len32(&mut self) -> Result<usize, Malformed> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| Malformed::Truncated)
    }
}

const fn kind_of(marker: Marker) -> Kind {
    match marker {
        Marker::Null => Kind::Nil,
        Marker::True | Marker::False => Kind::Bool,
        Marker::FixPos(_)
        | Marker::FixNeg(_)
        | Marker::U8
        | Marker::U16
        | Marker::U32
        | Marker::U64
        | Marker::I8
        | Marker::I16
        | Marker::I32
        | Marker::I64 => Kind::Int,
        Marker::F32 => Kind::F32,
        Marker::F64 => Kind::F64,
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => Kind::Str,
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => Kind::Bin,
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => Kind::Array,
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => Kind::Map,
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32
        | Marker::Reserved => Kind::Ext,
    }
}
