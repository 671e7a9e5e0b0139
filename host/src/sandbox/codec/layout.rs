//! How values of a type stand in linear memory and in MessagePack: sizes, places and keys, worked out once a function.
//! Nothing is read or written here; `lower` and `lift` walk what is made here.

use crate::sandbox::codec::name_index::NameIndex;
use crate::value::{Case, Field, Signature, Type, wire};
use std::sync::Arc;

/// How many values the canonical ABI passes outside of linear memory.
pub(crate) const MAX_FLAT: usize = 16;

/// A function's parameters and its result.
pub(crate) struct Codec {
    /// One after the other, as the members of a tuple stand.
    pub(crate) params: Layout,
    /// Their names.
    pub(crate) names: Box<[Arc<str>]>,
    pub(crate) result: Option<Layout>,
}

impl Codec {
    /// Whether the result is a `result` without payloads, as that of a command is.
    pub(crate) fn returns_status(&self) -> bool {
        let Some(Layout { kind: Kind::Result(sides), .. }) = &self.result else {
            return false;
        };
        sides.all.iter().all(|side| side.shape.is_none())
    }
}

/// A type as the codec walks it.
pub(crate) struct Layout {
    /// Bytes in linear memory.
    pub(crate) size: usize,
    pub(crate) align: usize,
    /// How many values it is outside of linear memory.
    pub(crate) flat: usize,
    /// The fewest bytes of a value in canonical MessagePack.
    pub(crate) least: usize,
    /// Whether a value has no part that it points at.
    pub(crate) is_plain: bool,
    /// How many steps it takes at most to read or write one, without what it points at.
    pub(crate) work: usize,
    pub(crate) kind: Kind,
}

/// What there is to do for a type.
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
    /// A list of `u8`, which is a bin.
    Bytes,
    List(Box<Layout>),
    Tuple(Members),
    Record(Record),
    Enum(NameTable),
    Flags(NameTable),
    Option(Box<Optional>),
    Result(Cases),
    Variant(Cases),
}

/// Values that stand side by side.
pub(crate) struct Members {
    /// What stands in front of them in MessagePack: how many there are.
    pub(crate) head: Box<[u8]>,
    pub(crate) members: Box<[Member]>,
}

/// One of them.
pub(crate) struct Member {
    /// Where it begins.
    pub(crate) offset: usize,
    /// What stands in front of it in MessagePack: the name of a field.
    pub(crate) key: Box<[u8]>,
    pub(crate) shape: Layout,
}

/// The members of a record and what they are called.
pub(crate) struct Record {
    pub(crate) fields: Arc<[Field]>,
    pub(crate) inner: Members,
}

/// Names of which one or several are chosen.
pub(crate) struct NameTable {
    all: Arc<[Arc<str>]>,
    /// The names as MessagePack has them.
    pub(crate) keys: Box<[Box<[u8]>]>,
    lookup: NameIndex,
}

impl NameTable {
    /// Where a name stands.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.lookup.find(name, self.all.len(), |place| self.all.get(place).map(|name| &**name))
    }
}

/// An option.
pub(crate) struct Optional {
    /// Where the value of `some` begins.
    pub(crate) payload: usize,
    /// Whether an array of one stands around it in MessagePack, because nil may be the value.
    pub(crate) wraps: bool,
    pub(crate) some: Layout,
}

/// Values of which one stands there.
pub(crate) struct Cases {
    /// How many bytes tell which.
    pub(crate) width: usize,
    /// Where the value begins.
    pub(crate) payload: usize,
    pub(crate) all: Box<[Chosen]>,
    lookup: NameIndex,
}

impl Cases {
    /// The case of that name, and which it is.
    pub(crate) fn find(&self, name: &str) -> Option<(usize, &Chosen)> {
        let name_of = |place: usize| self.all.get(place).map(|case| &*case.name);
        let place = self.lookup.find(name, self.all.len(), name_of)?;
        self.all.get(place).map(|case| (place, case))
    }
}

/// One of them.
pub(crate) struct Chosen {
    pub(crate) name: Arc<str>,
    /// What stands in front of its value in MessagePack: all of it where there is no value.
    pub(crate) head: Box<[u8]>,
    pub(crate) shape: Option<Layout>,
}

impl Codec {
    pub(crate) fn for_signature(signature: &Signature) -> Self {
        let (names, types): (Vec<_>, Vec<_>) = signature.params.iter().cloned().unzip();
        Self {
            params: tuple(&types),
            names: names.into(),
            result: signature.result.as_ref().map(Layout::for_type),
        }
    }
}

impl Layout {
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
            Type::F32 => scalar(Kind::F32, 4, 5),
            Type::F64 => scalar(Kind::F64, 8, 9),
            Type::Char => scalar(Kind::Char, 4, 2),
            Type::String => pointed(Kind::String, 1),
            Type::List(element) if **element == Type::U8 => pointed(Kind::Bytes, 2),
            Type::List(element) => pointed(Kind::List(Box::new(Self::for_type(element))), 1),
            Type::Tuple(types) => tuple(types),
            Type::Record(fields) => record(fields),
            Type::Enum(names) => enumeration(names),
            Type::Flags(names) => flags(names),
            Type::Option(some) => option(some),
            Type::Result(sides) => {
                let case = |name, ty| Case { name: Arc::from(name), ty };
                let cases = [case("ok", sides.ok.clone()), case("err", sides.err.clone())];
                chosen(Kind::Result, &cases, side)
            }
            Type::Variant(cases) => chosen(Kind::Variant, cases, variant_head),
        }
    }
}

impl Kind {
    /// What is said of a value that is none of its type's cases.
    pub(crate) fn stray(&self) -> &'static str {
        match self {
            Self::Option(_) => "an option that is neither none nor some",
            Self::Result(_) => "a result that is neither ok nor err",
            Self::Enum(_) => "an enum without such a case",
            _ => "a variant without such a case", // no other type has cases
        }
    }
}

/// One value of a size, which is aligned to it.
fn scalar(kind: Kind, size: usize, least: usize) -> Layout {
    Layout { size, align: size, flat: 1, least, is_plain: true, work: 1, kind }
}

/// An address and a length.
fn pointed(kind: Kind, least: usize) -> Layout {
    Layout { size: 8, align: 4, flat: 2, least, is_plain: false, work: 1, kind }
}

fn tuple(types: &[Type]) -> Layout {
    let head = written(|out| wire::put_array_len(out, types.len()));
    side_by_side(head, types.iter().map(|ty| (Box::default(), ty)), Kind::Tuple)
}

fn record(fields: &Arc<[Field]>) -> Layout {
    let head = written(|out| wire::put_map_len(out, fields.len()));
    let members = fields.iter().map(|field| (name(&field.name), &field.ty));
    side_by_side(head, members, |inner| Kind::Record(Record { fields: Arc::clone(fields), inner }))
}

fn side_by_side<'a>(
    head: Box<[u8]>,
    members: impl Iterator<Item = (Box<[u8]>, &'a Type)>,
    kind: impl FnOnce(Members) -> Kind,
) -> Layout {
    let mut whole =
        Layout { size: 0, align: 1, flat: 0, least: head.len(), is_plain: true, work: 1, kind: Kind::Bool };
    let mut placed = Vec::new();
    for (key, ty) in members {
        let shape = Layout::for_type(ty);
        let offset = whole.size.next_multiple_of(shape.align);
        whole.size = offset.saturating_add(shape.size);
        whole.align = whole.align.max(shape.align);
        whole.flat = whole.flat.saturating_add(shape.flat);
        whole.least = whole.least.saturating_add(key.len()).saturating_add(shape.least);
        whole.is_plain &= shape.is_plain;
        whole.work = whole.work.saturating_add(shape.work);
        placed.push(Member { offset, key, shape });
    }
    whole.size = whole.size.next_multiple_of(whole.align);
    whole.kind = kind(Members { head, members: placed.into() });
    whole
}

fn enumeration(names: &Arc<[Arc<str>]>) -> Layout {
    let size = width(names.len());
    let names = named(names);
    let least = names.keys.iter().map(|key| key.len()).min().unwrap_or(1);
    Layout { size, align: size, flat: 1, least, is_plain: true, work: 1, kind: Kind::Enum(names) }
}

fn flags(names: &Arc<[Arc<str>]>) -> Layout {
    let words = names.len().div_ceil(32).max(1);
    let (size, align) = match names.len() {
        0..=8 => (1, 1),
        9..=16 => (2, 2),
        _ => (words.saturating_mul(4), 4), // a word for every 32
    };
    let work = names.len().max(1);
    Layout { size, align, flat: words, least: 1, is_plain: true, work, kind: Kind::Flags(named(names)) }
}

fn option(some: &Type) -> Layout {
    let wraps = some.admits_nil();
    let some = Layout::for_type(some);
    let payload = 1_usize.next_multiple_of(some.align);
    Layout {
        size: payload.saturating_add(some.size).next_multiple_of(some.align),
        align: some.align,
        flat: some.flat.saturating_add(1),
        least: 1,
        is_plain: some.is_plain,
        work: some.work.saturating_add(1),
        kind: Kind::Option(Box::new(Optional { payload, wraps, some })),
    }
}

fn chosen(kind: fn(Cases) -> Kind, cases: &[Case], head: fn(&Case) -> Box<[u8]>) -> Layout {
    let width = width(cases.len());
    let cases: Box<[Chosen]> = cases
        .iter()
        .map(|case| Chosen {
            name: Arc::clone(&case.name),
            head: head(case),
            shape: case.ty.as_ref().map(Layout::for_type),
        })
        .collect();
    let shapes = || cases.iter().filter_map(|case| case.shape.as_ref());
    let most = |of: fn(&Layout) -> usize| shapes().map(of).max().unwrap_or(0);
    let least =
        |case: &Chosen| case.head.len().saturating_add(case.shape.as_ref().map_or(0, |shape| shape.least));
    let lookup = NameIndex::of(cases.len(), |place| cases.get(place).map(|case| &*case.name));
    let align = most(|shape| shape.align).max(width);
    let payload = width.next_multiple_of(most(|shape| shape.align).max(1));
    Layout {
        size: payload.saturating_add(most(|shape| shape.size)).next_multiple_of(align),
        align,
        flat: most(|shape| shape.flat).saturating_add(1),
        least: cases.iter().map(least).min().unwrap_or(1),
        is_plain: shapes().all(|shape| shape.is_plain),
        work: most(|shape| shape.work).saturating_add(1),
        kind: kind(Cases { width, payload, lookup, all: cases }),
    }
}

/// A side of a result: a map of one pair, whose value is nil where there is none.
fn side(case: &Case) -> Box<[u8]> {
    written(|out| {
        wire::put_map_len(out, 1);
        wire::put_str(out, &case.name);
        if case.ty.is_none() {
            wire::put_nil(out);
        }
    })
}

/// A case of a variant: a map of one pair, or only the name where there is no value.
fn variant_head(case: &Case) -> Box<[u8]> {
    written(|out| {
        if case.ty.is_some() {
            wire::put_map_len(out, 1);
        }
        wire::put_str(out, &case.name);
    })
}

/// How many bytes tell that many cases apart.
fn width(cases: usize) -> usize {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4, // the canonical ABI has no wider ones
    }
}

fn named(names: &Arc<[Arc<str>]>) -> NameTable {
    let lookup = NameIndex::of(names.len(), |place| names.get(place).map(|name| &**name));
    NameTable { all: Arc::clone(names), keys: names.iter().map(|text| name(text)).collect(), lookup }
}

fn name(text: &str) -> Box<[u8]> {
    written(|out| wire::put_str(out, text))
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Box<[u8]> {
    let mut out = Vec::new();
    write(&mut out);
    out.into()
}
