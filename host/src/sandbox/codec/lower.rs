//! Lowering (canonical ABI): reads MessagePack arguments, checks them and writes them to guest memory in one pass.
//! Offsets come from `layout`, core values from `flat`, strings from `strings`, the calls to wasmtime from `erased`.

use crate::model::to_usize;
use crate::sandbox::codec::entries::sort_by_key;
use crate::sandbox::codec::flat::{Flat, flatten};
use crate::sandbox::codec::layout::{
    Cases, Codec, EntryLayout, Kind, Layout, MAX_FLAT, Member, NameTable, Optional, Record,
};
use crate::sandbox::codec::lower_error::{LowerError, Result, out_of_bounds};
use crate::sandbox::codec::memory::{Encoding, Guest, slice, write_bytes};
use crate::sandbox::codec::strings;
use crate::value::check::{locate_rest, one_pair};
use crate::value::wire::{Kind as Piece, Reader};
use crate::value::{MapKey, Type};
use bytes::Bytes;
use wasmtime::{ValRaw, bail, format_err};

/// Number of bytes of a list that are assembled before they are copied to the guest. Its elements contain pointers, so
/// writing them allocates in between.
const BATCH_BYTES: usize = 16 << 10;

/// Number of bytes of plain elements that are written between two checks of the deadline.
const PLAIN_BATCH_BYTES: usize = 64 << 10;

/// Number of steps between two checks of the deadline, as an element may take more steps than bytes: about 1 ms.
const MAX_BATCH_STEPS: usize = 64 << 10;

/// Lowers the arguments, one per parameter, and returns the flat values of the call. A parameter with a handle is a stream
/// or a future: its argument passes through the handle.
///
/// Fails with [`MalformedArgument`] if an argument is not of its type, and with the guest's own error otherwise.
pub(crate) fn params(
    guest: &mut impl Guest,
    codec: &Codec,
    args: &[Bytes],
    handles: &[Option<u32>],
) -> wasmtime::Result<[ValRaw; MAX_FLAT]> {
    let Kind::Tuple(params) = &codec.params.kind else { bail!("the parameters are not a tuple") };
    // More than sixteen flat values are passed in guest memory, by address.
    let is_flat = codec.params.flat <= MAX_FLAT;
    let start = if is_flat { 0 } else { guest.allocate(codec.params.align, codec.params.size)? };
    let mut target = vec![0; codec.params.size];
    for (index, ((param, name), arg)) in params.members.iter().zip(&codec.names).zip(args).enumerate() {
        let written = match handles.get(index).copied().flatten() {
            Some(handle) => param.slot(&mut target).and_then(|slot| put(slot, handle.to_le_bytes())),
            None => argument(guest, param, arg, &mut target),
        };
        written.map_err(|error| error.of_argument(name))?;
    }
    // `target` now has the in-memory layout of all parameters: flatten it, or copy it to the guest.
    let mut flat = Flat::default();
    if is_flat {
        flatten(&codec.params, &target, &mut flat)?;
    } else {
        slice(guest.memory(), start, target.len())?.copy_from_slice(&target);
        flat.push(ValRaw::u64(u64::try_from(start)?))?;
    }
    Ok(flat.slots())
}

fn argument(guest: &mut impl Guest, param: &Member, arg: &Bytes, target: &mut [u8]) -> Result<()> {
    let mut reader = Reader::new(arg);
    write_value(guest, &param.layout, &mut reader, param.slot(target)?)?;
    Ok(reader.finish()?)
}

/// Reads one value and writes it to `target`, which has the value's size. Pointed-to data goes to the guest.
fn write_value<G: Guest>(
    guest: &mut G,
    layout: &Layout,
    reader: &mut Reader<'_>,
    target: &mut [u8],
) -> Result<()> {
    match &layout.kind {
        Kind::Bool => put(target, [u8::from(reader.bool()?)]),
        Kind::S8 => put(target, int::<i8>(reader, &Type::S8)?.to_le_bytes()),
        Kind::U8 => put(target, int::<u8>(reader, &Type::U8)?.to_le_bytes()),
        Kind::S16 => put(target, int::<i16>(reader, &Type::S16)?.to_le_bytes()),
        Kind::U16 => put(target, int::<u16>(reader, &Type::U16)?.to_le_bytes()),
        Kind::S32 => put(target, int::<i32>(reader, &Type::S32)?.to_le_bytes()),
        Kind::U32 => put(target, int::<u32>(reader, &Type::U32)?.to_le_bytes()),
        Kind::S64 => put(target, int::<i64>(reader, &Type::S64)?.to_le_bytes()),
        Kind::U64 => put(target, int::<u64>(reader, &Type::U64)?.to_le_bytes()),
        Kind::F32 => put(target, reader.canonical_f32()?.to_le_bytes()),
        Kind::F64 => put(target, reader.canonical_f64()?.to_le_bytes()),
        Kind::Char => put(target, u32::from(char(reader)?).to_le_bytes()),
        Kind::String => {
            let (start, len) = strings::store(guest, reader.str()?)?;
            write_pair(target, start, len)
        }
        Kind::Bytes => {
            let bytes = reader.bin()?;
            let start = write_bytes(guest, 1, bytes)?;
            write_pair(target, start, bytes.len())
        }
        Kind::List(element) => list(guest, element, reader, target),
        Kind::Map(entry) => map(guest, entry, reader, target),
        Kind::Tuple(tuple) => {
            let len = reader.array_len()?;
            if len != tuple.members.len() {
                return Err(LowerError::fault(format!(
                    "expected {} elements, found {len}",
                    tuple.members.len()
                )));
            }
            for (index, member) in tuple.members.iter().enumerate() {
                let written = write_value(guest, &member.layout, reader, member.slot(target)?);
                written.map_err(|error| error.at_index(index))?;
            }
            Ok(())
        }
        Kind::Record(inner) => record(guest, inner, reader, target),
        Kind::Enum(names) => write_case(target, layout.size, position(names, reader.str()?, "case")?),
        Kind::Flags(names) => flags(names, reader, target),
        Kind::Option(inner) => option(guest, inner, reader, target),
        Kind::Result(sides) => result(guest, sides, reader, target),
        Kind::Variant(cases) => variant(guest, cases, reader, target),
    }
}

/// Writes the elements of a list to guest memory, and their address and count to `target`.
fn list<G: Guest>(guest: &mut G, element: &Layout, reader: &mut Reader<'_>, target: &mut [u8]) -> Result<()> {
    let len = reader.array_len()?;
    let size = len.checked_mul(element.size);
    let size = size.ok_or_else(|| format_err!("the list is larger than any memory"))?;
    let start = guest.allocate(element.align, size)?;
    if element.is_plain {
        plain_elements(guest, element, reader, (start, len))?;
        return write_pair(target, start, len);
    }
    // Elements with pointers allocate while they are written, which may move or grow the guest's memory. So they are
    // assembled in a batch outside of it.
    let batch_elements = batch_len((element.size, element.steps), BATCH_BYTES, len);
    let mut batch = vec![0; batch_elements.saturating_mul(element.size)];
    for first in (0..len).step_by(batch_elements) {
        guest.check()?;
        let size = batch_elements.min(len - first).saturating_mul(element.size);
        let part = slice(&mut batch, 0, size)?;
        part.fill(0);
        elements(guest, element, reader, part, first)?;
        let address = start.saturating_add(first.saturating_mul(element.size));
        slice(guest.memory(), address, size)?.copy_from_slice(part);
    }
    write_pair(target, start, len)
}

/// Returns how many of `len` elements are written between two checks of the deadline.
fn batch_len((size, steps): (usize, usize), bytes: usize, len: usize) -> usize {
    (bytes / size.max(1)).min(MAX_BATCH_STEPS / steps.max(1)).clamp(1, len.max(1))
}

/// Writes the entries of a map to guest memory, and their address and count to `target`.
fn map<G: Guest>(
    guest: &mut G,
    entry: &EntryLayout,
    reader: &mut Reader<'_>,
    target: &mut [u8],
) -> Result<()> {
    let len = reader.map_len()?;
    let size = len.checked_mul(entry.size);
    let size = size.ok_or_else(|| format_err!("the map is larger than any memory"))?;
    let start = guest.allocate(entry.align, size)?;
    let begin = reader.position();
    // The host stores maps in order. One that others stored may be in another, and is then written anew.
    if !entries(guest, entry, reader, (start, len), None)? {
        reader.seek(begin);
        let order = ordered(guest, reader, len)?;
        let end = reader.position();
        entries(guest, entry, reader, (start, len), Some((begin, &order)))?;
        reader.seek(end);
    }
    write_pair(target, start, len)
}

/// Writes the entries as they come, or in the order of their `positions` behind a first one. Returns false as soon as
/// they come in another order than that of their keys.
fn entries<G: Guest>(
    guest: &mut G,
    entry: &EntryLayout,
    reader: &mut Reader<'_>,
    (start, len): (usize, usize),
    order: Option<(usize, &[u32])>,
) -> Result<bool> {
    let batch_entries = batch_len((entry.size, entry.steps), BATCH_BYTES, len);
    let mut batch = vec![0; batch_entries.saturating_mul(entry.size)];
    let mut previous = None;
    for first in (0..len).step_by(batch_entries) {
        guest.check()?;
        let size = batch_entries.min(len - first).saturating_mul(entry.size);
        let part = slice(&mut batch, 0, size)?;
        part.fill(0);
        for (index, slot) in (first..).zip(part.chunks_exact_mut(entry.size.max(1))) {
            if let Some((begin, positions)) = order {
                reader.seek(
                    begin.saturating_add(positions.get(index).map_or(0, |position| to_usize(*position))),
                );
            }
            let position = reader.position();
            let key = MapKey::read(reader).map_err(|fault| fault.at_index(index))?;
            if previous.is_some_and(|previous| previous >= key) && order.is_none() {
                return Ok(false);
            }
            previous = Some(key);
            reader.seek(position);
            let (key, value) = (&entry.key, &entry.value);
            write_value(guest, key, reader, slice(slot, 0, key.size)?)
                .and_then(|()| write_value(guest, value, reader, slice(slot, entry.offset, value.size)?))
                .map_err(|error| error.at_index(index))?;
        }
        let address = start.saturating_add(first.saturating_mul(entry.size));
        slice(guest.memory(), address, size)?.copy_from_slice(part);
    }
    Ok(true)
}

/// Reads past the entries of a map, and returns their positions behind the first one, ordered by key.
fn ordered(guest: &impl Guest, reader: &mut Reader<'_>, len: usize) -> Result<Vec<u32>> {
    let begin = reader.position();
    let mut positions = Vec::with_capacity(len);
    for index in 0..len {
        if index % BATCH_BYTES == 0 {
            guest.check()?;
        }
        positions.push(u32::try_from(reader.position() - begin).map_err(|_| out_of_bounds())?);
        reader.skip()?;
        reader.skip()?;
    }
    let entries = reader.clone();
    let key = |position: u32| {
        let mut entry = entries.clone();
        entry.seek(begin.saturating_add(to_usize(position)));
        MapKey::read(&mut entry).ok() // another kind is reported when the entry is written
    };
    sort_by_key(&mut positions, key, || guest.check())?;
    let is_repeated = |pair: &[u32; 2]| key(pair[0]) == key(pair[1]);
    match positions.array_windows().find(|pair| is_repeated(pair)) {
        None => Ok(positions),
        Some(_) => Err(LowerError::fault("duplicate key".to_owned())),
    }
}

/// Writes `len` elements without pointers directly to guest memory.
fn plain_elements<G: Guest>(
    guest: &mut G,
    element: &Layout,
    reader: &mut Reader<'_>,
    (start, len): (usize, usize),
) -> Result<()> {
    let batch_elements = batch_len((element.size, element.steps), PLAIN_BATCH_BYTES, len);
    for first in (0..len).step_by(batch_elements) {
        // The check is between batches: a list that fits one is written without it.
        if first > 0 {
            guest.check()?;
        }
        let address = start.saturating_add(first.saturating_mul(element.size));
        let size = batch_elements.min(len - first).saturating_mul(element.size);
        elements(&mut NoAllocation, element, reader, slice(guest.memory(), address, size)?, first)?;
    }
    Ok(())
}

/// Reads elements until `target` is full; `first` is the index of the first one.
fn elements<G: Guest>(
    guest: &mut G,
    element: &Layout,
    reader: &mut Reader<'_>,
    target: &mut [u8],
    first: usize,
) -> Result<()> {
    // Floats have a fixed size in MessagePack, so a run of them is converted at once. It stops at the first other
    // form, and the loop below reports it with its index.
    let read = match element.kind {
        Kind::F32 => reader.run_of_f32(target),
        Kind::F64 => reader.run_of_f64(target),
        _ => 0, // their sizes in MessagePack differ
    };
    for (nth, slot) in target.chunks_exact_mut(element.size.max(1)).enumerate().skip(read) {
        write_value(guest, element, reader, slot)
            .map_err(|error| error.at_index(first.saturating_add(nth)))?;
    }
    Ok(())
}

/// A guest for plain elements, which allocate nothing.
struct NoAllocation;

impl Guest for NoAllocation {
    fn allocate(&mut self, _align: usize, _size: usize) -> wasmtime::Result<usize> {
        bail!("a plain value points at nothing")
    }

    fn memory(&mut self) -> &mut [u8] {
        &mut []
    }

    fn encoding(&self) -> Encoding {
        Encoding::Utf8
    }

    fn check(&self) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Reads the fields of a record: by position while they are in declared order, by search from there on.
fn record<G: Guest>(
    guest: &mut G,
    record: &Record,
    reader: &mut Reader<'_>,
    target: &mut [u8],
) -> Result<()> {
    let len = reader.map_len()?;
    let members = &record.inner.members;
    let mut read = 0;
    // Fast path: the next key equals the declared one.
    for (member, field) in members.iter().zip(record.fields.iter()).take(len) {
        if !reader.take(&member.key) {
            break;
        }
        let written = write_value(guest, &member.layout, reader, member.slot(target)?);
        written.map_err(|error| error.in_field(&field.name))?;
        read += 1;
    }
    // All fields were in order, and none is missing.
    if read == len && read == members.len() {
        return Ok(());
    }
    // Slow path: find the other fields, then visit them in declared order.
    let found = locate_rest(&record.fields, read, len.saturating_sub(read), reader)?;
    let end = reader.position();
    let rest = members.iter().zip(record.fields.iter()).zip(found).skip(read);
    for ((member, field), position) in rest {
        let slot = member.slot(target)?;
        match (position, &field.ty) {
            (Some(position), _) => {
                reader.seek(position);
                write_value(guest, &member.layout, reader, slot)
                    .map_err(|error| error.in_field(&field.name))?;
            }
            // A missing option is `none`; every other field is required.
            (None, Type::Option(_)) => put(slot, [0])?,
            (None, ty) => return Err(LowerError::fault(format!("field `{}: {ty}` is missing", field.name))),
        }
    }
    reader.seek(end);
    Ok(())
}

fn flags(names: &NameTable, reader: &mut Reader<'_>, target: &mut [u8]) -> Result<()> {
    target.fill(0);
    for index in 0..reader.array_len()? {
        let bit = position(names, reader.str()?, "flag").map_err(|error| error.at_index(index))?;
        match target.get_mut(bit / 8) {
            Some(byte) => *byte |= 1 << (bit % 8),
            None => return Err(out_of_bounds()),
        }
    }
    Ok(())
}

fn option<G: Guest>(
    guest: &mut G,
    option: &Optional,
    reader: &mut Reader<'_>,
    target: &mut [u8],
) -> Result<()> {
    if reader.take_nil()? {
        return put(target, [0]);
    }
    if option.wraps {
        let len = reader.array_len()?;
        if len != 1 {
            return Err(LowerError::fault(format!("expected an array of one, found {len}")));
        }
    }
    put(target, [1])?;
    write_value(guest, &option.some, reader, slice(target, option.payload, option.some.size)?)
}

fn result<G: Guest>(guest: &mut G, sides: &Cases, reader: &mut Reader<'_>, target: &mut [u8]) -> Result<()> {
    one_pair(reader)?;
    let name = reader.str()?;
    let Some((case, side)) = sides.find(name) else {
        return Err(LowerError::fault(format!("expected `ok` or `err`, found `{name}`")));
    };
    write_case(target, sides.width, case)?;
    match &side.layout {
        Some(layout) => write_value(guest, layout, reader, slice(target, sides.payload, layout.size)?)
            .map_err(|error| error.in_field(name)),
        None => Ok(reader.nil()?),
    }
}

fn variant<G: Guest>(guest: &mut G, cases: &Cases, reader: &mut Reader<'_>, target: &mut [u8]) -> Result<()> {
    // A case with a payload is a map of one pair, a case without is its name.
    let has_payload = reader.peek()? == Piece::Map;
    if has_payload {
        one_pair(reader)?;
    }
    let name = reader.str()?;
    let Some((nth, case)) = cases.find(name) else {
        return Err(LowerError::fault(format!("no case `{name}`")));
    };
    write_case(target, cases.width, nth)?;
    match (&case.layout, has_payload) {
        (Some(layout), true) => {
            write_value(guest, layout, reader, slice(target, cases.payload, layout.size)?)
                .map_err(|error| error.in_field(name))
        }
        (None, false) => Ok(()),
        (Some(_), false) => Err(LowerError::fault(format!("case `{name}` has no payload here"))),
        (None, true) => Err(LowerError::fault(format!("case `{name}` takes no payload"))),
    }
}

fn position(names: &NameTable, name: &str, kind: &str) -> Result<usize> {
    names.position(name).ok_or_else(|| LowerError::fault(format!("no {kind} `{name}`")))
}

/// Reads an integer of that type.
pub(crate) fn int<N: TryFrom<i128>>(reader: &mut Reader<'_>, ty: &Type) -> Result<N> {
    let number = reader.int()?;
    N::try_from(number).map_err(|_| LowerError::fault(format!("expected {ty}, found {number}")))
}

/// Reads a string of one character.
pub(crate) fn char(reader: &mut Reader<'_>) -> Result<char> {
    let text = reader.str()?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) => Ok(char),
        _ => Err(LowerError::fault(format!("expected one character, found {}", text.chars().count()))), // none, or more
    }
}

impl Member {
    /// Returns the member's slot in a value that occupies `value`.
    fn slot<'a>(&self, value: &'a mut [u8]) -> Result<&'a mut [u8]> {
        Ok(slice(value, self.offset, self.layout.size)?)
    }
}

fn put<const N: usize>(target: &mut [u8], bytes: [u8; N]) -> Result<()> {
    *target.first_chunk_mut().ok_or_else(out_of_bounds)? = bytes;
    Ok(())
}

fn write_case(target: &mut [u8], width: usize, case: usize) -> Result<()> {
    let bytes = case.to_le_bytes();
    slice(target, 0, width)?.copy_from_slice(bytes.get(..width).ok_or_else(out_of_bounds)?);
    Ok(())
}

fn write_pair(target: &mut [u8], start: usize, len: usize) -> Result<()> {
    let number = |number: usize| u32::try_from(number).map_err(|_| out_of_bounds());
    put(target, (u64::from(number(start)?) | u64::from(number(len)?) << 32).to_le_bytes())
}
