//! Arguments on their way into a guest: MessagePack to the canonical ABI, without a tree of values in between.
//! The bytes were checked against the function's own types before; what does not fit here is an error all the same.

use crate::value::wire::Reader;
use bytes::Bytes;
use std::mem::MaybeUninit;
use wasmtime::component::__internal::wasmtime_environ::component::{
    TypeEnum, TypeFlags, TypeOption, TypeResult, TypeVariant, VariantInfo,
};
use wasmtime::component::__internal::{ComponentTypes, InterfaceType, LowerContext};
use wasmtime::component::Lower;
use wasmtime::{Result, ValRaw, bail, format_err};

/// How many values the canonical ABI passes outside of linear memory.
pub(crate) const MAX_FLAT: usize = 16;

/// Values outside of linear memory. All are zero from the start: none is ever read that was not written.
struct Flat {
    slots: [ValRaw; MAX_FLAT],
    next: usize,
}

impl Flat {
    fn push(&mut self, raw: ValRaw) -> Result<()> {
        match self.slots.get_mut(self.next) {
            Some(slot) => *slot = raw,
            None => bail!("more flat values than the canonical ABI has"),
        }
        self.next += 1;
        Ok(())
    }
}

/// Lowers one argument a parameter; `ty` is the tuple of the parameters' types.
pub(crate) fn params<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    args: &[Bytes],
) -> Result<[ValRaw; MAX_FLAT]> {
    let InterfaceType::Tuple(params) = ty else { bail!("the parameters are not a tuple") };
    let params = &cx.types[params];
    if params.types.len() != args.len() {
        bail!("the function has {} parameters, {} arguments were given", params.types.len(), args.len());
    }
    let mut flat = Flat { slots: [ValRaw::u64(0); MAX_FLAT], next: 0 };
    let pairs = params.types.iter().zip(args);
    if params.abi.flat_count(MAX_FLAT).is_some() {
        for (ty, arg) in pairs {
            lower(cx, *ty, &mut Reader::new(arg), &mut flat)?;
        }
    } else {
        let start = cx.realloc(0, 0, params.abi.align32, size(params.abi.size32))?;
        let mut layout = Layout { types: cx.types, start, used: 0 };
        for (ty, arg) in pairs {
            store(cx, *ty, &mut Reader::new(arg), layout.place(*ty))?;
        }
        flat.push(pointer(start))?;
    }
    Ok(flat.slots)
}

/// Where the fields of a record stand.
struct Layout<'a> {
    types: &'a ComponentTypes,
    start: usize,
    used: usize,
}

impl Layout<'_> {
    /// The address of the next field, which has that type.
    fn place(&mut self, ty: InterfaceType) -> usize {
        let abi = self.types.canonical_abi(&ty);
        let offset = self.used.next_multiple_of(size(abi.align32).max(1));
        self.used = offset.saturating_add(size(abi.size32));
        self.start.saturating_add(offset)
    }
}

/// Writes one value as flat values.
fn lower<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    reader: &mut Reader<'_>,
    flat: &mut Flat,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => flat.push(ValRaw::u32(reader.bool()?.into())),
        InterfaceType::S8 => flat.push(ValRaw::i32(int::<i8>(reader)?.into())),
        InterfaceType::U8 => flat.push(ValRaw::u32(int::<u8>(reader)?.into())),
        InterfaceType::S16 => flat.push(ValRaw::i32(int::<i16>(reader)?.into())),
        InterfaceType::U16 => flat.push(ValRaw::u32(int::<u16>(reader)?.into())),
        InterfaceType::S32 => flat.push(ValRaw::i32(int(reader)?)),
        InterfaceType::U32 => flat.push(ValRaw::u32(int(reader)?)),
        InterfaceType::S64 => flat.push(ValRaw::i64(int(reader)?)),
        InterfaceType::U64 => flat.push(ValRaw::u64(int(reader)?)),
        InterfaceType::Float32 => flat.push(ValRaw::f32(reader.f32()?.to_bits())),
        InterfaceType::Float64 => flat.push(ValRaw::f64(reader.f64()?.to_bits())),
        InterfaceType::Char => flat.push(ValRaw::u32(char(reader)?.into())),
        InterfaceType::String => {
            // Written before it is read: `MaybeUninit` only because the trait wants it.
            let mut pair = MaybeUninit::new([ValRaw::u64(0); 2]);
            reader.str()?.linear_lower_to_flat(cx, ty, &mut pair)?;
            crate::sandbox::erased::written(pair).into_iter().try_for_each(|raw| flat.push(raw))
        }
        InterfaceType::List(list) => {
            let (start, len) = list_of(cx, types[list].element, reader)?;
            flat.push(pointer(start))?;
            flat.push(pointer(len))
        }
        InterfaceType::Record(record) => {
            let fields = &types[record].fields;
            expect_len(reader.map_len()?, fields.len())?;
            fields.iter().try_for_each(|field| {
                expect_name(reader.str()?, &field.name)?;
                lower(cx, field.ty, reader, flat)
            })
        }
        InterfaceType::Tuple(tuple) => {
            let members = &types[tuple].types;
            expect_len(reader.array_len()?, members.len())?;
            members.iter().try_for_each(|ty| lower(cx, *ty, reader, flat))
        }
        InterfaceType::Enum(names) => flat.push(ValRaw::u32(enum_case(&types[names], reader)?)),
        InterfaceType::Flags(names) => {
            let bits = flag_bits(&types[names], reader)?;
            bits.chunks(4).try_for_each(|word| flat.push(ValRaw::u32(little(word))))
        }
        InterfaceType::Option(_) | InterfaceType::Result(_) | InterfaceType::Variant(_) => {
            let chosen = choose(types, ty, reader)?;
            let count = types.canonical_abi(&ty).flat_count(MAX_FLAT).unwrap_or(MAX_FLAT);
            let end = flat.next.saturating_add(count);
            flat.push(ValRaw::u32(chosen.case))?;
            chosen.payload(reader, |ty, reader| lower(cx, ty, reader, flat))?;
            flat.next = end;
            Ok(())
        }
        InterfaceType::Own(_)
        | InterfaceType::Borrow(_)
        | InterfaceType::Future(_)
        | InterfaceType::Stream(_)
        | InterfaceType::ErrorContext(_)
        | InterfaceType::Map(_)
        | InterfaceType::FixedLengthList(_) => bail!("a type that cannot cross an edge"),
    }
}

/// Writes one value into linear memory, at `at`.
fn store<T>(
    cx: &mut LowerContext<'_, T>,
    ty: InterfaceType,
    reader: &mut Reader<'_>,
    at: usize,
) -> Result<()> {
    let types = cx.types;
    match ty {
        InterfaceType::Bool => write(cx, at, &[reader.bool()?.into()]),
        InterfaceType::S8 => write(cx, at, &int::<i8>(reader)?.to_le_bytes()),
        InterfaceType::U8 => write(cx, at, &int::<u8>(reader)?.to_le_bytes()),
        InterfaceType::S16 => write(cx, at, &int::<i16>(reader)?.to_le_bytes()),
        InterfaceType::U16 => write(cx, at, &int::<u16>(reader)?.to_le_bytes()),
        InterfaceType::S32 => write(cx, at, &int::<i32>(reader)?.to_le_bytes()),
        InterfaceType::U32 => write(cx, at, &int::<u32>(reader)?.to_le_bytes()),
        InterfaceType::S64 => write(cx, at, &int::<i64>(reader)?.to_le_bytes()),
        InterfaceType::U64 => write(cx, at, &int::<u64>(reader)?.to_le_bytes()),
        InterfaceType::Float32 => write(cx, at, &reader.f32()?.to_le_bytes()),
        InterfaceType::Float64 => write(cx, at, &reader.f64()?.to_le_bytes()),
        InterfaceType::Char => write(cx, at, &u32::from(char(reader)?).to_le_bytes()),
        InterfaceType::String => reader.str()?.linear_lower_to_memory(cx, ty, at),
        InterfaceType::List(list) => {
            let (start, len) = list_of(cx, types[list].element, reader)?;
            write(cx, at, &u32::try_from(start)?.to_le_bytes())?;
            write(cx, at.saturating_add(4), &u32::try_from(len)?.to_le_bytes())
        }
        InterfaceType::Record(record) => {
            let fields = &types[record].fields;
            expect_len(reader.map_len()?, fields.len())?;
            let mut layout = Layout { types, start: at, used: 0 };
            fields.iter().try_for_each(|field| {
                expect_name(reader.str()?, &field.name)?;
                store(cx, field.ty, reader, layout.place(field.ty))
            })
        }
        InterfaceType::Tuple(tuple) => {
            let members = &types[tuple].types;
            expect_len(reader.array_len()?, members.len())?;
            let mut layout = Layout { types, start: at, used: 0 };
            members.iter().try_for_each(|ty| store(cx, *ty, reader, layout.place(*ty)))
        }
        InterfaceType::Enum(names) => {
            let names = &types[names];
            let case = enum_case(names, reader)?;
            discriminant(cx, &names.info, case, at)
        }
        InterfaceType::Flags(names) => write(cx, at, &flag_bits(&types[names], reader)?),
        InterfaceType::Option(_) | InterfaceType::Result(_) | InterfaceType::Variant(_) => {
            let chosen = choose(types, ty, reader)?;
            discriminant(cx, chosen.info, chosen.case, at)?;
            let payload = at.saturating_add(size(chosen.info.payload_offset32));
            chosen.payload(reader, |ty, reader| store(cx, ty, reader, payload))
        }
        InterfaceType::Own(_)
        | InterfaceType::Borrow(_)
        | InterfaceType::Future(_)
        | InterfaceType::Stream(_)
        | InterfaceType::ErrorContext(_)
        | InterfaceType::Map(_)
        | InterfaceType::FixedLengthList(_) => bail!("a type that cannot cross an edge"),
    }
}

/// Writes the elements of a list where the guest wants them; where they begin, and how many they are.
fn list_of<T>(
    cx: &mut LowerContext<'_, T>,
    element: InterfaceType,
    reader: &mut Reader<'_>,
) -> Result<(usize, usize)> {
    if let InterfaceType::U8 = element {
        let bytes = reader.bin()?;
        let start = cx.realloc(0, 0, 1, bytes.len())?;
        write(cx, start, bytes)?;
        return Ok((start, bytes.len()));
    }
    let len = reader.array_len()?;
    let abi = cx.types.canonical_abi(&element);
    let each = size(abi.size32);
    let whole = len.checked_mul(each).ok_or_else(|| format_err!("the list is larger than any memory"))?;
    let start = cx.realloc(0, 0, abi.align32, whole)?;
    for index in 0..len {
        store(cx, element, reader, start.saturating_add(index.saturating_mul(each)))?;
    }
    Ok((start, len))
}

/// A case that a value chose, and what it carries.
struct Chosen<'a> {
    info: &'a VariantInfo,
    case: u32,
    payload: Payload,
}

enum Payload {
    /// Nothing is written, nothing stands in the value.
    None,
    /// Nothing is written, nil stands in the value.
    Nil,
    /// A value of that type.
    Value(InterfaceType),
}

impl Chosen<'_> {
    fn payload(
        &self,
        reader: &mut Reader<'_>,
        put: impl FnOnce(InterfaceType, &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        match self.payload {
            Payload::None => Ok(()),
            Payload::Nil => Ok(reader.nil()?),
            Payload::Value(ty) => put(ty, reader),
        }
    }
}

/// Reads up to the payload of an option, result or variant.
fn choose<'a>(types: &'a ComponentTypes, ty: InterfaceType, reader: &mut Reader<'_>) -> Result<Chosen<'a>> {
    match ty {
        InterfaceType::Option(option) => option_case(&types[option], reader),
        InterfaceType::Result(result) => result_case(&types[result], reader),
        InterfaceType::Variant(variant) => variant_case(&types[variant], reader),
        _ => bail!("a type without cases"), // the callers have matched
    }
}

fn option_case<'a>(option: &'a TypeOption, reader: &mut Reader<'_>) -> Result<Chosen<'a>> {
    if reader.take_nil()? {
        return Ok(Chosen { info: &option.info, case: 0, payload: Payload::None });
    }
    if let InterfaceType::Option(_) = option.ty {
        expect_len(reader.array_len()?, 1)?;
    }
    Ok(Chosen { info: &option.info, case: 1, payload: Payload::Value(option.ty) })
}

fn result_case<'a>(result: &'a TypeResult, reader: &mut Reader<'_>) -> Result<Chosen<'a>> {
    expect_len(reader.map_len()?, 1)?;
    let (case, side) = match reader.str()? {
        "ok" => (0, result.ok),
        "err" => (1, result.err),
        _ => bail!("a result is `ok` or `err`"), // no other side
    };
    Ok(Chosen { info: &result.info, case, payload: side.map_or(Payload::Nil, Payload::Value) })
}

fn variant_case<'a>(variant: &'a TypeVariant, reader: &mut Reader<'_>) -> Result<Chosen<'a>> {
    if reader.peek()? == crate::value::wire::Kind::Map {
        expect_len(reader.map_len()?, 1)?;
    }
    let name = reader.str()?;
    let (case, _, ty) = variant.cases.get_full(name).ok_or_else(|| format_err!("no case `{name}`"))?;
    Ok(Chosen {
        info: &variant.info,
        case: u32::try_from(case)?,
        payload: ty.map_or(Payload::None, Payload::Value),
    })
}

fn enum_case(names: &TypeEnum, reader: &mut Reader<'_>) -> Result<u32> {
    let name = reader.str()?;
    let case = names.names.get_index_of(name).ok_or_else(|| format_err!("no case `{name}`"))?;
    Ok(u32::try_from(case)?)
}

/// The set flags as the bytes that linear memory has for them.
fn flag_bits(flags: &TypeFlags, reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let mut bits = vec![0_u8; size(flags.abi.size32)];
    for _ in 0..reader.array_len()? {
        let name = reader.str()?;
        let bit = flags.names.get_index_of(name).ok_or_else(|| format_err!("no flag `{name}`"))?;
        let byte =
            bits.get_mut(bit / 8).ok_or_else(|| format_err!("more flags than the type has room for"))?;
        *byte |= 1 << (bit % 8);
    }
    Ok(bits)
}

/// Up to four bytes as a number, the least first.
fn little(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte))
}

fn discriminant<T>(cx: &mut LowerContext<'_, T>, info: &VariantInfo, case: u32, at: usize) -> Result<()> {
    let bytes = case.to_le_bytes();
    write(cx, at, bytes.get(..size(info.size.into())).unwrap_or(&bytes))
}

fn write<T>(cx: &mut LowerContext<'_, T>, at: usize, bytes: &[u8]) -> Result<()> {
    let room = cx.as_slice_mut().get_mut(at..).and_then(|memory| memory.get_mut(..bytes.len()));
    match room {
        Some(room) => room.copy_from_slice(bytes),
        None => bail!("an address outside of the guest's memory"),
    }
    Ok(())
}

fn int<N: TryFrom<i128>>(reader: &mut Reader<'_>) -> Result<N> {
    let number = reader.int()?;
    N::try_from(number).map_err(|_| format_err!("the number {number} is out of range"))
}

fn char(reader: &mut Reader<'_>) -> Result<char> {
    let mut chars = reader.str()?.chars();
    match (chars.next(), chars.next()) {
        (Some(char), None) => Ok(char),
        _ => bail!("expected one character"), // none, or more
    }
}

fn expect_len(found: usize, expected: usize) -> Result<()> {
    if found != expected {
        bail!("expected {expected} members, found {found}");
    }
    Ok(())
}

fn expect_name(found: &str, expected: &str) -> Result<()> {
    if found != expected {
        bail!("expected the field `{expected}`, found `{found}`");
    }
    Ok(())
}

/// An address or a length, which fits 32 bits and is passed in a slot of 64.
fn pointer(number: usize) -> ValRaw {
    ValRaw::u64(u64::try_from(number).unwrap_or(u64::MAX))
}

fn size(bytes: u32) -> usize {
    crate::model::to_usize(bytes)
}
