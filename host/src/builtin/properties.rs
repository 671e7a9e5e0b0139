//! Each built-in task against its plain reading, for any types and values.
//! `oracle` compares; examples that can be read are in `tests`.

use crate::builtin::oracle::{Variables, check, function, text};
use crate::builtin::table::Builtin;
use crate::model::{Datum, Path, Step};
use crate::value::arbitrary::{any_type, any_value};
use crate::value::{Field, Type, encode, type_at};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// Follows random choices into a type.
fn path_into(whole: &Type, choices: &[u8]) -> Path {
    let (mut path, mut ty) = (Path::root(), whole.clone());
    for choice in choices {
        let nth = |len: usize| usize::from(*choice) % len.max(1);
        let step = match &ty {
            Type::List(_) => Step::Index(u32::from(*choice % 2)),
            Type::Tuple(types) => Step::Index(u32::try_from(nth(types.len())).unwrap()),
            Type::Record(fields) => Step::Field(fields[nth(fields.len())].name.to_string()),
            Type::Option(_) => Step::Field("some".to_owned()),
            Type::Result(sides) if sides.ok.is_some() => Step::Field("ok".to_owned()),
            _ => break, // has no parts
        };
        path.push(step);
        ty = type_at(whole, &path).unwrap().ty;
    }
    path
}

fn written(path: &Path) -> Bytes {
    text(path.to_string().as_str())
}

/// Any value of a type, encoded.
fn encoded(ty: &Type) -> BoxedStrategy<Bytes> {
    let ty = ty.clone();
    any_value(&ty.clone()).prop_map(move |datum| encode(&ty, &datum).unwrap()).boxed()
}

/// A task with arguments. Parts repeat often, so that groups have several members.
fn any_call() -> impl Strategy<Value = (Builtin, Type, Type, Path, Vec<Bytes>)> {
    let types = (any_type(), any_type(), vec(any::<u8>(), 0..3), prop::sample::select(Builtin::ALL.to_vec()));
    types.prop_flat_map(|(first, second, choices, builtin)| {
        // A bool at a path is rare among any types.
        let first = match builtin {
            Builtin::FilterBy => {
                let fields = [("it", first), ("keep", Type::Bool)];
                Type::Record(fields.map(|(name, ty)| Field { name: name.into(), ty }).into())
            }
            _ => first,
        };
        let path = match builtin {
            Builtin::FilterBy => Path::parse("keep").unwrap(),
            _ => path_into(&first, &choices),
        };
        let function = function(builtin, &Variables { first: &first, second: &second, path: &path }).unwrap();
        let args: Vec<BoxedStrategy<Bytes>> = function
            .signature
            .params
            .iter()
            .map(|(name, ty)| match (&**name, ty) {
                ("path", _) => Just(written(&path)).boxed(),
                ("size", _) => {
                    (0..4_u32).prop_map(|size| encode(&Type::U32, &Datum::Int(size.into())).unwrap()).boxed()
                }
                (_, Type::List(element)) => {
                    // From few distinct elements.
                    let pool = vec(any_value(element), 1..4);
                    let (element, ty) = (Arc::clone(element), ty.clone());
                    (pool, vec(any::<prop::sample::Index>(), 0..6))
                        .prop_map(move |(pool, picks)| {
                            let items: Vec<Datum> =
                                picks.iter().map(|pick| pick.get(&pool).clone()).collect();
                            debug_assert!(items.iter().all(|item| encode(&element, item).is_ok()));
                            encode(&ty, &Datum::Array(items)).unwrap()
                        })
                        .boxed()
                }
                (_, ty) => encoded(ty),
            })
            .collect();
        (Just(builtin), Just(first), Just(second), Just(path), args)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn tasks_do_what_their_plain_reading_does((builtin, first, second, path, args) in any_call()) {
        let variables = Variables { first: &first, second: &second, path: &path };
        let function = function(builtin, &variables).unwrap();
        prop_assert_eq!(check(&function, &args), Ok(()));
    }

    #[test]
    fn records_of_scalars_round_trip_as_csv(args in csv_list()) {
        let (ty, list) = args;
        let Type::List(element) = &ty else { panic!("a list") };
        let variables = Variables { first: element, second: element, path: &Path::root() };
        let function = function(Builtin::ToCsv, &variables).unwrap();
        prop_assert_eq!(check(&function, &[list]), Ok(()));
    }
}

/// A list of records that has columns.
fn csv_list() -> impl Strategy<Value = (Type, Bytes)> {
    let scalars = [
        Type::Bool,
        Type::U8,
        Type::S64,
        Type::U64,
        Type::F32,
        Type::F64,
        Type::Char,
        Type::String,
        Type::Enum(["on".into(), "off".into()].into()),
    ];
    let column = (prop::sample::select(scalars.to_vec()), any::<bool>());
    let column = column.prop_map(|(ty, is_option)| if is_option { Type::Option(Arc::new(ty)) } else { ty });
    vec(column, 1..5).prop_flat_map(|columns| {
        let fields = columns.into_iter().enumerate();
        let fields = fields.map(|(nth, ty)| Field { name: format!("column-{nth}").into(), ty });
        let ty = Type::List(Arc::new(Type::Record(fields.collect())));
        (Just(ty.clone()), encoded(&ty))
    })
}
