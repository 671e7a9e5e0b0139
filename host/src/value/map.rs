//! Entries of maps: keys as text, and the one order in which entries are stored, that of their encoded keys.
//! `check`, `encode` and `compose` write maps with it; the codec sorts what guests return.

use crate::value::wire::{Kind, Reader};
use crate::value::{Type, ValueFault};
use std::borrow::Cow;
use std::ops::Range;

/// Returns whether a type may be the key of a map: WIT allows what every language can look up.
#[must_use]
pub const fn is_key(ty: &Type) -> bool {
    match ty {
        Type::Bool
        | Type::U8
        | Type::S8
        | Type::U16
        | Type::S16
        | Type::U32
        | Type::S32
        | Type::U64
        | Type::S64
        | Type::Char
        | Type::String => true,
        Type::F32
        | Type::F64
        | Type::List(_)
        | Type::Map(_)
        | Type::Tuple(_)
        | Type::Record(_)
        | Type::Variant(_)
        | Type::Enum(_)
        | Type::Flags(_)
        | Type::Option(_)
        | Type::Result(_) => false,
    }
}

/// Returns whether JSON writes maps with this key as objects. Maps with other keys are arrays of pairs.
pub(crate) fn is_text_key(ty: &Type) -> bool {
    is_key(ty) && *ty != Type::Bool
}

/// Reads a key as text, for JSON.
pub(crate) fn key_text<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, ValueFault> {
    Ok(match reader.peek()? {
        Kind::Int => reader.int()?.to_string().into(),
        _ => reader.str()?.into(), // only texts are left
    })
}

/// Watches the entries of a map that are written behind each other, and puts them into order at the end.
///
/// Threat: a stored map has hundreds of millions of entries. So nothing is kept of entries that come in order.
pub(crate) struct Entries {
    /// Position of the first entry in the output.
    start: usize,
    /// Key of the last entry; empty before the first.
    previous: Range<usize>,
    is_ordered: bool,
}

impl Entries {
    /// Starts the entries at the end of the output.
    pub(crate) const fn begin(out: &[u8]) -> Self {
        Self { start: out.len(), previous: 0..0, is_ordered: true }
    }

    /// Notes the entry at the end of the output, whose key occupies `key`.
    pub(crate) fn add(&mut self, out: &[u8], key: Range<usize>) {
        let is_first = self.previous.is_empty();
        let previous = std::mem::replace(&mut self.previous, key.clone());
        self.is_ordered &= is_first || out.get(previous) < out.get(key);
    }

    /// Puts the entries into the order of their encoded keys. Fails if a key occurs twice.
    pub(crate) fn finish(self, out: &mut Vec<u8>) -> Result<(), ValueFault> {
        if self.is_ordered {
            return Ok(());
        }
        let written = out.split_off(self.start.min(out.len()));
        let mut reader = Reader::new(&written);
        let mut positions = Vec::new();
        while reader.remaining() > 0 {
            positions.push(reader.position());
            reader.skip()?;
            reader.skip()?;
        }
        let key = |position: usize| key_bytes(written.get(position..).unwrap_or_default());
        positions.sort_by_key(|position| key(*position));
        let is_repeated = |pair: &&[usize; 2]| key(pair[0]) == key(pair[1]);
        if let Some([_, later]) = positions.array_windows().find(is_repeated) {
            let index = positions.iter().filter(|position| *position < later).count();
            return Err(ValueFault::new("duplicate key").at_index(index));
        }
        for position in positions {
            reader.seek(position);
            reader.skip()?;
            reader.skip()?;
            out.extend_from_slice(reader.between(position, reader.position()));
        }
        Ok(())
    }
}

/// A key that was read, in the order in which entries are stored: that of the encoded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MapKey<'a> {
    /// A bool.
    Bool(bool),
    /// An integer: the rank of its marker byte, then its value.
    Int(u8, i128),
    /// A text: a shorter one comes first, since its length is encoded in front of it.
    Text(usize, &'a str),
}

impl<'a> MapKey<'a> {
    /// Reads a key. Whether it is of its type is checked elsewhere.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, ValueFault> {
        Ok(match reader.peek()? {
            Kind::Bool => Self::Bool(reader.bool()?),
            Kind::Int => {
                let number = reader.int()?;
                Self::Int(rank(number), number)
            }
            _ => {
                // Only texts are left.
                let text = reader.str()?;
                Self::Text(text.len(), text)
            }
        })
    }
}

/// Returns the key at the beginning of an entry that this host encoded. The keys of one map are ordered by these bytes.
pub(crate) fn key_bytes(entry: &[u8]) -> &[u8] {
    let body = |len_bytes: usize| {
        let len = entry.get(1..=len_bytes).unwrap_or_default().iter();
        len.fold(0, |len: usize, byte| (len << 8) | usize::from(*byte)).saturating_add(len_bytes)
    };
    let len = match entry.first() {
        Some(0xcc | 0xd0) => 1,
        Some(0xcd | 0xd1) => 2,
        Some(0xce | 0xd2) => 4,
        Some(0xcf | 0xd3) => 8,
        Some(head @ 0xa0..=0xbf) => usize::from(head & 0x1f),
        Some(0xd9) => body(1),
        Some(0xda) => body(2),
        Some(0xdb) => body(4),
        _ => 0, // a bool, or an integer of one byte
    };
    entry.get(..=len).unwrap_or(entry)
}

/// Ranks an integer by its shortest form: positive ones, then `int 8` to `int 64`, then the one-byte negative ones.
fn rank(number: i128) -> u8 {
    match number {
        0.. => 0,
        -32..=-1 => 5,
        -0x80..=-33 => 1,
        -0x8000..=-0x81 => 2,
        -0x8000_0000..=-0x8001 => 3,
        _ => 4, // all others take eight bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::{encode, encode_key};
    use proptest::prelude::*;

    #[expect(clippy::needless_pass_by_value, reason = "tests hand over literals")]
    fn encoded(ty: &Type, datum: Datum) -> Vec<u8> {
        encode(ty, &datum).unwrap().to_vec()
    }

    proptest! {
        #[test]
        fn keys_are_ordered_by_their_encoded_bytes(
            (left, right) in prop_oneof![
                (any::<i64>(), any::<i64>()), (-200..200_i64, -200..200_i64), (-70_000..70_000_i64, -70_000..70_000_i64)
            ],
            (one, other) in ("(.{0,40}|a{200,300}|a{65000,66000})", ".{0,40}"),
        ) {
            let int = |number: i64| encoded(&Type::S64, Datum::Int(number.into()));
            let text = |text: String| encoded(&Type::String, Datum::Text(text));
            for (left, right) in [(int(left), int(right)), (text(one), text(other))] {
                let key = |bytes| MapKey::read(&mut Reader::new(bytes)).unwrap();
                let entry = [&left[..], b"\xa3abc"].concat();
                prop_assert_eq!(key_bytes(&entry), &left[..]);
                prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp(&right), "{:?} {:?}", left, right);
            }
        }
    }

    #[test]
    fn keys_of_tables_are_read_by_their_type() {
        for (ty, text, is_read) in [
            ("string", "", true),
            ("char", "\u{df}", true),
            ("char", "ab", false),
            ("u8", "255", true),
            ("u8", "256", false),
            ("u8", "+1", false),
            ("s64", "-9223372036854775808", true),
            ("u64", "1.0", false),
            ("bool", "true", true),
            ("bool", "yes", false),
        ] {
            let ty = Type::parse(ty).unwrap();
            assert_eq!(encode_key(&ty, text).is_ok(), is_read, "{ty} {text}");
        }
    }
}
