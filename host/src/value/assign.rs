//! Assignability: whether a producer's type fits a consumer's, and how values are converted if their encodings
//! differ.
//! The relation on numbers is in `relation`. Structure counts, type names do not; conversions drop fields, wrap
//! options and widen numbers, nothing else.

use crate::value::check::{enter_some, locate, one_pair};
use crate::value::relation::{Widening, widening};
use crate::value::wire::{Kind, Malformed, Reader};
use crate::value::{Case, Field, Mismatch, ResultType, Type, ValueFault, wire};
use bytes::Bytes;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;

/// Conversion of values of one type to another.
///
/// None if values stay as they are, as most do: every edge of a plan has a conversion.
#[derive(Debug, Clone)]
pub struct Conversion(Option<Box<Op>>);

/// Returns the conversion from a producer's type to a consumer's, or where they do not fit.
///
/// `option<T>` fits `option<U>` if `T` fits `U`, so that none stays none. Any other type that fits `U` is wrapped in
/// `some`.
pub fn assign(from: &Type, to: &Type) -> Result<Conversion, Mismatch> {
    fit(from, to).map(Conversion::new)
}

impl Conversion {
    fn new(op: Op) -> Self {
        Self((!op.is_same()).then(|| Box::new(op)))
    }

    /// Returns whether values stay as they are.
    #[must_use]
    pub const fn is_identity(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the conversion of the elements of a list; none if this one does not make a list of a list.
    #[must_use]
    pub fn of_elements(&self) -> Option<Self> {
        match self.0.as_deref() {
            None => Some(self.clone()),
            Some(Op::List(element) | Op::Bytes(element)) => Some(Self::new((**element).clone())),
            Some(_) => None, // makes something else
        }
    }

    /// Converts one value; shares its bytes if nothing changes.
    ///
    /// Fields that the producer lacks, and widened numbers, may make a value many times as large. The conversion
    /// fails soon after `max_len` bytes are written.
    pub fn apply(&self, value: &Bytes, max_len: usize) -> Result<Bytes, Unconverted> {
        let Some(op) = &self.0 else { return Ok(value.clone()) };
        let mut reader = Reader::new(value);
        let mut out = Vec::with_capacity(value.len());
        op.run(&mut reader, &mut out, max_len)?;
        reader.finish().map_err(ValueFault::from)?;
        Ok(out.into())
    }
}

/// Reason why a value cannot be converted.
#[derive(Debug, thiserror::Error)]
pub enum Unconverted {
    /// The value is not of the producer's type.
    #[error(transparent)]
    Fault(#[from] ValueFault),
    /// The converted value exceeds the bound.
    #[error("the converted value is too large")]
    TooLarge,
}

type Converted = Result<(), Unconverted>;

impl From<Malformed> for Unconverted {
    fn from(malformed: Malformed) -> Self {
        Self::Fault(malformed.into())
    }
}

impl Unconverted {
    fn at_index(self, index: usize) -> Self {
        self.map_fault(|fault| fault.at_index(index))
    }

    fn in_field(self, name: &str) -> Self {
        self.map_fault(|fault| fault.in_field(name))
    }

    fn map_fault(self, map: impl FnOnce(ValueFault) -> ValueFault) -> Self {
        match self {
            Self::Fault(fault) => Self::Fault(map(fault)),
            Self::TooLarge => Self::TooLarge,
        }
    }
}

/// Fails if the output exceeds `max_len` bytes.
const fn check_len(out: &[u8], max_len: usize) -> Converted {
    if out.len() > max_len { Err(Unconverted::TooLarge) } else { Ok(()) }
}

/// A step of a conversion.
#[derive(Debug, Clone)]
enum Op {
    Same,
    Number(Widening),
    /// The value becomes a `some`, in an array of one if it may itself be nil.
    Wrap {
        inner: Box<Op>,
        in_array: bool,
    },
    /// Bytes become an array of numbers, each converted further.
    Bytes(Box<Op>),
    List(Box<Op>),
    /// The values of a map; keys stay as they are.
    Map(Box<Op>),
    Tuple(Vec<Op>),
    Record {
        from: Arc<[Field]>,
        to: Vec<FieldOp>,
    },
    Option {
        inner: Box<Op>,
        from: Type,
        to_in_array: bool,
    },
    /// Flags in the consumer's order.
    Flags(Arc<[Arc<str>]>),
    /// Payload conversions by case; cases without a payload have no entry.
    Variant(Vec<(Arc<str>, Op)>),
}

/// A field of the consumer, and its source in the producer.
#[derive(Debug, Clone)]
struct FieldOp {
    name: Arc<str>,
    /// Position among the producer's fields and the conversion; none for an `option` that the producer lacks.
    source: Option<(usize, Op)>,
}

fn fit(from: &Type, to: &Type) -> Result<Op, Mismatch> {
    let structural = structural(from, to);
    match (structural, to) {
        (Ok(op), _) => Ok(op),
        // If two options do not fit, removing only one of them cannot help.
        (Err(_), Type::Option(some)) if !matches!(from, Type::Option(_)) => {
            let inner = fit(from, some)?;
            Ok(Op::Wrap { inner: Box::new(inner), in_array: some.admits_nil() })
        }
        (Err(mismatch), _) => Err(mismatch),
    }
}

fn structural(from: &Type, to: &Type) -> Result<Op, Mismatch> {
    match (from, to) {
        (Type::Bool, Type::Bool) | (Type::Char, Type::Char) | (Type::String, Type::String) => Ok(Op::Same),
        (Type::List(from), Type::List(to)) => {
            let inner = fit(from, to).map_err(|mismatch| mismatch.within("[]"))?;
            Ok(match (&**from, &**to, inner) {
                (Type::U8, Type::U8, _) => Op::Same,
                (Type::U8, _, inner) => Op::Bytes(Box::new(inner)),
                (_, _, Op::Same) => Op::Same,
                (_, _, inner) => Op::List(Box::new(inner)),
            })
        }
        (Type::Map(from), Type::Map(to)) if from.key == to.key => {
            let inner = fit(&from.value, &to.value).map_err(|mismatch| mismatch.within("[]"))?;
            Ok(if inner.is_same() { Op::Same } else { Op::Map(Box::new(inner)) })
        }
        (Type::Map(from), Type::Map(to)) => {
            let (from, to) = (&from.key, &to.key);
            Err(Mismatch::because(format!("the keys are `{from}`, but the target type has the keys `{to}`")))
        }
        (Type::Tuple(from_types), Type::Tuple(to_types)) if from_types.len() == to_types.len() => {
            let ops = from_types.iter().zip(to_types.iter()).enumerate().map(|(index, (from, to))| {
                fit(from, to).map_err(|mismatch| mismatch.within(format!("[{index}]")))
            });
            let ops = ops.collect::<Result<Vec<_>, _>>()?;
            Ok(if ops.iter().all(Op::is_same) { Op::Same } else { Op::Tuple(ops) })
        }
        (Type::Record(from), Type::Record(to)) => record(from, to),
        (Type::Option(from), Type::Option(to)) => {
            let inner = fit(from, to).map_err(|mismatch| mismatch.within(".some"))?;
            let is_same = inner.is_same() && from.admits_nil() == to.admits_nil();
            let (inner, from, to_in_array) = (Box::new(inner), (**from).clone(), to.admits_nil());
            Ok(if is_same { Op::Same } else { Op::Option { inner, from, to_in_array } })
        }
        (Type::Result(from), Type::Result(to)) => result(from, to),
        (Type::Variant(from), Type::Variant(to)) => variant(from, to),
        (Type::Enum(from), Type::Enum(to)) => superset("case", from, to).map(|()| Op::Same),
        (Type::Flags(from), Type::Flags(to)) => {
            superset("flag", from, to)?;
            let kept = to.iter().filter(|name| from.contains(name));
            // Kept flags in the same order have the same encoding.
            let in_order = kept.zip(from.iter()).all(|(to, from)| to == from);
            Ok(if in_order { Op::Same } else { Op::Flags(Arc::clone(to)) })
        }
        _ => match widening(from, to) {
            Some(Widening::Same) => Ok(Op::Same),
            Some(widening) => Ok(Op::Number(widening)),
            None => Err(Mismatch::types(from, to)), // no number, or one that does not fit
        },
    }
}

fn record(from: &Arc<[Field]>, to: &Arc<[Field]>) -> Result<Op, Mismatch> {
    let mut ops = Vec::with_capacity(to.len());
    let fields_by_name: HashMap<&str, (usize, &Field)> =
        from.iter().enumerate().map(|(index, known)| (&*known.name, (index, known))).collect();
    for field in to.iter() {
        let source = match fields_by_name.get(&*field.name).copied() {
            Some((index, known)) => {
                let op = fit(&known.ty, &field.ty)
                    .map_err(|mismatch| mismatch.within(format!(".{}", field.name)))?;
                Some((index, op))
            }
            None if matches!(field.ty, Type::Option(_)) => None,
            None => {
                return Err(Mismatch::because(format!("field `{}: {}` is missing", field.name, field.ty)));
            }
        };
        ops.push(FieldOp { name: Arc::clone(&field.name), source });
    }
    let is_unchanged =
        |(index, op): (usize, &FieldOp)| matches!(&op.source, Some((source, Op::Same)) if *source == index);
    let is_same = from.len() == to.len() && ops.iter().enumerate().all(is_unchanged);
    Ok(if is_same { Op::Same } else { Op::Record { from: Arc::clone(from), to: ops } })
}

fn result(from: &ResultType, to: &ResultType) -> Result<Op, Mismatch> {
    let mut payloads = Vec::new();
    for (name, from, to) in [("ok", &from.ok, &to.ok), ("err", &from.err, &to.err)] {
        if let Some(op) = payload(name, from.as_ref(), to.as_ref())? {
            payloads.push((Arc::from(name), op));
        }
    }
    Ok(cases(payloads))
}

fn variant(from: &[Case], to: &[Case]) -> Result<Op, Mismatch> {
    let mut payloads = Vec::new();
    let targets: HashMap<&str, &Case> = to.iter().map(|known| (&*known.name, known)).collect();
    for case in from {
        let Some(target) = targets.get(&*case.name) else {
            return Err(Mismatch::because(format!("the target type has no case `{}`", case.name)));
        };
        if let Some(op) = payload(&case.name, case.ty.as_ref(), target.ty.as_ref())? {
            payloads.push((Arc::clone(&case.name), op));
        }
    }
    Ok(cases(payloads))
}

fn payload(name: &str, from: Option<&Type>, to: Option<&Type>) -> Result<Option<Op>, Mismatch> {
    match (from, to) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) => {
            fit(from, to).map(Some).map_err(|mismatch| mismatch.within(format!(".{name}")))
        }
        (Some(_), None) => {
            Err(Mismatch::because(format!("`{name}` has a payload, but the target type has none")))
        }
        (None, Some(ty)) => Err(Mismatch::because(format!(
            "`{name}` has no payload, but the target type has the payload `{ty}`"
        ))),
    }
}

fn cases(payloads: Vec<(Arc<str>, Op)>) -> Op {
    if payloads.iter().all(|(_, op)| op.is_same()) { Op::Same } else { Op::Variant(payloads) }
}

fn superset(kind: &str, from: &[Arc<str>], to: &[Arc<str>]) -> Result<(), Mismatch> {
    let known: HashSet<&str> = to.iter().map(|name| &**name).collect();
    match from.iter().find(|name| !known.contains(&***name)) {
        None => Ok(()),
        Some(name) => Err(Mismatch::because(format!("the target type has no {kind} `{name}`"))),
    }
}

impl Op {
    const fn is_same(&self) -> bool {
        matches!(self, Self::Same)
    }

    fn run(&self, reader: &mut Reader<'_>, out: &mut Vec<u8>, max_len: usize) -> Converted {
        match self {
            Self::Same => {
                let start = reader.position();
                reader.skip()?;
                out.extend_from_slice(reader.between(start, reader.position()));
            }
            Self::Number(widening) => number(*widening, reader, out)?,
            Self::Wrap { inner, in_array } => {
                if *in_array {
                    wire::put_array_len(out, 1);
                }
                inner.run(reader, out, max_len)?;
            }
            Self::Bytes(inner) => bytes(inner, reader.bin()?, out, max_len)?,
            Self::List(inner) => {
                let len = reader.array_len()?;
                wire::put_array_len(out, len);
                for index in 0..len {
                    inner.run(reader, out, max_len).map_err(|fault| fault.at_index(index))?;
                    check_len(out, max_len)?;
                }
            }
            Self::Map(inner) => {
                let len = reader.map_len()?;
                wire::put_map_len(out, len);
                for index in 0..len {
                    Self::Same.run(reader, out, max_len)?;
                    inner.run(reader, out, max_len).map_err(|fault| fault.at_index(index))?;
                    check_len(out, max_len)?;
                }
            }
            Self::Tuple(ops) => {
                if reader.array_len()? != ops.len() {
                    return Err(ValueFault::new("the tuple has another length").into());
                }
                wire::put_array_len(out, ops.len());
                for (index, op) in ops.iter().enumerate() {
                    op.run(reader, out, max_len).map_err(|fault| fault.at_index(index))?;
                }
            }
            Self::Record { from, to } => fields(from, to, reader, out, max_len)?,
            Self::Option { inner, from, to_in_array } => {
                if reader.take_nil()? {
                    wire::put_nil(out);
                } else {
                    enter_some(from, reader)?;
                    if *to_in_array {
                        wire::put_array_len(out, 1);
                    }
                    inner.run(reader, out, max_len)?;
                }
            }
            // Names are written in the consumer's order, which is the canonical form there.
            Self::Flags(order) => {
                let len = reader.array_len()?;
                let set = (0..len).map(|_| reader.str()).collect::<Result<Vec<_>, _>>()?;
                wire::put_array_len(out, len);
                order.iter().filter(|name| set.contains(&&***name)).for_each(|name| wire::put_str(out, name));
            }
            Self::Variant(payloads) => variant_payload(payloads, reader, out, max_len)?,
        }
        Ok(())
    }
}

/// Converts a number of at most 32 bits.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the relation admits only integers that the float holds exactly"
)]
fn number(widening: Widening, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Converted {
    match widening {
        Widening::Same => Op::Same.run(reader, out, usize::MAX)?,
        Widening::IntToF32 => wire::put_f32(out, reader.int()? as f32),
        Widening::IntToF64 => wire::put_f64(out, reader.int()? as f64),
        Widening::F32ToF64 => wire::put_f64(out, reader.f32()?.into()),
    }
    Ok(())
}

fn bytes(inner: &Op, bytes: &[u8], out: &mut Vec<u8>, max_len: usize) -> Converted {
    wire::put_array_len(out, bytes.len());
    let mut encoded = Vec::with_capacity(2);
    for (index, byte) in bytes.iter().enumerate() {
        encoded.clear();
        wire::put_uint(&mut encoded, (*byte).into());
        inner.run(&mut Reader::new(&encoded), out, max_len).map_err(|fault| fault.at_index(index))?;
        check_len(out, max_len)?;
    }
    Ok(())
}

fn fields(
    from: &[Field],
    to: &[FieldOp],
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    max_len: usize,
) -> Converted {
    let positions = locate(from, reader)?;
    let end = reader.position();
    wire::put_map_len(out, to.len());
    for field in to {
        wire::put_str(out, &field.name);
        let source = field
            .source
            .as_ref()
            .and_then(|(index, op)| positions.get(*index).copied().flatten().map(|index| (index, op)));
        match source {
            None => wire::put_nil(out),
            Some((position, op)) => {
                reader.seek(position);
                op.run(reader, out, max_len).map_err(|fault| fault.in_field(&field.name))?;
            }
        }
    }
    reader.seek(end);
    Ok(())
}

fn variant_payload(
    payloads: &[(Arc<str>, Op)],
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    max_len: usize,
) -> Converted {
    if reader.peek()? != Kind::Map {
        return Op::Same.run(reader, out, max_len);
    }
    one_pair(reader)?;
    let name = reader.str()?;
    wire::put_map_len(out, 1);
    wire::put_str(out, name);
    let op = payloads.iter().find(|(case, _)| **case == *name).map_or(&Op::Same, |(_, op)| op);
    op.run(reader, out, max_len).map_err(|fault| fault.in_field(name))
}
