//! Flattening of values (canonical ABI): in-memory bytes to the core values of a call, and back for one core value.
//! `lower` writes the bytes and `lift` reads them, always in the in-memory layout.

use crate::sandbox::codec::layout::{Kind, Layout, MAX_FLAT, Members, Record};
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

/// Flattens the value at the beginning of `bytes`, which has the in-memory layout of `shape`.
pub(crate) fn flatten(shape: &Layout, bytes: &[u8], flat: &mut Flat) -> Result<()> {
    let own = part(bytes, 0, shape.size)?;
    match &shape.kind {
        Kind::Bool | Kind::U8 | Kind::U16 | Kind::U32 | Kind::F32 | Kind::Char | Kind::Enum(_) => {
            flat.push(ValRaw::u64(little(own)))
        }
        Kind::S8 => flat.push(ValRaw::i32(i8::from_le_bytes(array(own)?).into())),
        Kind::S16 => flat.push(ValRaw::i32(i16::from_le_bytes(array(own)?).into())),
        Kind::S32 => flat.push(ValRaw::i32(i32::from_le_bytes(array(own)?))),
        Kind::S64 | Kind::U64 | Kind::F64 => flat.push(ValRaw::u64(little(own))),
        Kind::String | Kind::Bytes | Kind::List(_) | Kind::Flags(_) => {
            own.chunks(4).try_for_each(|word| flat.push(ValRaw::u64(little(word))))
        }
        Kind::Tuple(inner) => spread_all(inner, own, flat),
        Kind::Record(record) => spread_all(&record.inner, own, flat),
        Kind::Option(option) => {
            let case = little(part(own, 0, 1)?);
            let some = (case == 1).then_some(&option.some);
            spread_case(shape, case, some, own.get(option.payload..).unwrap_or_default(), flat)
        }
        Kind::Result(cases) | Kind::Variant(cases) => {
            let case = little(part(own, 0, cases.width)?);
            let chosen = usize::try_from(case).ok().and_then(|case| cases.all.get(case));
            let payload = chosen.and_then(|chosen| chosen.shape.as_ref());
            spread_case(shape, case, payload, own.get(cases.payload..).unwrap_or_default(), flat)
        }
    }
}

fn spread_all(inner: &Members, bytes: &[u8], flat: &mut Flat) -> Result<()> {
    inner.members.iter().try_for_each(|member| {
        let own = part(bytes, member.offset, member.shape.size)?;
        flatten(&member.shape, own, flat)
    })
}

/// Flattens the case number and the payload. Slots that only other cases need stay zero.
fn spread_case(
    shape: &Layout,
    case: u64,
    value: Option<&Layout>,
    bytes: &[u8],
    flat: &mut Flat,
) -> Result<()> {
    let end = flat.next.saturating_add(shape.flat);
    flat.push(ValRaw::u64(case))?;
    if let Some(value) = value {
        flatten(value, bytes, flat)?;
    }
    // Every case takes as many slots as the widest one.
    flat.next = end;
    Ok(())
}

/// Returns the in-memory bytes of a value that is one flat value, or a message if the case does not exist.
pub(crate) fn unflatten(shape: &Layout, raw: ValRaw) -> std::result::Result<[u8; 8], &'static str> {
    let small = raw.get_u32();
    let fits = |cases: usize| usize::try_from(small).is_ok_and(|case| case < cases);
    match &shape.kind {
        Kind::Tuple(Members { members, .. })
        | Kind::Record(Record { inner: Members { members, .. }, .. }) => {
            members.first().map_or(Ok([0; 8]), |only| unflatten(&only.shape, raw))
        }
        Kind::Bool => Ok(u64::from(small != 0).to_le_bytes()),
        Kind::Enum(names) if !fits(names.keys.len()) => Err(shape.kind.stray()),
        Kind::Result(cases) | Kind::Variant(cases) if !fits(cases.all.len()) => Err(shape.kind.stray()),
        // The canonical ABI drops bits above the size of the type.
        _ => Ok(raw.get_u64().to_le_bytes()),
    }
}

fn part(bytes: &[u8], at: usize, len: usize) -> Result<&[u8]> {
    let part = bytes.get(at..).and_then(|rest| rest.get(..len));
    part.ok_or_else(|| format_err!("a value outside of its place"))
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    Ok(bytes.try_into()?)
}

/// Reads up to eight bytes as a little-endian number.
fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
