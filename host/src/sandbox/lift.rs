//! A result on its way out of a guest: the canonical ABI to MessagePack, without a tree of values in between.
//! The guest may hand over anything: every address, length, case and text is checked, and the output is bounded.

use crate::invoke::Outcome;
use crate::model::to_usize;
use crate::value::wire;
use bytes::Bytes;
use wasmtime::component::__internal::wasmtime_environ::component::{
    StringEncoding, TypeFlags, TypeResult, VariantInfo,
};
use wasmtime::component::__internal::{ComponentTypes, InterfaceType, LiftContext};
use wasmtime::component::Lift;
use wasmtime::{Result, ValRaw};

/// The encoded result passed the fuel that bounds it: it is larger than `limits.output`.
#[derive(Debug, thiserror::Error)]
#[error("the result is larger than `limits.output`")]
pub(crate) struct TooLarge;

/// The guest returned what the canonical ABI forbids.
#[derive(Debug, thiserror::Error)]
#[error("the guest returned a malformed value: {0}")]
pub(crate) struct Malformed(&'static str);

/// Lifts the result; `ty` is the tuple of the function's results, `raw` the flat one or its address.
pub(crate) fn result(cx: &mut LiftContext<'_>, ty: InterfaceType, raw: ValRaw) -> Result<Outcome> {
    let types = cx.types.as_ref();
    let InterfaceType::Tuple(results) = ty else {
        return Err(Malformed("the results are not a tuple").into());
    };
    let results = &types[results];
    let mut encoder = Encoder { types, memory: cx.memory(), cx, out: Vec::new() };
    let Some(ty) = results.types.first() else {
        wire::put_nil(&mut encoder.out);
        return Ok(Outcome::Value(encoder.out.into()));
    };
    if results.abi.flat_count(1).is_some() {
        return encoder.whole_flat(*ty, raw);
    }
    let at = to_usize(raw.get_u32());
    let bytes = encoder.slice(at, 1, to_usize(results.abi.size32), results.abi.align32)?;
    encoder.whole(*ty, bytes)
}

/// Writes values as they are read.
struct Encoder<'c, 'a> {
    types: &'a ComponentTypes,
    memory: &'a [u8],
    cx: &'c mut LiftContext<'a>,
    out: Vec<u8>,
}

impl<'a> Encoder<'_, 'a> {
    /// The outcome of a function, from the memory that holds its result.
    fn whole(mut self, ty: InterfaceType, bytes: &'a [u8]) -> Result<Outcome> {
        let InterfaceType::Result(result) = ty else {
            self.load(ty, bytes)?;
            return Ok(Outcome::Value(self.out.into()));
        };
        let result = &self.types[result];
        let case = discriminant(&result.info, bytes)?;
        let side = side(result, case)?;
        self.side(side.ty, payload(&result.info, bytes))?;
        Ok(side.outcome(self.out.into()))
    }

    /// The outcome of a function whose result is one flat value.
    fn whole_flat(mut self, ty: InterfaceType, raw: ValRaw) -> Result<Outcome> {
        let InterfaceType::Result(result) = ty else {
            self.lift(ty, raw)?;
            return Ok(Outcome::Value(self.out.into()));
        };
        // A result of one flat value carries nothing on either side.
        let side = side(&self.types[result], raw.get_u32())?;
        self.put(wire::put_nil)?;
        Ok(side.outcome(self.out.into()))
    }

    /// Writes one value that stands in linear memory, in exactly `bytes`.
    fn load(&mut self, ty: InterfaceType, bytes: &'a [u8]) -> Result<()> {
        match ty {
            InterfaceType::Bool => self.bool(u8::from_le_bytes(array(bytes)?) != 0),
            InterfaceType::S8 => self.signed(i8::from_le_bytes(array(bytes)?)),
            InterfaceType::U8 => self.unsigned(u8::from_le_bytes(array(bytes)?)),
            InterfaceType::S16 => self.signed(i16::from_le_bytes(array(bytes)?)),
            InterfaceType::U16 => self.unsigned(u16::from_le_bytes(array(bytes)?)),
            InterfaceType::S32 => self.signed(i32::from_le_bytes(array(bytes)?)),
            InterfaceType::U32 => self.unsigned(u32::from_le_bytes(array(bytes)?)),
            InterfaceType::S64 => self.signed(i64::from_le_bytes(array(bytes)?)),
            InterfaceType::U64 => self.unsigned(u64::from_le_bytes(array(bytes)?)),
            InterfaceType::Float32 => self.float32(f32::from_le_bytes(array(bytes)?)),
            InterfaceType::Float64 => self.float64(f64::from_le_bytes(array(bytes)?)),
            InterfaceType::Char => self.char(u32::from_le_bytes(array(bytes)?)),
            InterfaceType::String => self.string(ty, bytes),
            InterfaceType::List(list) => self.list(self.types[list].element, bytes),
            InterfaceType::Record(record) => {
                let fields = &self.types[record].fields;
                self.put(|out| wire::put_map_len(out, fields.len()))?;
                let mut rest = Fields { bytes, used: 0 };
                fields.iter().try_for_each(|field| {
                    self.name(&field.name)?;
                    self.load(field.ty, rest.next(self.types, field.ty)?)
                })
            }
            InterfaceType::Tuple(tuple) => {
                let members = &self.types[tuple].types;
                self.put(|out| wire::put_array_len(out, members.len()))?;
                let mut rest = Fields { bytes, used: 0 };
                members.iter().try_for_each(|ty| self.load(*ty, rest.next(self.types, *ty)?))
            }
            InterfaceType::Enum(names) => self.enum_case(ty, discriminant(&self.types[names].info, bytes)?),
            InterfaceType::Flags(names) => self.flags(&self.types[names], bytes),
            InterfaceType::Option(option) => {
                let option = &self.types[option];
                match discriminant(&option.info, bytes)? {
                    0 => self.put(wire::put_nil),
                    1 => {
                        if let InterfaceType::Option(_) = option.ty {
                            self.put(|out| wire::put_array_len(out, 1))?;
                        }
                        self.payload(option.ty, payload(&option.info, bytes))
                    }
                    _ => Err(Malformed("an option that is neither none nor some").into()), // no other case
                }
            }
            InterfaceType::Result(result) => {
                let result = &self.types[result];
                let side = side(result, discriminant(&result.info, bytes)?)?;
                self.put(|out| wire::put_map_len(out, 1))?;
                self.name(side.name)?;
                self.side(side.ty, payload(&result.info, bytes))
            }
            InterfaceType::Variant(variant) => {
                let info = &self.types[variant].info;
                match self.variant_case(ty, discriminant(info, bytes)?)? {
                    Some(ty) => self.payload(ty, payload(info, bytes)),
                    None => Ok(()),
                }
            }
            InterfaceType::Own(_)
            | InterfaceType::Borrow(_)
            | InterfaceType::Future(_)
            | InterfaceType::Stream(_)
            | InterfaceType::ErrorContext(_)
            | InterfaceType::Map(_)
            | InterfaceType::FixedLengthList(_) => Err(Malformed("a type that cannot cross an edge").into()),
        }
    }

    /// Writes one value that is one flat value: a scalar, or what carries nothing else.
    fn lift(&mut self, ty: InterfaceType, raw: ValRaw) -> Result<()> {
        match ty {
            InterfaceType::Bool => self.bool(raw.get_u32() != 0),
            InterfaceType::S8 => self.signed(i8::from_le_bytes(low(raw))),
            InterfaceType::U8 => self.unsigned(u8::from_le_bytes(low(raw))),
            InterfaceType::S16 => self.signed(i16::from_le_bytes(low(raw))),
            InterfaceType::U16 => self.unsigned(u16::from_le_bytes(low(raw))),
            InterfaceType::S32 => self.signed(raw.get_i32()),
            InterfaceType::U32 => self.unsigned(raw.get_u32()),
            InterfaceType::S64 => self.signed(raw.get_i64()),
            InterfaceType::U64 => self.unsigned(raw.get_u64()),
            InterfaceType::Float32 => self.float32(f32::from_bits(raw.get_f32())),
            InterfaceType::Float64 => self.float64(f64::from_bits(raw.get_f64())),
            InterfaceType::Char => self.char(raw.get_u32()),
            InterfaceType::Record(record) => {
                let fields = &self.types[record].fields;
                self.put(|out| wire::put_map_len(out, fields.len()))?;
                fields.iter().try_for_each(|field| {
                    self.name(&field.name)?;
                    self.lift(field.ty, raw)
                })
            }
            InterfaceType::Tuple(tuple) => {
                let members = &self.types[tuple].types;
                self.put(|out| wire::put_array_len(out, members.len()))?;
                members.iter().try_for_each(|ty| self.lift(*ty, raw))
            }
            InterfaceType::Enum(_) => self.enum_case(ty, raw.get_u32()),
            InterfaceType::Flags(names) => self.flags(&self.types[names], &raw.get_u32().to_le_bytes()),
            InterfaceType::Variant(_) => self.variant_case(ty, raw.get_u32()).map(drop),
            InterfaceType::Result(result) => {
                let side = side(&self.types[result], raw.get_u32())?;
                self.put(|out| wire::put_map_len(out, 1))?;
                self.name(side.name)?;
                self.put(wire::put_nil)
            }
            InterfaceType::String
            | InterfaceType::List(_)
            | InterfaceType::Option(_)
            | InterfaceType::Own(_)
            | InterfaceType::Borrow(_)
            | InterfaceType::Future(_)
            | InterfaceType::Stream(_)
            | InterfaceType::ErrorContext(_)
            | InterfaceType::Map(_)
            | InterfaceType::FixedLengthList(_) => Err(Malformed("a type that is not one flat value").into()),
        }
    }

    #[expect(clippy::fn_params_excessive_bools, reason = "the bool is the value, not a choice")]
    fn bool(&mut self, value: bool) -> Result<()> {
        self.put(|out| wire::put_bool(out, value))
    }

    fn signed(&mut self, number: impl Into<i64>) -> Result<()> {
        self.put(|out| wire::put_int(out, number.into()))
    }

    fn unsigned(&mut self, number: impl Into<u64>) -> Result<()> {
        self.put(|out| wire::put_uint(out, number.into()))
    }

    fn float32(&mut self, number: f32) -> Result<()> {
        self.put(|out| wire::put_f32(out, number))
    }

    fn float64(&mut self, number: f64) -> Result<()> {
        self.put(|out| wire::put_f64(out, number))
    }

    fn char(&mut self, bits: u32) -> Result<()> {
        let char = char::from_u32(bits).ok_or(Malformed("a char that is none"))?;
        self.name(char.encode_utf8(&mut [0; 4]))
    }

    /// A short text that the host knows.
    fn name(&mut self, name: &str) -> Result<()> {
        self.put(|out| wire::put_str(out, name))
    }

    fn string(&mut self, ty: InterfaceType, bytes: &'a [u8]) -> Result<()> {
        match self.cx.options().string_encoding {
            StringEncoding::Utf8 => {
                let text = self.pointed(bytes, 1, 1)?;
                let text = std::str::from_utf8(text).map_err(|_| Malformed("a text that is not UTF-8"))?;
                self.room(text.len())?;
                self.put_charged(text.len(), |out| wire::put_str(out, text))
            }
            StringEncoding::Utf16 | StringEncoding::CompactUtf16 => {
                // wasmtime's own decoder, which checks the same, and charges before it allocates.
                let text = String::linear_lift_from_memory(self.cx, ty, bytes)?;
                self.put_charged(text.len(), |out| wire::put_str(out, &text))
            }
        }
    }

    fn list(&mut self, element: InterfaceType, bytes: &'a [u8]) -> Result<()> {
        let abi = self.types.canonical_abi(&element);
        let each = to_usize(abi.size32);
        let elements = self.pointed(bytes, each, abi.align32)?;
        if let InterfaceType::U8 = element {
            self.room(elements.len())?;
            return self.put_charged(elements.len(), |out| wire::put_bin(out, elements));
        }
        let elements = elements.chunks_exact(each.max(1));
        self.put(|out| wire::put_array_len(out, elements.len()))?;
        for bytes in elements {
            self.load(element, bytes)?;
        }
        Ok(())
    }

    fn enum_case(&mut self, ty: InterfaceType, case: u32) -> Result<()> {
        let InterfaceType::Enum(names) = ty else { return Err(Malformed("not an enum").into()) };
        let name = self.types[names]
            .names
            .iter()
            .nth(to_usize(case))
            .ok_or(Malformed("an enum without such a case"))?;
        self.name(name)
    }

    /// Writes the name of a case; a value of the type that is returned must follow.
    fn variant_case(&mut self, ty: InterfaceType, case: u32) -> Result<Option<InterfaceType>> {
        let InterfaceType::Variant(variant) = ty else { return Err(Malformed("not a variant").into()) };
        let cases = &self.types[variant].cases;
        let (name, ty) = cases.get_index(to_usize(case)).ok_or(Malformed("a variant without such a case"))?;
        if ty.is_some() {
            self.put(|out| wire::put_map_len(out, 1))?;
        }
        self.name(name)?;
        Ok(*ty)
    }

    /// Writes the names of the bits that are set; bits without a name are ignored, as the canonical ABI says.
    fn flags(&mut self, flags: &'a TypeFlags, bits: &[u8]) -> Result<()> {
        let is_set = |bit: usize| bits.get(bit / 8).is_some_and(|byte| byte & (1 << (bit % 8)) != 0);
        let set: Vec<_> = flags.names.iter().enumerate().filter(|(bit, _)| is_set(*bit)).collect();
        self.put(|out| wire::put_array_len(out, set.len()))?;
        set.into_iter().try_for_each(|(_, name)| self.name(name))
    }

    /// Writes a side of a result.
    fn side(&mut self, ty: Option<InterfaceType>, bytes: &'a [u8]) -> Result<()> {
        match ty {
            Some(ty) => self.payload(ty, bytes),
            None => self.put(wire::put_nil),
        }
    }

    /// Writes what a case carries, at the beginning of `bytes`.
    fn payload(&mut self, ty: InterfaceType, bytes: &'a [u8]) -> Result<()> {
        let size = to_usize(self.types.canonical_abi(&ty).size32);
        self.load(ty, bytes.get(..size).ok_or(Malformed("a case that is cut off"))?)
    }

    /// The elements that an address and a length point at.
    fn pointed(&self, pair: &[u8], each: usize, align: u32) -> Result<&'a [u8]> {
        let (at, len) = pair.split_at_checked(4).ok_or(Malformed("a pointer that is cut off"))?;
        let (at, len) = (u32::from_le_bytes(array(at)?), u32::from_le_bytes(array(len)?));
        self.slice(to_usize(at), to_usize(len), each, align)
    }

    fn slice(&self, at: usize, len: usize, each: usize, align: u32) -> Result<&'a [u8]> {
        let end = len.checked_mul(each).and_then(|size| at.checked_add(size));
        let slice = end.and_then(|end| self.memory.get(at..end));
        let slice = slice.ok_or(Malformed("an address outside of its memory"))?;
        if !at.is_multiple_of(to_usize(align).max(1)) {
            return Err(Malformed("an address that is not aligned").into());
        }
        Ok(slice)
    }

    /// Charges for what is about to be written, before it is.
    fn room(&mut self, len: usize) -> Result<()> {
        self.cx.consume_fuel(len).map_err(|_| TooLarge.into())
    }

    /// Writes a few bytes and charges for them.
    fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        self.put_charged(0, write)
    }

    /// Writes bytes of which `charged` were charged for before.
    fn put_charged(&mut self, charged: usize, write: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let before = self.out.len();
        write(&mut self.out);
        self.room(self.out.len().saturating_sub(before).saturating_sub(charged))
    }
}

/// A side of a result.
struct Side {
    name: &'static str,
    ty: Option<InterfaceType>,
}

impl Side {
    fn outcome(&self, bytes: Bytes) -> Outcome {
        if self.name == "ok" { Outcome::Value(bytes) } else { Outcome::Error(bytes) }
    }
}

fn side(result: &TypeResult, case: u32) -> Result<Side> {
    match case {
        0 => Ok(Side { name: "ok", ty: result.ok }),
        1 => Ok(Side { name: "err", ty: result.err }),
        _ => Err(Malformed("a result that is neither ok nor err").into()), // no other case
    }
}

/// The fields of a record, one after the other.
struct Fields<'a> {
    bytes: &'a [u8],
    used: usize,
}

impl<'a> Fields<'a> {
    fn next(&mut self, types: &ComponentTypes, ty: InterfaceType) -> Result<&'a [u8]> {
        let abi = types.canonical_abi(&ty);
        let start = self.used.next_multiple_of(to_usize(abi.align32).max(1));
        self.used = start.saturating_add(to_usize(abi.size32));
        Ok(self.bytes.get(start..self.used).ok_or(Malformed("a record that is cut off"))?)
    }
}

fn discriminant(info: &VariantInfo, bytes: &[u8]) -> Result<u32> {
    let bytes = bytes.get(..to_usize(info.size.into())).ok_or(Malformed("a case that is cut off"))?;
    Ok(bytes.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

fn payload<'a>(info: &VariantInfo, bytes: &'a [u8]) -> &'a [u8] {
    bytes.get(to_usize(info.payload_offset32)..).unwrap_or_default()
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    Ok(bytes.try_into().map_err(|_| Malformed("a value of the wrong size"))?)
}

/// The lowest bytes of a flat value of 32 bits: the canonical ABI cuts what is above.
fn low<const N: usize>(raw: ValRaw) -> [u8; N] {
    let bytes = raw.get_u32().to_le_bytes();
    std::array::from_fn(|index| bytes.get(index).copied().unwrap_or(0))
}
