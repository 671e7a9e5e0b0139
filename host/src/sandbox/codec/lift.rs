//! Lifting (canonical ABI): reads a result from guest memory and writes MessagePack, with no tree of values in between.
//! Trusts nothing of the guest: every address, length, case and string is checked, and the output is bounded. Core
//! values are decoded by `flat`, strings by `strings`.

use crate::invoke::Outcome;
use crate::model::{Step, to_usize};
use crate::sandbox::codec::entries::sort_by_key;
use crate::sandbox::codec::flat::unflatten;
use crate::sandbox::codec::layout::{Cases, EntryLayout, Kind, Layout, Members, NameTable};
use crate::sandbox::codec::memory::Encoding;
use crate::sandbox::guest::{Deadline, TimedOut};
use crate::value::{Field, ValueFault, key_bytes, wire};
use bytes::Bytes;
use wasmtime::ValRaw;

/// Number of steps between two checks of the deadline: a few tenths of a millisecond.
const CHECK_INTERVAL: usize = 16 << 10;

/// Number of bytes that count as one step if they are only copied or scanned.
const STEP: usize = 16;

/// Number of bytes that are copied between two counts of steps.
const CHUNK: usize = 64 << 10;

/// Results below this size, in bytes, are copied to a buffer of their exact size.
const SMALL: usize = 256;

/// Error: the encoded result is larger than `limits.output`.
#[derive(Debug, thiserror::Error)]
#[error("the result is larger than `limits.output`")]
pub(crate) struct TooLarge;

/// Error: the guest returned a value that the canonical ABI forbids. The fault says where in the result.
#[derive(Debug, thiserror::Error)]
#[error("the guest returned a malformed value: {0}")]
pub(crate) struct MalformedResult(Box<ValueFault>);

/// Reason why the value that is read at the moment is malformed.
#[derive(Debug, Clone, Copy)]
struct Malformed(&'static str);

/// Reasons to reject a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    #[error(transparent)]
    /// The result exceeds its limit.
    TooLarge(#[from] TooLarge),
    #[error(transparent)]
    /// The result violates the canonical ABI.
    Malformed(#[from] MalformedResult),
    #[error(transparent)]
    /// The deadline passed while the result was read.
    TimedOut(#[from] TimedOut),
}

impl From<Malformed> for Rejected {
    #[cold]
    fn from(Malformed(reason): Malformed) -> Self {
        Self::from(ValueFault::new(reason))
    }
}

impl From<ValueFault> for Rejected {
    #[cold]
    fn from(fault: ValueFault) -> Self {
        Self::Malformed(MalformedResult(Box::new(fault)))
    }
}

impl Rejected {
    /// Adds the step from the enclosing value to the path of a malformed one.
    #[cold]
    fn within(self, step: Step) -> Self {
        match self {
            Self::Malformed(MalformedResult(fault)) => fault.within(step).into(),
            Self::TooLarge(_) | Self::TimedOut(_) => self,
        }
    }

    /// Adds the step from an enclosing list or tuple.
    #[cold]
    fn at_index(self, index: usize) -> Self {
        self.within(Step::Index(u32::try_from(index).unwrap_or(u32::MAX)))
    }

    /// Adds the step from an enclosing record, option, result or variant.
    #[cold]
    fn in_field(self, name: &str) -> Self {
        self.within(Step::Field(name.to_owned()))
    }
}

type Result<T> = std::result::Result<T, Rejected>;

/// State of the guest after its return, and the bounds on reading from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// All of the guest's linear memory.
    pub(crate) memory: &'a [u8],
    /// Encoding of the guest's strings.
    pub(crate) encoding: Encoding,
    /// Maximum size of the result as MessagePack, in bytes.
    pub(crate) limit: usize,
    /// Deadline of the call.
    pub(crate) deadline: Deadline,
}

/// Place of a result.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The flat values of the whole result.
    Flat(&'a [ValRaw]),
    /// Its address in memory.
    Address(usize),
}

/// Lifts the result of a function.
pub(crate) fn result(source: Source<'_>, layout: Option<&Layout>, place: Place<'_>) -> Result<Outcome> {
    let mut encoder = Encoder { source, out: Vec::new(), steps_left: CHECK_INTERVAL };
    let Some(layout) = layout else {
        wire::put_nil(&mut encoder.out);
        return encoder.end(Outcome::Value);
    };
    match place {
        Place::Flat(mut slots) => {
            // One core value is the common case, and needs no allocation.
            let (mut word, mut words) = ([0; 8], Vec::new());
            let bytes = match word.get_mut(..layout.size) {
                Some(bytes) => bytes,
                None => {
                    words.resize(layout.size, 0);
                    &mut *words
                }
            };
            unflatten(layout, &mut slots, bytes)?;
            encoder.encode_result(layout, bytes)
        }
        Place::Address(address) => {
            let bytes = encoder.slice(address, layout.size, layout.align)?;
            encoder.encode_result(layout, bytes)
        }
    }
}

/// Writes MessagePack while it reads values.
struct Encoder<'a> {
    source: Source<'a>,
    out: Vec<u8>,
    /// Remaining steps until the next check of the deadline.
    steps_left: usize,
}

impl<'a> Encoder<'a> {
    /// Encodes the whole result. For a `result`, only the payload is encoded: the outcome names the side.
    fn encode_result(mut self, layout: &Layout, bytes: &[u8]) -> Result<Outcome> {
        let Kind::Result(sides) = &layout.kind else {
            self.load(layout, bytes)?;
            return self.end(Outcome::Value);
        };
        let case = case(sides.width, bytes)?;
        let side = sides.all.get(case).ok_or(Malformed(layout.kind.unknown_case()))?;
        match &side.layout {
            Some(payload) => self
                .load(payload, part(bytes, sides.payload, payload.size)?)
                .map_err(|rejected| rejected.in_field(&side.name))?,
            None => wire::put_nil(&mut self.out),
        }
        self.end(if case == 0 { Outcome::Value } else { Outcome::Error })
    }

    fn end(self, outcome: fn(Bytes) -> Outcome) -> Result<Outcome> {
        self.check_limit()?;
        Ok(outcome(shrink(self.out.into())))
    }

    /// Writes one value, which occupies exactly `bytes`.
    fn load(&mut self, layout: &Layout, bytes: &[u8]) -> Result<()> {
        match &layout.kind {
            Kind::Bool => wire::put_bool(&mut self.out, u8::from_le_bytes(array(bytes)?) != 0),
            Kind::S8 => wire::put_int(&mut self.out, i8::from_le_bytes(array(bytes)?).into()),
            Kind::U8 => wire::put_uint(&mut self.out, u8::from_le_bytes(array(bytes)?).into()),
            Kind::S16 => wire::put_int(&mut self.out, i16::from_le_bytes(array(bytes)?).into()),
            Kind::U16 => wire::put_uint(&mut self.out, u16::from_le_bytes(array(bytes)?).into()),
            Kind::S32 => wire::put_int(&mut self.out, i32::from_le_bytes(array(bytes)?).into()),
            Kind::U32 => wire::put_uint(&mut self.out, u32::from_le_bytes(array(bytes)?).into()),
            Kind::S64 => wire::put_int(&mut self.out, i64::from_le_bytes(array(bytes)?)),
            Kind::U64 => wire::put_uint(&mut self.out, u64::from_le_bytes(array(bytes)?)),
            Kind::F32 => wire::put_f32(&mut self.out, f32::from_le_bytes(array(bytes)?)),
            Kind::F64 => wire::put_f64(&mut self.out, f64::from_le_bytes(array(bytes)?)),
            Kind::Char => {
                let char = char::from_u32(u32::from_le_bytes(array(bytes)?));
                let char = char.ok_or(Malformed("an invalid char"))?;
                wire::put_str(&mut self.out, char.encode_utf8(&mut [0; 4]));
            }
            Kind::String => self.text(bytes)?,
            Kind::Bytes => {
                let bytes = self.elements(bytes, 1, 1)?;
                self.reserve(bytes.len())?;
                wire::put_bin_len(&mut self.out, bytes.len());
                for chunk in bytes.chunks(CHUNK) {
                    self.out.extend_from_slice(chunk);
                    self.count_steps(chunk.len() / STEP)?;
                }
            }
            Kind::List(element) => self.list(element, bytes)?,
            Kind::Map(entry) => self.map(entry, bytes)?,
            Kind::Tuple(inner) => self.members(inner, None, bytes)?,
            Kind::Record(record) => self.members(&record.inner, Some(&record.fields), bytes)?,
            Kind::Enum(names) => {
                let key = names.keys.get(case(layout.size, bytes)?);
                self.out.extend_from_slice(key.ok_or(Malformed(layout.kind.unknown_case()))?);
            }
            Kind::Flags(names) => self.flags(names, bytes),
            Kind::Option(option) => match case(1, bytes)? {
                0 => wire::put_nil(&mut self.out),
                1 => {
                    // Nested options: an array of one distinguishes `some(none)` from `none`.
                    if option.wraps {
                        wire::put_array_len(&mut self.out, 1);
                    }
                    self.load(&option.some, part(bytes, option.payload, option.some.size)?)
                        .map_err(|rejected| rejected.in_field("some"))?;
                }
                _ => return Err(Malformed(layout.kind.unknown_case()).into()), // there is no other case
            },
            Kind::Result(cases) | Kind::Variant(cases) => self.case_value(&layout.kind, cases, bytes)?,
        }
        // The limit is checked after every value, so that the output exceeds it by one scalar or name at most.
        self.check_limit()
    }

    /// Writes the members of a tuple, or of a record with these fields.
    fn members(&mut self, inner: &Members, fields: Option<&[Field]>, bytes: &[u8]) -> Result<()> {
        self.out.extend_from_slice(&inner.head);
        for (nth, member) in inner.members.iter().enumerate() {
            self.out.extend_from_slice(&member.key);
            self.load(&member.layout, part(bytes, member.offset, member.layout.size)?).map_err(
                |rejected| match fields.and_then(|fields| fields.get(nth)) {
                    Some(field) => rejected.in_field(&field.name),
                    None => rejected.at_index(nth),
                },
            )?;
        }
        Ok(())
    }

    fn case_value(&mut self, kind: &Kind, cases: &Cases, bytes: &[u8]) -> Result<()> {
        let chosen = cases.all.get(case(cases.width, bytes)?).ok_or(Malformed(kind.unknown_case()))?;
        self.out.extend_from_slice(&chosen.head);
        match &chosen.layout {
            Some(payload) => self
                .load(payload, part(bytes, cases.payload, payload.size)?)
                .map_err(|rejected| rejected.in_field(&chosen.name)),
            None => Ok(()),
        }
    }

    /// Writes the names of the bits that are set. Bits without a name are ignored, as the canonical ABI requires.
    fn flags(&mut self, names: &NameTable, bits: &[u8]) {
        let is_set = |bit: usize| bits.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0);
        let set = || names.keys.iter().enumerate().filter(|(bit, _)| is_set(*bit));
        wire::put_array_len(&mut self.out, set().count());
        set().for_each(|(_, key)| self.out.extend_from_slice(key));
    }

    fn text(&mut self, pair: &[u8]) -> Result<()> {
        let (address, len) = pointer(pair)?;
        let (align, size) = self.source.encoding.layout(len);
        let bytes = self.slice(address, size, align)?;
        let encoding = self.source.encoding;
        if encoding == Encoding::Utf8 {
            self.reserve(bytes.len())?;
            wire::put_str_len(&mut self.out, bytes.len());
            return self.pieces(len, bytes, |encoder, piece| {
                let piece =
                    std::str::from_utf8(piece).map_err(|_| Malformed("a string that is not UTF-8"))?;
                encoder.out.extend_from_slice(piece.as_bytes());
                Ok(())
            });
        }
        // A string takes at least half as many bytes in UTF-8 as it takes in any other encoding.
        self.reserve(size / 2)?;
        let mut text = String::with_capacity(size / 2);
        self.pieces(len, bytes, |encoder, piece| {
            encoding.decode(len, piece, &mut text).ok_or(Malformed("a string that is not Unicode"))?;
            encoder.reserve(text.len())
        })?;
        wire::put_str(&mut self.out, &text);
        Ok(())
    }

    /// Passes a string of that length to `read` in pieces that never cut a character, and counts the steps.
    fn pieces(
        &mut self,
        len: usize,
        bytes: &[u8],
        mut read: impl FnMut(&mut Self, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) =
                rest.split_at_checked(self.source.encoding.piece(len, rest)).ok_or(TRUNCATED)?;
            read(self, piece)?;
            self.count_steps(piece.len() / STEP)?;
            rest = after;
        }
        Ok(())
    }

    fn list(&mut self, element: &Layout, pair: &[u8]) -> Result<()> {
        let bytes = self.elements(pair, element.size, element.align)?;
        let elements = bytes.chunks_exact(element.size.max(1));
        // A list that cannot fit is rejected before anything is allocated or copied.
        self.reserve(elements.len().saturating_mul(element.min_encoded))?;
        wire::put_array_len(&mut self.out, elements.len());
        match element.kind {
            Kind::F32 => self.float_runs(bytes, wire::put_run_of_f32)?,
            Kind::F64 => self.float_runs(bytes, wire::put_run_of_f64)?,
            _ => {
                // Their sizes in MessagePack differ, so each element is encoded by itself.
                for (nth, bytes) in elements.enumerate() {
                    self.count_steps(element.steps)?;
                    self.load(element, bytes).map_err(|rejected| rejected.at_index(nth))?;
                }
            }
        }
        Ok(())
    }

    /// Writes the entries of a map in the order of their keys. If a key occurs twice, its last value counts, as the
    /// component model has it.
    fn map(&mut self, entry: &EntryLayout, pair: &[u8]) -> Result<()> {
        let bytes = self.elements(pair, entry.size, entry.align)?;
        let entries = bytes.chunks_exact(entry.size.max(1));
        let len = entries.len();
        self.reserve(len.saturating_mul(entry.min_encoded))?;
        let begin = self.out.len();
        wire::put_map_len(&mut self.out, len);
        let first = self.out.len();
        let (mut previous, mut is_ordered) = (0..0, true);
        for (nth, bytes) in entries.enumerate() {
            self.count_steps(entry.steps)?;
            let start = self.out.len();
            let key = part(bytes, 0, entry.key.size)?;
            self.load(&entry.key, key).map_err(|rejected| rejected.at_index(nth))?;
            let key = start..self.out.len();
            is_ordered &= previous.is_empty() || self.out.get(previous) < self.out.get(key.clone());
            previous = key;
            let value = part(bytes, entry.offset, entry.value.size)?;
            self.load(&entry.value, value).map_err(|rejected| rejected.at_index(nth))?;
        }
        if is_ordered { Ok(()) } else { self.order(begin, first, len) }
    }

    /// Puts the `len` entries from `first` on into the order of their keys, and corrects their number at `begin`.
    fn order(&mut self, begin: usize, first: usize, len: usize) -> Result<()> {
        let written = self.out.split_off(first);
        self.out.truncate(begin);
        let mut positions = Vec::with_capacity(len);
        let mut reader = wire::Reader::new(&written);
        for _ in 0..len {
            let position = reader.position();
            // More than 32 bits can count is more than MessagePack allows for a text or a list.
            positions.push(u32::try_from(position).map_err(|_| TooLarge)?);
            reader.skip().and_then(|()| reader.skip()).map_err(|_| TRUNCATED)?;
            self.count_steps((reader.position() - position) / STEP)?;
        }
        let entry = |position: u32| written.get(to_usize(position)..).unwrap_or_default();
        let key = |position: u32| key_bytes(entry(position));
        sort_by_key(&mut positions, key, || self.source.deadline.check())?;
        let is_last = |index: &usize| {
            let next = positions.get(index + 1).map(|position| key(*position));
            positions.get(*index).map(|position| key(*position)) != next
        };
        let kept = || (0..len).filter(is_last).filter_map(|index| positions.get(index));
        wire::put_map_len(&mut self.out, kept().count());
        for position in kept() {
            let mut reader = wire::Reader::new(entry(*position));
            reader.skip().and_then(|()| reader.skip()).map_err(|_| TRUNCATED)?;
            self.out.extend_from_slice(reader.between(0, reader.position()));
            self.count_steps(reader.position() / STEP)?;
        }
        Ok(())
    }

    fn float_runs(&mut self, bytes: &[u8], put: fn(&mut Vec<u8>, &[u8])) -> Result<()> {
        for chunk in bytes.chunks(CHUNK) {
            put(&mut self.out, chunk);
            self.count_steps(chunk.len() / STEP)?;
        }
        Ok(())
    }

    /// Counts steps. Fails if the deadline has passed, which is checked every [`CHECK_INTERVAL`] steps.
    fn count_steps(&mut self, steps: usize) -> Result<()> {
        self.steps_left = self.steps_left.saturating_sub(steps);
        if self.steps_left == 0 {
            self.steps_left = CHECK_INTERVAL;
            self.source.deadline.check()?;
        }
        Ok(())
    }

    /// Returns the bytes of the elements that an address and a count refer to.
    fn elements(&self, pair: &[u8], element_size: usize, align: usize) -> Result<&'a [u8]> {
        let (address, len) = pointer(pair)?;
        self.slice(address, len.checked_mul(element_size).ok_or(OUTSIDE)?, align)
    }

    fn slice(&self, address: usize, len: usize, align: usize) -> Result<&'a [u8]> {
        let slice = self.source.memory.get(address..).and_then(|rest| rest.get(..len)).ok_or(OUTSIDE)?;
        if !address.is_multiple_of(align.max(1)) {
            return Err(Malformed("a misaligned address").into());
        }
        Ok(slice)
    }

    /// Reserves capacity for `len` more bytes. Fails if the limit does not allow them.
    fn reserve(&mut self, len: usize) -> Result<()> {
        if len > self.source.limit.saturating_sub(self.out.len()) {
            return Err(TooLarge.into());
        }
        self.out.reserve(len.saturating_add(HEAD));
        Ok(())
    }

    /// Fails if the output exceeds its limit. Large pieces are rejected earlier, by [`Self::reserve`].
    fn check_limit(&self) -> Result<()> {
        if self.out.len() > self.source.limit { Err(TooLarge.into()) } else { Ok(()) }
    }
}

/// Maximum size of the MessagePack head in front of a piece, in bytes.
const HEAD: usize = 5;

const OUTSIDE: Malformed = Malformed("an address outside of its memory");

const TRUNCATED: Malformed = Malformed("a truncated value");

fn pointer(pair: &[u8]) -> Result<(usize, usize)> {
    let (address, len) = pair.split_at_checked(4).ok_or(TRUNCATED)?;
    Ok((to_usize(u32::from_le_bytes(array(address)?)), to_usize(u32::from_le_bytes(array(len)?))))
}

/// Reads the case number from the first `width` bytes.
fn case(width: usize, bytes: &[u8]) -> Result<usize> {
    let bytes = part(bytes, 0, width)?;
    Ok(bytes.iter().rev().fold(0, |number, byte| (number << 8) | usize::from(*byte)))
}

fn part(bytes: &[u8], offset: usize, len: usize) -> Result<&[u8]> {
    Ok(bytes.get(offset..).and_then(|rest| rest.get(..len)).ok_or(TRUNCATED)?)
}

/// Drops the unused capacity of a small result, which may be most of the buffer: a run may hold a million results.
pub(crate) fn shrink(out: Bytes) -> Bytes {
    if out.len() < SMALL { Bytes::copy_from_slice(&out) } else { out }
}

/// Returns the first `N` bytes.
fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    Ok(*bytes.first_chunk().ok_or(TRUNCATED)?)
}
