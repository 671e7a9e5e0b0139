//! Layouts of types in linear memory and in MessagePack: sizes, offsets and keys, computed once per function.
//! `lower` and `lift` walk these layouts; nothing is read or written here.

use crate::sandbox::codec::name_index::NameIndex;
use crate::value::{Case, Field, MapType, Passing, Signature, Transfer, Type, wire};
use std::sync::Arc;

/// Maximum number of flat values that the canonical ABI passes outside of linear memory.
pub(crate) const MAX_FLAT: usize = 16;

/// Layouts of a function's parameters and result.
pub(crate) struct Codec {
    /// All parameters, laid out as the members of one tuple.
    pub(crate) params: Layout,
    /// Names of the parameters.
    pub(crate) names: Box<[Arc<str>]>,
    /// Layout of the result, if the function has one.
    pub(crate) result: Option<Layout>,
    /// Elements of the parameters that are streams or futures, by position. Their layout is that of a handle.
    pub(crate) flows: Box<[Option<Flow>]>,
    /// Elements of the result, if it is a stream or a future. Its layout is that of a handle.
    pub(crate) returned_flow: Option<Flow>,
}

/// A stream or a future of elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Flow {
    /// A stream of elements of this type.
    Stream(Type),
    /// A future of this type.
    Future(Type),
}

impl Flow {
    fn new(ty: &Type, transfer: Transfer) -> Option<Self> {
        match (transfer, ty) {
            (Transfer::Stream, Type::List(element)) => Some(Self::Stream((**element).clone())),
            (Transfer::Future, value) => Some(Self::Future(value.clone())),
            (Transfer::Whole | Transfer::Stream, _) => None,
        }
    }
}

impl Codec {
    /// Returns whether the result is a `result` without payloads, such as a command's.
    pub(crate) fn returns_status(&self) -> bool {
        let Some(Layout { kind: Kind::Result(sides), .. }) = &self.result else {
            return false;
        };
        sides.all.iter().all(|case| case.layout.is_none())
    }
}

/// Layout of one type.
pub(crate) struct Layout {
    /// Size in linear memory, in bytes.
    pub(crate) size: usize,
    /// Alignment in linear memory, in bytes.
    pub(crate) align: usize,
    /// Number of core values after flattening.
    pub(crate) flat: usize,
    /// Minimum size of a value in canonical MessagePack, in bytes.
    pub(crate) min_encoded: usize,
    /// True if a value contains no pointers.
    pub(crate) is_plain: bool,
    /// Maximum number of steps to read or write one value, without what it points at.
    pub(crate) steps: usize,
    /// Kind of the type, with its members.
    pub(crate) kind: Kind,
}

/// Kinds of types, each with what the codec needs to walk it.
pub(crate) enum Kind {
    Bool,
    S8,
    U8,
    S16,
    U16,
    S32,
    U32,
    S64,
    U64,
    F32,
    F64,
    Char,
    String,
    /// A `list<u8>`, encoded as a bin.
    Bytes,
    List(Box<Layout>),
    Map(Box<EntryLayout>),
    Tuple(Members),
    Record(Record),
    Enum(NameTable),
    Flags(NameTable),
    Option(Box<Optional>),
    Result(Cases),
    Variant(Cases),
}

/// Layout of a map's entry: a tuple of key and value.
pub(crate) struct EntryLayout {
    /// Size of an entry, in bytes.
    pub(crate) size: usize,
    /// Alignment of an entry, in bytes.
    pub(crate) align: usize,
    /// Minimum size of an entry in canonical MessagePack, in bytes.
    pub(crate) min_encoded: usize,
    /// Maximum number of steps to read or write an entry, without what it points at.
    pub(crate) steps: usize,
    /// Layout of the key, which comes first.
    pub(crate) key: Layout,
    /// Offset of the value, in bytes.
    pub(crate) offset: usize,
    /// Layout of the value.
    pub(crate) value: Layout,
}

/// Members laid out side by side.
pub(crate) struct Members {
    /// MessagePack head in front of the members: their number.
    pub(crate) head: Box<[u8]>,
    /// The members, in declared order.
    pub(crate) members: Box<[Member]>,
}

/// A member of a tuple or a record.
pub(crate) struct Member {
    /// Offset in linear memory, in bytes.
    pub(crate) offset: usize,
    /// MessagePack in front of the value: the name of a field, or nothing.
    pub(crate) key: Box<[u8]>,
    /// Layout of the value.
    pub(crate) layout: Layout,
}

/// Members of a record with their names.
pub(crate) struct Record {
    /// Names and types of the fields.
    pub(crate) fields: Arc<[Field]>,
    /// Their layouts.
    pub(crate) inner: Members,
}

/// Names of an enum's cases or of flags.
pub(crate) struct NameTable {
    all: Arc<[Arc<str>]>,
    /// The names, encoded as MessagePack.
    pub(crate) keys: Box<[Box<[u8]>]>,
    lookup: NameIndex,
}

impl NameTable {
    /// Returns the position of a name.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.lookup.find(name, self.all.len(), |position| self.all.get(position).map(|name| &**name))
    }
}

/// Layout of an option.
pub(crate) struct Optional {
    /// Offset of the payload, in bytes.
    pub(crate) payload: usize,
    /// True if MessagePack wraps the payload in an array of one, because the payload may itself be nil.
    pub(crate) wraps: bool,
    /// Layout of the payload.
    pub(crate) some: Layout,
}

/// Cases of a variant or a `result`.
pub(crate) struct Cases {
    /// Size of the case number, in bytes.
    pub(crate) width: usize,
    /// Offset of the payload, in bytes.
    pub(crate) payload: usize,
    /// The cases, in declared order.
    pub(crate) all: Box<[CaseLayout]>,
    lookup: NameIndex,
}

impl Cases {
    /// Returns the case with a name, and its position.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &CaseLayout)> {
        let name_of = |position: usize| self.all.get(position).map(|case| &*case.name);
        let position = self.lookup.find(name, self.all.len(), name_of)?;
        self.all.get(position).map(|case| (position, case))
    }
}

/// A case of a variant or a `result`.
pub(crate) struct CaseLayout {
    /// Name of the case.
    pub(crate) name: Arc<str>,
    /// MessagePack in front of the payload: the whole encoding if there is no payload.
    pub(crate) head: Box<[u8]>,
    /// Layout of the payload, if the case has one.
    pub(crate) layout: Option<Layout>,
}

impl Codec {
    /// Computes the layouts of a function's parameters and result, which all pass whole.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) fn for_signature(signature: &Signature) -> Self {
        Self::new(signature, &Passing::default())
    }

    /// Computes the layouts of a function's parameters and result.
    pub(crate) fn new(signature: &Signature, passing: &Passing) -> Self {
        let (names, mut types): (Vec<_>, Vec<_>) = signature.params.iter().cloned().unzip();
        let flow = |(index, ty)| Flow::new(ty, passing.param(index));
        let flows: Box<[_]> = types.iter().enumerate().map(flow).collect();
        let mut result = signature.result.clone();
        let returned_flow = result.as_ref().and_then(|ty| Flow::new(ty, passing.result));
        // A handle of a stream or a future is laid out as a number.
        types.iter_mut().zip(&flows).filter(|(_, flow)| flow.is_some()).for_each(|(ty, _)| *ty = Type::U32);
        result = if returned_flow.is_some() { Some(Type::U32) } else { result };
        let result = result.as_ref().map(Layout::for_type);
        Self { params: tuple(&types), names: names.into(), result, flows, returned_flow }
    }
}

impl Layout {
    /// Computes the layout of a type.
    pub(crate) fn for_type(ty: &Type) -> Self {
        match ty {
            Type::Bool => scalar(Kind::Bool, 1, 1),
            Type::S8 => scalar(Kind::S8, 1, 1),
            Type::U8 => scalar(Kind::U8, 1, 1),
            Type::S16 => scalar(Kind::S16, 2, 1),
            Type::U16 => scalar(Kind::U16, 2, 1),
            Type::S32 => scalar(Kind::S32, 4, 1),
            Type::U32 => scalar(Kind::U32, 4, 1),
            Type::S64 => scalar(Kind::S64, 8, 1),
            Type::U64 => scalar(Kind::U64, 8, 1),
            // A float in MessagePack has a marker byte and all of its bytes; integers are as short as they can be.
            Type::F32 => scalar(Kind::F32, 4, 5),
            Type::F64 => scalar(Kind::F64, 8, 9),
            Type::Char => scalar(Kind::Char, 4, 2),
            // The pairs of address and length: an empty bin takes two bytes, an empty string or list takes one.
            Type::String => pointer_pair(Kind::String, 1),
            Type::List(element) if **element == Type::U8 => pointer_pair(Kind::Bytes, 2),
            Type::List(element) => pointer_pair(Kind::List(Box::new(Self::for_type(element))), 1),
            Type::Map(types) => pointer_pair(Kind::Map(Box::new(entry(types))), 1),
            Type::Tuple(types) => tuple(types),
            Type::Record(fields) => record(fields),
            Type::Enum(names) => enumeration(names),
            Type::Flags(names) => flags(names),
            Type::Option(some) => option(some),
            Type::Result(sides) => {
                let case = |name, ty| Case { name: Arc::from(name), ty };
                let cases = [case("ok", sides.ok.clone()), case("err", sides.err.clone())];
                case_layout(Kind::Result, &cases, result_head)
            }
            Type::Variant(cases) => case_layout(Kind::Variant, cases, variant_head),
        }
    }
}

impl Kind {
    /// Returns the message about a value that is none of its type's cases.
    pub(crate) fn unknown_case(&self) -> &'static str {
        match self {
            Self::Option(_) => "an option that is neither none nor some",
            Self::Result(_) => "a result that is neither ok nor err",
            Self::Enum(_) => "an unknown enum case",
            _ => "an unknown variant case", // no other type has cases
        }
    }
}

/// Returns the layout of one value of `size` bytes, aligned to its size.
fn scalar(kind: Kind, size: usize, min_encoded: usize) -> Layout {
    Layout { size, align: size, flat: 1, min_encoded, is_plain: true, steps: 1, kind }
}

/// Returns the layout of an address and a length.
fn pointer_pair(kind: Kind, min_encoded: usize) -> Layout {
    Layout { size: 8, align: 4, flat: 2, min_encoded, is_plain: false, steps: 1, kind }
}

fn entry(types: &MapType) -> EntryLayout {
    let (key, value) = (Layout::for_type(&types.key), Layout::for_type(&types.value));
    let align = key.align.max(value.align);
    let offset = key.size.next_multiple_of(value.align);
    EntryLayout {
        size: offset.saturating_add(value.size).next_multiple_of(align),
        align,
        min_encoded: key.min_encoded.saturating_add(value.min_encoded),
        steps: key.steps.saturating_add(value.steps),
        key,
        offset,
        value,
    }
}

fn tuple(types: &[Type]) -> Layout {
    let head = encoded(|out| wire::put_array_len(out, types.len()));
    sequence(head, types.iter().map(|ty| (Box::default(), ty)), Kind::Tuple)
}

fn record(fields: &Arc<[Field]>) -> Layout {
    let head = encoded(|out| wire::put_map_len(out, fields.len()));
    let members = fields.iter().map(|field| (name(&field.name), &field.ty));
    sequence(head, members, |inner| Kind::Record(Record { fields: Arc::clone(fields), inner }))
}

fn sequence<'a>(
    head: Box<[u8]>,
    members: impl Iterator<Item = (Box<[u8]>, &'a Type)>,
    kind: impl FnOnce(Members) -> Kind,
) -> Layout {
    let mut total = Layout {
        size: 0,
        align: 1,
        flat: 0,
        min_encoded: head.len(),
        is_plain: true,
        steps: 1,
        kind: Kind::Bool,
    };
    let mut placed = Vec::new();
    // Each member starts at the next offset that fits its alignment; all other figures add up.
    for (key, ty) in members {
        let layout = Layout::for_type(ty);
        let offset = total.size.next_multiple_of(layout.align);
        total.size = offset.saturating_add(layout.size);
        total.align = total.align.max(layout.align);
        total.flat = total.flat.saturating_add(layout.flat);
        total.min_encoded = total.min_encoded.saturating_add(key.len()).saturating_add(layout.min_encoded);
        total.is_plain &= layout.is_plain;
        total.steps = total.steps.saturating_add(layout.steps);
        placed.push(Member { offset, key, layout });
    }
    // Elements of a list are contiguous, so the size is padded to the alignment.
    total.size = total.size.next_multiple_of(total.align);
    total.kind = kind(Members { head, members: placed.into() });
    total
}

fn enumeration(names: &Arc<[Arc<str>]>) -> Layout {
    let size = width(names.len());
    let names = named(names);
    let min_encoded = names.keys.iter().map(|key| key.len()).min().unwrap_or(1);
    Layout { size, align: size, flat: 1, min_encoded, is_plain: true, steps: 1, kind: Kind::Enum(names) }
}

fn flags(names: &Arc<[Arc<str>]>) -> Layout {
    let words = names.len().div_ceil(32).max(1);
    let (size, align) = match names.len() {
        0..=8 => (1, 1),
        9..=16 => (2, 2),
        _ => (words.saturating_mul(4), 4), // a word for every 32
    };
    let steps = names.len().max(1);
    Layout {
        size,
        align,
        flat: words,
        min_encoded: 1,
        is_plain: true,
        steps,
        kind: Kind::Flags(named(names)),
    }
}

fn option(some: &Type) -> Layout {
    // One byte holds the case; the payload starts at the next offset that fits its alignment.
    let wraps = some.admits_nil();
    let some = Layout::for_type(some);
    let payload = 1_usize.next_multiple_of(some.align);
    Layout {
        size: payload.saturating_add(some.size).next_multiple_of(some.align),
        align: some.align,
        flat: some.flat.saturating_add(1),
        min_encoded: 1,
        is_plain: some.is_plain,
        steps: some.steps.saturating_add(1),
        kind: Kind::Option(Box::new(Optional { payload, wraps, some })),
    }
}

fn case_layout(kind: fn(Cases) -> Kind, cases: &[Case], head: fn(&Case) -> Box<[u8]>) -> Layout {
    let width = width(cases.len());
    let cases: Box<[CaseLayout]> = cases
        .iter()
        .map(|case| CaseLayout {
            name: Arc::clone(&case.name),
            head: head(case),
            layout: case.ty.as_ref().map(Layout::for_type),
        })
        .collect();
    let layouts = || cases.iter().filter_map(|case| case.layout.as_ref());
    // Any case may be the current one, so the layout takes the maximum over all payloads.
    let max_of = |figure: fn(&Layout) -> usize| layouts().map(figure).max().unwrap_or(0);
    let min_encoded = |case: &CaseLayout| {
        case.head.len().saturating_add(case.layout.as_ref().map_or(0, |layout| layout.min_encoded))
    };
    let lookup = NameIndex::new(cases.len(), |position| cases.get(position).map(|case| &*case.name));
    let align = max_of(|layout| layout.align).max(width);
    let payload = width.next_multiple_of(max_of(|layout| layout.align).max(1));
    Layout {
        size: payload.saturating_add(max_of(|layout| layout.size)).next_multiple_of(align),
        align,
        flat: max_of(|layout| layout.flat).saturating_add(1),
        min_encoded: cases.iter().map(min_encoded).min().unwrap_or(1),
        is_plain: layouts().all(|layout| layout.is_plain),
        steps: max_of(|layout| layout.steps).saturating_add(1),
        kind: kind(Cases { width, payload, lookup, all: cases }),
    }
}

/// Encodes the head of a `result`'s side: a map of one pair, whose value is nil if there is no payload.
fn result_head(case: &Case) -> Box<[u8]> {
    encoded(|out| {
        wire::put_map_len(out, 1);
        wire::put_str(out, &case.name);
        if case.ty.is_none() {
            wire::put_nil(out);
        }
    })
}

/// Encodes the head of a variant's case: a map of one pair, or only the name if there is no payload.
fn variant_head(case: &Case) -> Box<[u8]> {
    encoded(|out| {
        if case.ty.is_some() {
            wire::put_map_len(out, 1);
        }
        wire::put_str(out, &case.name);
    })
}

/// Returns the size of a case number, in bytes.
fn width(cases: usize) -> usize {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4, // the canonical ABI has no wider ones
    }
}

fn named(names: &Arc<[Arc<str>]>) -> NameTable {
    let lookup = NameIndex::new(names.len(), |position| names.get(position).map(|name| &**name));
    NameTable { all: Arc::clone(names), keys: names.iter().map(|text| name(text)).collect(), lookup }
}

fn name(text: &str) -> Box<[u8]> {
    encoded(|out| wire::put_str(out, text))
}

fn encoded(write: impl FnOnce(&mut Vec<u8>)) -> Box<[u8]> {
    let mut out = Vec::new();
    write(&mut out);
    out.into()
}
