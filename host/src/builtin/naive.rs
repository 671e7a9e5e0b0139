//! Each built-in task once more, in the plainest way, on trees of values.
//! `oracle` compares the two; nothing else uses these.

use crate::builtin::function::Function;
use crate::builtin::lists::element_type;
use crate::builtin::table::Builtin;
use crate::model::{Datum, Path, Step, to_usize};
use crate::value::{Type, encode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::cmp::Ordering;

/// What a task gives: a tree, a text, or nothing because its arguments do not allow a result.
pub(crate) type Expected = Option<Datum>;

/// Computes the result of a call; none if it must fail.
pub(crate) fn expected(function: &Function, args: &[Datum]) -> Expected {
    let types: Vec<&Type> = function.signature.params.iter().map(|(_, ty)| ty).collect();
    match function.builtin {
        Builtin::SortBy | Builtin::UniqueBy | Builtin::GroupBy | Builtin::FilterBy | Builtin::MapPath => {
            by_path(function.builtin, &types, args)
        }
        Builtin::Compact | Builtin::UnwrapOr | Builtin::Lines | Builtin::Join => {
            of_parts(function.builtin, &types, args)
        }
        _ => of_lists(function.builtin, &types, args),
    }
}

fn of_lists(builtin: Builtin, types: &[&Type], args: &[Datum]) -> Expected {
    let list = |nth: usize| items(types.get(nth)?, args.get(nth)?);
    let element = types.first().map(|ty| element_type(ty))?;
    Some(match builtin {
        Builtin::Flatten => {
            let lists = list(0)?.into_iter().map(|list| items(element, &list)).collect::<Option<Vec<_>>>()?;
            Datum::Array(lists.concat())
        }
        Builtin::Zip => {
            let (left, right) = (list(0)?, list(1)?);
            (left.len() == right.len()).then_some(())?;
            Datum::Array(left.into_iter().zip(right).map(|(a, b)| Datum::Array(vec![a, b])).collect())
        }
        Builtin::Chunk => {
            let size = match args.get(1)? {
                Datum::Int(size) if *size > 0 => usize::try_from(*size).ok()?,
                _ => return None, // 0
            };
            Datum::Array(list(0)?.chunks(size).map(|chunk| Datum::Array(chunk.to_vec())).collect())
        }
        Builtin::First => option(element, list(0)?.first()),
        Builtin::Last => option(element, list(0)?.last()),
        Builtin::Length => Datum::Int(i128::try_from(list(0)?.len()).ok()?),
        Builtin::Filter => {
            let (items, keep) = (list(0)?, list(1)?);
            (items.len() == keep.len()).then_some(())?;
            let kept = items.into_iter().zip(keep).filter(|(_, keep)| *keep == Datum::Bool(true));
            Datum::Array(kept.map(|(item, _)| item).collect())
        }
        _ => return None, // has an oracle of its own
    })
}

fn by_path(builtin: Builtin, types: &[&Type], args: &[Datum]) -> Expected {
    let element = types.first().map(|ty| element_type(ty))?;
    let path = match args.get(1)? {
        Datum::Text(text) if text.is_empty() => Path::root(),
        Datum::Text(text) => Path::parse(text).ok()?,
        _ => return None, // a path is a text
    };
    let key = |item: Datum| part(element, &item, &path).map(|(ty, key)| (item, ty, key));
    let items = items(types.first()?, args.first()?)?.into_iter().map(key);
    let mut items = items.collect::<Option<Vec<(Datum, Type, Datum)>>>()?;
    let is_true = |(.., key): &(Datum, Type, Datum)| *key == Datum::Bool(true);
    match builtin {
        Builtin::SortBy => {
            let is_descending = matches!(args.get(2), Some(Datum::Bool(true)));
            items.sort_by(|(_, ty, left), (_, _, right)| {
                let ordering = rank(ty, left).cmp(&rank(ty, right));
                if is_descending { ordering.reverse() } else { ordering }
            });
        }
        Builtin::UniqueBy => {
            let mut seen = Vec::new();
            items.retain(|(_, ty, key)| {
                let key = encode(ty, key).ok();
                let is_new = !seen.contains(&key);
                seen.push(key);
                is_new
            });
        }
        Builtin::GroupBy => {
            let mut groups: Vec<(bytes::Bytes, Datum, Vec<Datum>)> = Vec::new();
            for (item, ty, key) in items {
                let bytes = encode(&ty, &key).ok()?;
                match groups.iter_mut().find(|(known, ..)| *known == bytes) {
                    Some((.., members)) => members.push(item),
                    None => groups.push((bytes, key, vec![item])),
                }
            }
            let group = |(_, key, members)| {
                Datum::Table(vec![("key".into(), key), ("items".into(), Datum::Array(members))])
            };
            return Some(Datum::Array(groups.into_iter().map(group).collect()));
        }
        Builtin::MapPath => return Some(Datum::Array(items.into_iter().map(|(.., key)| key).collect())),
        _ => items.retain(is_true), // `std.filter-by`
    }
    Some(Datum::Array(items.into_iter().map(|(item, ..)| item).collect()))
}

fn of_parts(builtin: Builtin, types: &[&Type], args: &[Datum]) -> Expected {
    let text = |datum: &Datum| if let Datum::Text(text) = datum { Some(text.clone()) } else { None };
    let list = || items(types.first()?, args.first()?);
    Some(match builtin {
        Builtin::Compact => {
            let Type::Option(some) = element_type(types.first()?) else { return None };
            let values = list()?.into_iter().filter(|item| *item != Datum::Null);
            Datum::Array(values.map(|item| unwrapped(some, item)).collect::<Option<Vec<_>>>()?)
        }
        Builtin::UnwrapOr => match (types.first()?, args.first()?) {
            (Type::Option(_), Datum::Null) => args.get(1)?.clone(),
            (Type::Option(some), value) => unwrapped(some, value.clone())?,
            _ => return None, // no option
        },
        Builtin::Lines => {
            let text = text(args.first()?)?;
            let mut lines: Vec<&str> = text.split('\n').collect();
            if lines.last() == Some(&"") {
                lines.pop();
            }
            let with_end = text.matches('\n').count(); // only before a `\n` is a `\r` a part of the end
            let line = |(nth, line): (usize, &str)| {
                let line = if nth < with_end { line.strip_suffix('\r').unwrap_or(line) } else { line };
                Datum::Text(line.to_owned())
            };
            Datum::Array(lines.into_iter().enumerate().map(line).collect())
        }
        _ => {
            let texts = list()?.iter().map(text).collect::<Option<Vec<String>>>()?; // `std.join`
            Datum::Text(texts.join(&text(args.get(1)?)?))
        }
    })
}

/// Returns the elements of a list; of bytes, the numbers.
fn items(ty: &Type, list: &Datum) -> Option<Vec<Datum>> {
    match list {
        Datum::Array(items) => Some(items.clone()),
        Datum::Text(text) if *element_type(ty) == Type::U8 => {
            Some(STANDARD.decode(text).ok()?.into_iter().map(|byte| Datum::Int(byte.into())).collect())
        }
        _ => None, // no list
    }
}

fn option(some: &Type, value: Option<&Datum>) -> Datum {
    match value {
        None => Datum::Null,
        Some(value) if some.admits_nil() => Datum::Array(vec![value.clone()]),
        Some(value) => value.clone(),
    }
}

fn unwrapped(some: &Type, value: Datum) -> Option<Datum> {
    match value {
        Datum::Array(items) if some.admits_nil() => items.into_iter().next(),
        value => Some(value),
    }
}

/// Returns the part at a path, with its type; none if the value has no such part.
fn part(ty: &Type, value: &Datum, path: &Path) -> Option<(Type, Datum)> {
    let (mut ty, mut value) = (ty.clone(), value.clone());
    for step in path.steps() {
        (ty, value) = match (&ty, step) {
            (Type::List(element), Step::Index(index)) => {
                ((**element).clone(), items(&ty, &value)?.get(to_usize(*index))?.clone())
            }
            (Type::Tuple(types), Step::Index(index)) => {
                let Datum::Array(items) = &value else { return None };
                (types.get(to_usize(*index))?.clone(), items.get(to_usize(*index))?.clone())
            }
            (Type::Record(fields), Step::Field(name)) => {
                let field = fields.iter().find(|field| *field.name == **name)?;
                (field.ty.clone(), entry(&value, name)?)
            }
            (Type::Option(some), Step::Field(_)) if value != Datum::Null => {
                ((**some).clone(), unwrapped(some, value)?)
            }
            (Type::Result(sides), Step::Field(name)) => (sides.ok.clone()?, entry(&value, name)?),
            _ => return None, // a none, or no such part
        };
    }
    Some((ty, value))
}

fn entry(table: &Datum, name: &str) -> Option<Datum> {
    let Datum::Table(entries) = table else { return None };
    entries.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
}

/// A value to be compared, of which Rust itself has the order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Nothing,
    Bool(bool),
    Int(i128),
    Float(Float),
    Text(Vec<char>),
    Sequence(Vec<Rank>),
    Case(usize, Box<Rank>),
}

#[derive(PartialEq)]
struct Float(f64);

impl Eq for Float {}

impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Float {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |float: f64| if float == 0.0 { 0.0 } else { float };
        key(self.0).total_cmp(&key(other.0)) // every NaN is a positive one
    }
}

fn rank(ty: &Type, datum: &Datum) -> Rank {
    match (ty, datum) {
        (Type::F32 | Type::F64, datum) => Rank::Float(Float(match datum {
            Datum::Float(number) => *number,
            Datum::Text(word) if word == "Infinity" => f64::INFINITY,
            Datum::Text(word) if word == "-Infinity" => f64::NEG_INFINITY,
            _ => f64::NAN, // the third word
        })),
        (_, Datum::Bool(value)) => Rank::Bool(*value),
        (Type::Option(_), Datum::Null) => Rank::Nothing,
        (Type::Option(some), value) => Rank::Case(
            1,
            Box::new(unwrapped(some, value.clone()).map_or(Rank::Nothing, |value| rank(some, &value))),
        ),
        (Type::Enum(names), Datum::Text(name)) => {
            Rank::Case(names.iter().position(|known| **known == **name).unwrap_or(0), Box::new(Rank::Nothing))
        }
        (Type::Flags(names), Datum::Array(set)) => {
            let is_set = |name: &std::sync::Arc<str>| set.contains(&Datum::Text(name.to_string()));
            Rank::Sequence(names.iter().map(|name| Rank::Bool(is_set(name))).collect())
        }
        (Type::Variant(cases), datum) => {
            let (name, payload) = match datum {
                Datum::Table(entries) => match entries.first() {
                    Some((name, value)) => (name.clone(), value.clone()),
                    None => return Rank::Nothing,
                },
                Datum::Text(name) => (name.clone(), Datum::Null),
                _ => return Rank::Nothing, // no case
            };
            let nth = cases.iter().position(|case| *case.name == *name).unwrap_or(0);
            let payload = cases.get(nth).and_then(|case| case.ty.as_ref()).map(|ty| rank(ty, &payload));
            Rank::Case(nth, Box::new(payload.unwrap_or(Rank::Nothing)))
        }
        (Type::Result(sides), datum) => {
            let side =
                |ty: &Option<Type>, value: &Datum| ty.as_ref().map_or(Rank::Nothing, |ty| rank(ty, value));
            match (entry(datum, "ok"), entry(datum, "err")) {
                (Some(ok), _) => Rank::Case(0, Box::new(side(&sides.ok, &ok))),
                (None, err) => Rank::Case(1, Box::new(side(&sides.err, &err.unwrap_or(Datum::Null)))),
            }
        }
        (Type::List(element), datum) => {
            let items = items(ty, datum).unwrap_or_default();
            Rank::Sequence(items.iter().map(|item| rank(element, item)).collect())
        }
        (Type::Tuple(types), Datum::Array(items)) => {
            Rank::Sequence(types.iter().zip(items).map(|(ty, item)| rank(ty, item)).collect())
        }
        (Type::Record(fields), datum) => {
            let field = |field: &crate::value::Field| {
                rank(&field.ty, &entry(datum, &field.name).unwrap_or(Datum::Null))
            };
            Rank::Sequence(fields.iter().map(field).collect())
        }
        (Type::Map(types), datum) => rank_of_map(types, datum),
        (_, Datum::Int(number)) => Rank::Int(*number),
        (_, Datum::Text(text)) => Rank::Text(text.chars().collect()),
        _ => Rank::Nothing, // no value of the type
    }
}

fn rank_of_map(types: &crate::value::MapType, datum: &Datum) -> Rank {
    // As objects and as pairs, the entries are in stored order.
    let pairs: Vec<(Datum, Datum)> = match datum {
        Datum::Table(entries) => {
            entries.iter().map(|(key, value)| (Datum::Text(key.clone()), value.clone())).collect()
        }
        Datum::Array(pairs) => pairs
            .iter()
            .filter_map(|pair| match pair {
                Datum::Array(pair) => Some((pair.first()?.clone(), pair.get(1)?.clone())),
                _ => None, // no pair
            })
            .collect(),
        _ => Vec::new(), // no map
    };
    let key = |key: Datum| match (&types.key, &key) {
        (Type::String | Type::Char | Type::Bool, _) => rank(&types.key, &key),
        (_, Datum::Text(text)) => Rank::Int(text.parse().unwrap_or_default()),
        _ => rank(&types.key, &key), // a number already
    };
    let entry = |(name, value): (Datum, Datum)| Rank::Sequence(vec![key(name), rank(&types.value, &value)]);
    Rank::Sequence(pairs.into_iter().map(entry).collect())
}
