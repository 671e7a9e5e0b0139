//! Flattening of values (canonical ABI): in-memory bytes to the core values of a call, and back.
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

/// Writes the in-memory bytes of a value to `bytes`, which has its size, from the flat values at the front of `slots`, and
/// removes those. Fails with a fault if a case does not exist.
pub(crate) fn unflatten(
    layout: &Layout,
    slots: &mut &[ValRaw],
    bytes: &mut [u8],
) -> std::result::Result<(), ValueFault> {
    match &layout.kind {
        Kind::Tuple(inner) => unflatten_members(inner, slots, bytes, |index, fault| fault.at_index(index)),
        Kind::Record(Record { inner, fields }) => unflatten_members(inner, slots, bytes, |index, fault| {
            fault.in_field(fields.get(index).map_or("?", |field| &field.name))
        }),
        Kind::String | Kind::Bytes | Kind::List(_) | Kind::Map(_) | Kind::Flags(_) => {
            bytes.chunks_mut(4).for_each(|word| put(word, next(slots)));
            Ok(())
        }
        Kind::Option(option) => {
            let case = Some(()).filter(|()| slots.first().is_some_and(|raw| raw.get_u32() == 1));
            let payload = case.map(|()| (&option.some, "some"));
            let place = CasePlace { cases: 2, width: 1, offset: option.payload };
            unflatten_case(layout, place, payload, slots, bytes)
        }
        Kind::Result(cases) | Kind::Variant(cases) => {
            let case = slots.first().and_then(|raw| cases.all.get(usize::try_from(raw.get_u32()).ok()?));
            let payload = case.and_then(|case| Some((case.layout.as_ref()?, &*case.name)));
            let place = CasePlace { cases: cases.all.len(), width: cases.width, offset: cases.payload };
            unflatten_case(layout, place, payload, slots, bytes)
        }
        Kind::Enum(names) => {
            let case = next(slots);
            check_case(layout, case, names.keys.len())?;
            put(bytes, case);
            Ok(())
        }
        Kind::Bool => {
            put(bytes, ValRaw::u64(u64::from(next(slots).get_u32() != 0)));
            Ok(())
        }
        // The canonical ABI drops bits above the size of the type.
        Kind::S8
        | Kind::U8
        | Kind::S16
        | Kind::U16
        | Kind::S32
        | Kind::U32
        | Kind::S64
        | Kind::U64
        | Kind::F32
        | Kind::F64
        | Kind::Char => {
            put(bytes, next(slots));
            Ok(())
        }
    }
}

fn unflatten_members(
    inner: &Members,
    slots: &mut &[ValRaw],
    bytes: &mut [u8],
    step: impl Fn(usize, ValueFault) -> ValueFault,
) -> std::result::Result<(), ValueFault> {
    for (index, member) in inner.members.iter().enumerate() {
        let slot = bytes.get_mut(member.offset..).and_then(|rest| rest.get_mut(..member.layout.size));
        unflatten(&member.layout, slots, slot.unwrap_or_default()).map_err(|fault| step(index, fault))?;
    }
    Ok(())
}

/// Where the in-memory layout of a value with cases has their number and the payload.
struct CasePlace {
    /// Number of cases.
    cases: usize,
    /// Size of the case number, in bytes.
    width: usize,
    /// Offset of the payload, in bytes.
    offset: usize,
}

/// Unflattens the case number and the payload, and skips the slots that only other cases need.
fn unflatten_case(
    layout: &Layout,
    CasePlace { cases, width, offset }: CasePlace,
    payload: Option<(&Layout, &str)>,
    slots: &mut &[ValRaw],
    bytes: &mut [u8],
) -> std::result::Result<(), ValueFault> {
    let rest = slots.get(layout.flat..).unwrap_or_default();
    let case = next(slots);
    check_case(layout, case, cases)?;
    if let Some(slot) = bytes.get_mut(..width) {
        put(slot, case);
    }
    if let Some((inner, name)) = payload {
        let slot = bytes.get_mut(offset..).and_then(|rest| rest.get_mut(..inner.size));
        unflatten(inner, slots, slot.unwrap_or_default()).map_err(|fault| fault.in_field(name))?;
    }
    *slots = rest;
    Ok(())
}

fn check_case(layout: &Layout, case: ValRaw, cases: usize) -> std::result::Result<(), ValueFault> {
    let exists = usize::try_from(case.get_u32()).is_ok_and(|case| case < cases);
    if exists { Ok(()) } else { Err(ValueFault::new(layout.kind.unknown_case())) }
}

/// Removes the first slot. Callers pass as many as the layout has; a missing one is zero.
fn next(slots: &mut &[ValRaw]) -> ValRaw {
    let Some((first, rest)) = slots.split_first() else { return ValRaw::u64(0) };
    *slots = rest;
    *first
}

/// Writes as many of the lowest bytes of a slot as `bytes` takes.
fn put(bytes: &mut [u8], raw: ValRaw) {
    let all = raw.get_u64().to_le_bytes();
    bytes.iter_mut().zip(all).for_each(|(byte, value)| *byte = value);
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
