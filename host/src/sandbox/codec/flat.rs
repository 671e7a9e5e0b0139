//! Flattening of values (canonical ABI): in-memory bytes to the core values of a call, and back for one core value.
//! `lower` writes the bytes and `lift` reads them, always in the in-memory layout.

use crate::sandbox::codec::layout::{Kind, Layout, MAX_FLAT, Members, Record};
use crate::value::ValueFault;
use wasmtime::{Result, ValRaw, bail, format_err};

/// Flat values of a call. Slots start at zero, so that no unwritten slot is ever read.
pub(crate) struct Flat {
    slots: [ValRaw; MAX_FLAT],
    next: usize,
}

impl Default for Flat {
    fn default() -> Self {
        Self { slots: [ValRaw::u64(0); MAX_FLAT], next: 0 }
    }
}

impl Flat {
    /// Appends one flat value. Fails after [`MAX_FLAT`] of them.
    pub(crate) fn push(&mut self, raw: ValRaw) -> Result<()> {
        match self.slots.get_mut(self.next) {
            Some(slot) => *slot = raw,
            None => bail!("more flat values than the canonical ABI has"),
        }
        self.next += 1;
        Ok(())
    }

    /// Returns all slots; unused ones are zero.
    pub(crate) fn slots(self) -> [ValRaw; MAX_FLAT] {
        self.slots
    }
}

/// Flattens the value at the beginning of `bytes`, which has the in-memory layout of `layout`.
pub(crate) fn flatten(layout: &Layout, bytes: &[u8], flat: &mut Flat) -> Result<()> {
    let value = part(bytes, 0, layout.size)?;
    match &layout.kind {
        Kind::Bool | Kind::U8 | Kind::U16 | Kind::U32 | Kind::F32 | Kind::Char | Kind::Enum(_) => {
            flat.push(ValRaw::u64(from_little_endian(value)))
        }
        Kind::S8 => flat.push(ValRaw::i32(i8::from_le_bytes(array(value)?).into())),
        Kind::S16 => flat.push(ValRaw::i32(i16::from_le_bytes(array(value)?).into())),
        Kind::S32 => flat.push(ValRaw::i32(i32::from_le_bytes(array(value)?))),
        Kind::S64 | Kind::U64 | Kind::F64 => flat.push(ValRaw::u64(from_little_endian(value))),
        Kind::String | Kind::Bytes | Kind::List(_) | Kind::Map(_) | Kind::Flags(_) => {
            value.chunks(4).try_for_each(|word| flat.push(ValRaw::u64(from_little_endian(word))))
        }
        Kind::Tuple(inner) => flatten_members(inner, value, flat),
        Kind::Record(record) => flatten_members(&record.inner, value, flat),
        Kind::Option(option) => {
            let case = from_little_endian(part(value, 0, 1)?);
            let some = (case == 1).then_some(&option.some);
            flatten_case(layout, case, some, value.get(option.payload..).unwrap_or_default(), flat)
        }
        Kind::Result(cases) | Kind::Variant(cases) => {
            let case = from_little_endian(part(value, 0, cases.width)?);
            let case_layout = usize::try_from(case).ok().and_then(|case| cases.all.get(case));
            let payload = case_layout.and_then(|case_layout| case_layout.layout.as_ref());
            flatten_case(layout, case, payload, value.get(cases.payload..).unwrap_or_default(), flat)
        }
    }
}

fn flatten_members(inner: &Members, bytes: &[u8], flat: &mut Flat) -> Result<()> {
    inner.members.iter().try_for_each(|member| {
        let value = part(bytes, member.offset, member.layout.size)?;
        flatten(&member.layout, value, flat)
    })
}

/// Flattens the case number and the payload. Slots that only other cases need stay zero.
fn flatten_case(
    layout: &Layout,
    case: u64,
    value: Option<&Layout>,
    bytes: &[u8],
    flat: &mut Flat,
) -> Result<()> {
    let end = flat.next.saturating_add(layout.flat);
    flat.push(ValRaw::u64(case))?;
    if let Some(value) = value {
        flatten(value, bytes, flat)?;
    }
    // Every case takes as many slots as the widest one.
    flat.next = end;
    Ok(())
}

/// Returns the in-memory bytes of a value that is one flat value, or a fault if the case does not exist.
pub(crate) fn unflatten(layout: &Layout, raw: ValRaw) -> std::result::Result<[u8; 8], ValueFault> {
    let small = raw.get_u32();
    let fits = |cases: usize| usize::try_from(small).is_ok_and(|case| case < cases);
    match &layout.kind {
        Kind::Tuple(inner) => unflatten_only(inner, raw).map_err(|fault| fault.at_index(0)),
        Kind::Record(Record { inner, fields }) => unflatten_only(inner, raw)
            .map_err(|fault| fault.in_field(fields.first().map_or("?", |only| &only.name))),
        Kind::Bool => Ok(u64::from(small != 0).to_le_bytes()),
        Kind::Enum(names) if !fits(names.keys.len()) => Err(ValueFault::new(layout.kind.unknown_case())),
        Kind::Result(cases) | Kind::Variant(cases) if !fits(cases.all.len()) => {
            Err(ValueFault::new(layout.kind.unknown_case()))
        }
        // The canonical ABI drops bits above the size of the type.
        _ => Ok(raw.get_u64().to_le_bytes()),
    }
}

fn unflatten_only(inner: &Members, raw: ValRaw) -> std::result::Result<[u8; 8], ValueFault> {
    inner.members.first().map_or(Ok([0; 8]), |only| unflatten(&only.layout, raw))
}

fn part(bytes: &[u8], offset: usize, len: usize) -> Result<&[u8]> {
    let part = bytes.get(offset..).and_then(|rest| rest.get(..len));
    part.ok_or_else(|| format_err!("a value outside of its slot"))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    Ok(bytes.try_into()?)
}

/// Reads up to eight bytes as a little-endian number.
fn from_little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
