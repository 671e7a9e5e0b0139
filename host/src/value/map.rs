//! Entries of maps: keys as text, and the one order in which entries are stored, that of their encoded keys.
//! `check`, `encode` and `compose` write maps with it; the codec sorts what guests return.

use crate::model::Datum;
use crate::value::wire::{Kind, Reader};
use crate::value::{Type, ValueFault, encode};
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

/// Encodes a key of type `ty` that is written as text: the key of a table or of a JSON object.
pub fn encode_key(ty: &Type, text: &str) -> Result<Vec<u8>, ValueFault> {
    let datum = match ty {
        Type::Char | Type::String => Datum::Text(text.to_owned()),
        Type::Bool => match text {
            "true" => Datum::Bool(true),
            "false" => Datum::Bool(false),
            _ => return Err(no_key(ty)), // no other text is a bool
        },
        // Only integers are left.
        _ => Datum::Int(text.parse().ok().filter(|_| !text.starts_with('+')).ok_or_else(|| no_key(ty))?),
    };
    encode(ty, &datum).map(|key| key.to_vec()).map_err(|_| no_key(ty))
}

fn no_key(ty: &Type) -> ValueFault {
    ValueFault::new(format!("the key is no {ty}"))
}

/// Reads a key as text, for JSON.
pub(crate) fn key_text<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, str>, ValueFault> {
    Ok(match reader.peek()? {
        Kind::Int => reader.int()?.to_string().into(),
        _ => reader.str()?.into(), // only texts are left
    })
}

/// Collects the entries of a map that are written behind each other, and puts them into order.
pub(crate) struct Entries {
    /// Position of the first entry in the output.
    start: usize,
    /// Each entry's key, and the end of its value.
    ranges: Vec<(Range<usize>, usize)>,
    is_ordered: bool,
}

/// Error: a key occurs twice; the position of the entry among those that were written.
pub(crate) struct Duplicate(pub(crate) usize);

impl From<Duplicate> for ValueFault {
    fn from(Duplicate(index): Duplicate) -> Self {
        Self::new("duplicate key").at_index(index)
    }
}

impl Entries {
    /// Starts the entries at the end of the output.
    pub(crate) const fn begin(out: &[u8]) -> Self {
        Self { start: out.len(), ranges: Vec::new(), is_ordered: true }
    }

    /// Notes the entry that ends at the end of the output, and whose key occupies `key`.
    pub(crate) fn add(&mut self, out: &[u8], key: Range<usize>) {
        let previous = self.ranges.last().and_then(|(key, _)| out.get(key.clone()));
        self.is_ordered &= previous.is_none_or(|previous| Some(previous) < out.get(key.clone()));
        self.ranges.push((key, out.len()));
    }

    /// Puts the entries into the order of their encoded keys. Fails if a key occurs twice.
    pub(crate) fn finish(self, out: &mut Vec<u8>) -> Result<(), Duplicate> {
        if self.is_ordered {
            return Ok(());
        }
        let key = |(_, (key, _)): &(usize, (Range<usize>, usize))| out.get(key.clone()).unwrap_or_default();
        let mut entries: Vec<_> = self.ranges.into_iter().enumerate().collect();
        entries.sort_by(|left, right| key(left).cmp(key(right)));
        if let Some((_, later)) =
            entries.array_windows().map(|[one, two]| (one, two)).find(|(one, two)| key(one) == key(two))
        {
            return Err(Duplicate(later.0));
        }
        let mut sorted = Vec::with_capacity(out.len().saturating_sub(self.start));
        for (_, (key, end)) in entries {
            sorted.extend_from_slice(out.get(key.start..end).unwrap_or_default());
        }
        out.truncate(self.start);
        out.extend_from_slice(&sorted);
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
    use proptest::prelude::*;

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
