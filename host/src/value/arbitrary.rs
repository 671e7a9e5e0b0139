//! Generators for property tests: any type of bounded size, any value of a type, any wider type.
//! Only tests use them.

use crate::model::Datum;
use crate::value::{Case, Field, MapType, ResultType, Type, encode};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// Generates any type, nested a few levels.
pub(crate) fn any_type() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            Type::Bool,
            Type::U8,
            Type::S8,
            Type::U16,
            Type::S16,
            Type::U32,
            Type::S32,
            Type::U64,
            Type::S64,
            Type::F32,
            Type::F64,
            Type::Char,
            Type::String,
        ]),
        names().prop_map(|names| Type::Enum(names.into())),
        names().prop_map(|names| Type::Flags(names.into())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|ty| Type::List(Arc::new(ty))),
            inner.clone().prop_map(|ty| Type::Option(Arc::new(ty))),
            vec(inner.clone(), 1..4).prop_map(|types| Type::Tuple(types.into())),
            (any_key(), inner.clone()).prop_map(|(key, value)| Type::Map(Arc::new(MapType { key, value }))),
            vec(inner.clone(), 1..4).prop_map(|types| Type::Record(numbered(types).collect())),
            vec(prop::option::of(inner.clone()), 1..4).prop_map(|types| {
                let cases = types.into_iter().enumerate();
                Type::Variant(cases.map(|(nth, ty)| Case { name: label(nth), ty }).collect())
            }),
            (prop::option::of(inner.clone()), prop::option::of(inner))
                .prop_map(|(ok, err)| Type::Result(Arc::new(ResultType { ok, err }))),
        ]
    })
}

/// Generates any type of key.
fn any_key() -> impl Strategy<Value = Type> {
    prop::sample::select(vec![
        Type::Bool,
        Type::U8,
        Type::S8,
        Type::U16,
        Type::S16,
        Type::U32,
        Type::S32,
        Type::U64,
        Type::S64,
        Type::Char,
        Type::String,
    ])
}

fn names() -> impl Strategy<Value = Vec<Arc<str>>> {
    (1..5usize).prop_map(|len| (0..len).map(label).collect())
}

fn label(nth: usize) -> Arc<str> {
    Arc::from(format!("n{nth}"))
}

fn numbered(types: Vec<Type>) -> impl Iterator<Item = Field> {
    types.into_iter().enumerate().map(|(nth, ty)| Field { name: label(nth), ty })
}

/// Generates any value of a type, as a literal.
pub(crate) fn any_value(ty: &Type) -> BoxedStrategy<Datum> {
    match ty {
        Type::Bool => any::<bool>().prop_map(Datum::Bool).boxed(),
        Type::U8 => any::<u8>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::S8 => any::<i8>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::U16 => any::<u16>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::S16 => any::<i16>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::U32 => any::<u32>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::S32 => any::<i32>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::U64 => any::<u64>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::S64 => any::<i64>().prop_map(|number| Datum::Int(number.into())).boxed(),
        Type::F32 => any::<f32>().prop_map(|number| Datum::Float(number.into())).boxed(),
        Type::F64 => any::<f64>().prop_map(Datum::Float).boxed(),
        Type::Char => any::<char>().prop_map(|c| Datum::Text(c.to_string())).boxed(),
        Type::String => ".{0,12}".prop_map(Datum::Text).boxed(),
        Type::List(element) => vec(any_value(element), 0..5).prop_map(Datum::Array).boxed(),
        Type::Map(types) => {
            let key = types.key.clone();
            vec((any_value(&types.key), any_value(&types.value)), 0..5)
                .prop_map(move |pairs| {
                    let mut pairs: Vec<_> = pairs.into_iter().map(|(key, value)| [key, value]).collect();
                    pairs.sort_by_key(|[datum, _]| encode(&key, datum).unwrap());
                    pairs.dedup_by_key(|[datum, _]| encode(&key, datum).unwrap());
                    Datum::Array(pairs.into_iter().map(|pair| Datum::Array(pair.into())).collect())
                })
                .boxed()
        }
        Type::Tuple(types) => all(types.iter()).prop_map(Datum::Array).boxed(),
        Type::Record(fields) => {
            let names: Vec<String> = fields.iter().map(|field| field.name.to_string()).collect();
            all(fields.iter().map(|field| &field.ty))
                .prop_map(move |values| Datum::Table(names.iter().cloned().zip(values).collect()))
                .boxed()
        }
        Type::Option(some) => {
            let wraps = some.admits_nil();
            prop::option::of(any_value(some))
                .prop_map(move |value| match value {
                    None => Datum::Null,
                    Some(value) if wraps => Datum::Array(vec![value]),
                    Some(value) => value,
                })
                .boxed()
        }
        Type::Enum(names) => {
            prop::sample::select(names.to_vec()).prop_map(|name| Datum::Text(name.to_string())).boxed()
        }
        Type::Flags(names) => prop::sample::subsequence(names.to_vec(), 0..=names.len())
            .prop_map(|names| Datum::Array(names.iter().map(|name| Datum::Text(name.to_string())).collect()))
            .boxed(),
        Type::Variant(cases) => {
            let cases: Vec<_> = cases
                .iter()
                .map(|case| any_case(&case.name, case.ty.as_ref(), Datum::Text(case.name.to_string())))
                .collect();
            prop::strategy::Union::new(cases).boxed()
        }
        Type::Result(sides) => {
            let empty = |name: &str| Datum::Table(vec![(name.to_owned(), Datum::Null)]);
            let ok = any_case("ok", sides.ok.as_ref(), empty("ok"));
            let err = any_case("err", sides.err.as_ref(), empty("err"));
            prop_oneof![ok, err].boxed()
        }
    }
}

fn all<'a>(types: impl Iterator<Item = &'a Type>) -> BoxedStrategy<Vec<Datum>> {
    types.map(any_value).collect::<Vec<_>>().boxed()
}

/// Generates a case with any payload, or `without` if it has none.
fn any_case(name: &str, payload: Option<&Type>, without: Datum) -> BoxedStrategy<Datum> {
    let name = name.to_owned();
    match payload {
        Some(ty) => any_value(ty).prop_map(move |value| Datum::Table(vec![(name.clone(), value)])).boxed(),
        None => Just(without).boxed(),
    }
}

/// Returns a type that takes every value of `ty`, widened in places that `choices` pick.
pub(crate) fn widened(ty: &Type, choices: &mut dyn Iterator<Item = u8>) -> Type {
    let choice = choices.next().unwrap_or(0);
    if choice % 7 == 1 {
        return Type::Option(Arc::new(widened(ty, choices)));
    }
    match ty {
        Type::U8 if choice.is_multiple_of(2) => Type::U16,
        Type::U8 if choice % 3 == 1 => Type::F32,
        Type::S16 if choice.is_multiple_of(2) => Type::F32,
        Type::S32 if choice.is_multiple_of(2) => Type::S64,
        Type::U32 | Type::F32 if choice.is_multiple_of(2) => Type::F64,
        Type::List(element) => Type::List(Arc::new(widened(element, choices))),
        Type::Map(types) => {
            let value = widened(&types.value, choices);
            Type::Map(Arc::new(MapType { key: types.key.clone(), value }))
        }
        Type::Option(some) => Type::Option(Arc::new(widened(some, choices))),
        Type::Tuple(types) => Type::Tuple(types.iter().map(|ty| widened(ty, choices)).collect()),
        Type::Record(fields) => widened_record(fields, choice, choices),
        Type::Enum(names) => Type::Enum(with_more(names, choice)),
        Type::Flags(names) => Type::Flags(with_more(names, choice)),
        Type::Variant(cases) => {
            let more = Case { name: Arc::from("more"), ty: Some(Type::U8) };
            let wide = cases.iter().map(|case| Case {
                name: Arc::clone(&case.name),
                ty: case.ty.as_ref().map(|ty| widened(ty, choices)),
            });
            Type::Variant(wide.chain(std::iter::once(more)).collect())
        }
        Type::Result(sides) => Type::Result(Arc::new(ResultType {
            ok: sides.ok.as_ref().map(|ty| widened(ty, choices)),
            err: sides.err.as_ref().map(|ty| widened(ty, choices)),
        })),
        other => other.clone(), // the others stay as they are
    }
}

fn widened_record(fields: &[Field], choice: u8, choices: &mut dyn Iterator<Item = u8>) -> Type {
    let kept_count = usize::from(choice).max(1);
    let mut kept: Vec<Field> = fields
        .iter()
        .take(kept_count)
        .map(|field| Field { name: Arc::clone(&field.name), ty: widened(&field.ty, choices) })
        .collect();
    if choice.is_multiple_of(2) {
        kept.reverse();
        kept.push(Field { name: Arc::from("extra"), ty: Type::Option(Arc::new(Type::String)) });
    }
    Type::Record(kept.into())
}

fn with_more(names: &[Arc<str>], choice: u8) -> Arc<[Arc<str>]> {
    let mut wide = names.to_vec();
    if choice.is_multiple_of(2) {
        wide.reverse();
        wide.insert(0, Arc::from("more"));
    }
    wide.into()
}
