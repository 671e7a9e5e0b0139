//! How an output of a pipeline is put together from stored results, in a form that is stored with a run.
//! `record` stores it; the application reads the results.

use crate::model::{Path, Step, TaskIdx, to_usize};
use crate::plan::{Binding, Plan};
use crate::value::wire::Reader;
use crate::value::{
    Type, compose_case, compose_list, compose_map, compose_record, compose_some, compose_tuple, type_at,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Maximum length of a literal that is stored with a run.
const MAX_LITERAL: usize = 64 << 10;

/// A value without types, as results are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recipe {
    /// A literal, encoded.
    Literal(Vec<u8>),
    /// A part of the result of a task, by its position.
    Task {
        /// The task.
        task: u32,
        /// The part.
        part: Vec<Wire>,
        /// The value if the task was skipped or its result has no such part.
        default: Option<Vec<u8>>,
    },
    /// A part of another value.
    Part {
        /// The value.
        of: Box<Recipe>,
        /// The part.
        part: Vec<Wire>,
        /// The value if a task was skipped or the value has no such part.
        default: Option<Vec<u8>>,
    },
    /// A list; of bytes, it is one string of bytes.
    List {
        /// Whether the elements are bytes.
        is_bytes: bool,
        /// The elements.
        parts: Vec<Recipe>,
    },
    /// A tuple.
    Tuple(Vec<Recipe>),
    /// A map of pairs.
    Map(Vec<Recipe>),
    /// A record.
    Record(Vec<(String, Recipe)>),
    /// A case with a payload.
    Case(String, Box<Recipe>),
    /// A `some` in an array of one.
    Wrapped(Box<Recipe>),
    /// A choice between cases.
    Select {
        /// The value that chooses.
        selector: Box<Recipe>,
        /// The cases by name.
        cases: Vec<(String, Recipe)>,
        /// The value if no case matches.
        default: Option<Vec<u8>>,
    },
    /// A value that is not stored, such as a param.
    NotStored,
}

/// A step into a stored value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wire {
    /// The value of a key.
    Key(String),
    /// An element.
    Element(u32),
    /// The value itself, unless it is nil.
    Present,
}

/// The reason why a value cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPut<E> {
    /// The result of a task is missing.
    Missing(E),
    /// The value depends on something that is not stored, or a stored value has another form.
    NotStored,
}

impl Recipe {
    /// Returns how to put a value together.
    pub(crate) fn of(binding: &Binding) -> Self {
        let all = |parts: &[Binding]| parts.iter().map(Self::of).collect();
        match binding {
            Binding::Constant(bytes) if bytes.len() <= MAX_LITERAL => Self::Literal(bytes.to_vec()),
            Binding::Task { task, path, ty, conversion, default } if conversion.is_identity() => {
                let default = default.as_ref().map(|bytes| bytes.to_vec());
                wire(ty, path).map_or(Self::NotStored, |part| Self::Task { task: task.get(), part, default })
            }
            Binding::Part { value, ty, path, conversion, default } if conversion.is_identity() => {
                let default = default.as_ref().map(|bytes| bytes.to_vec());
                let of = Box::new(Self::of(value));
                wire(ty, path).map_or(Self::NotStored, |part| Self::Part { of, part, default })
            }
            Binding::List(element, parts) => Self::List { is_bytes: *element == Type::U8, parts: all(parts) },
            Binding::Tuple(parts) => Self::Tuple(all(parts)),
            Binding::Map(pairs) => Self::Map(all(pairs)),
            Binding::Record(fields) => {
                Self::Record(fields.iter().map(|(name, part)| (name.to_string(), Self::of(part))).collect())
            }
            Binding::Case(name, part) => Self::Case(name.to_string(), Box::new(Self::of(part))),
            Binding::Wrapped(part) => Self::Wrapped(Box::new(Self::of(part))),
            Binding::Select { selector, ty: _, cases, default } => Self::Select {
                selector: Box::new(Self::of(selector)),
                cases: cases.iter().map(|(name, case)| (name.clone(), Self::of(case))).collect(),
                default: default.as_ref().map(|bytes| bytes.to_vec()),
            },
            // Inputs are read anew for every run, and converted values are not stored.
            Binding::Constant(_)
            | Binding::Task { .. }
            | Binding::Part { .. }
            | Binding::Input { .. }
            | Binding::Range { .. }
            | Binding::Each { .. }
            | Binding::Item { .. } => Self::NotStored,
        }
    }

    /// Calls `visit` with every task whose result the value may need.
    pub fn each_task(&self, visit: &mut dyn FnMut(TaskIdx)) {
        match self {
            Self::Literal(_) | Self::NotStored => {}
            Self::Task { task, .. } => visit(TaskIdx::new(*task)),
            Self::Part { of, .. } | Self::Case(_, of) | Self::Wrapped(of) => of.each_task(visit),
            Self::List { parts, .. } | Self::Tuple(parts) | Self::Map(parts) => {
                parts.iter().for_each(|part| part.each_task(visit));
            }
            Self::Record(fields) => fields.iter().for_each(|(_, part)| part.each_task(visit)),
            Self::Select { selector, cases, .. } => {
                selector.each_task(visit);
                cases.iter().for_each(|(_, case)| case.each_task(visit));
            }
        }
    }

    /// Puts the value together. `result` returns the result of a task; none if the task was skipped.
    pub fn put<E>(
        &self,
        result: &dyn Fn(TaskIdx) -> Result<Option<Bytes>, E>,
    ) -> Result<Option<Bytes>, NotPut<E>> {
        let put = |recipe: &Self| recipe.put(result);
        match self {
            Self::Literal(bytes) => Ok(Some(bytes.clone().into())),
            Self::NotStored => Err(NotPut::NotStored),
            Self::Task { task, part, default } => {
                let whole = result(TaskIdx::new(*task)).map_err(NotPut::Missing)?;
                Ok(or_default(whole.and_then(|whole| at(&whole, part)), default.as_deref()))
            }
            Self::Part { of, part, default } => {
                Ok(or_default(put(of)?.and_then(|whole| at(&whole, part)), default.as_deref()))
            }
            Self::List { is_bytes, parts } => {
                let element = if *is_bytes { Type::U8 } else { Type::String };
                let list = |parts: Vec<Bytes>| compose_list(&element, &parts).map_err(|_| NotPut::NotStored);
                all(parts.iter().map(put))?.map(list).transpose()
            }
            Self::Tuple(parts) => Ok(all(parts.iter().map(put))?.map(|parts| compose_tuple(&parts))),
            Self::Map(pairs) => {
                let map = |pairs: Vec<Bytes>| compose_map(&pairs).map_err(|_| NotPut::NotStored);
                all(pairs.iter().map(put))?.map(map).transpose()
            }
            Self::Record(fields) => {
                let parts = all(fields.iter().map(|(_, part)| put(part)))?;
                let names = || fields.iter().map(|(name, _)| Arc::from(name.as_str()));
                Ok(parts.map(|parts| compose_record(&names().zip(parts).collect::<Vec<_>>())))
            }
            Self::Case(name, part) => Ok(put(part)?.map(|part| compose_case(name, &part))),
            Self::Wrapped(part) => Ok(put(part)?.map(|part| compose_some(&part))),
            Self::Select { selector, cases, default } => {
                let default = || default.clone().map(Bytes::from);
                let Some(chosen) = put(selector)? else { return Ok(default()) };
                let Ok(chosen) = Reader::new(&chosen).str() else { return Err(NotPut::NotStored) };
                match cases.iter().find(|(name, _)| name == chosen) {
                    Some((_, case)) => put(case),
                    None => Ok(default()),
                }
            }
        }
    }
}

/// Returns the recipe of each output of a pipeline.
pub(crate) fn outputs(plan: &Plan, pipeline: usize) -> Vec<(String, Recipe)> {
    let output = plan.pipelines().get(pipeline).and_then(|pipeline| pipeline.output.as_ref());
    match output.map(|(value, _)| &**value) {
        Some(Binding::Record(fields)) => {
            fields.iter().map(|(name, part)| (name.to_string(), Recipe::of(part))).collect()
        }
        _ => Vec::new(), // has no outputs
    }
}

fn or_default(value: Option<Bytes>, default: Option<&[u8]>) -> Option<Bytes> {
    value.or_else(|| default.map(Bytes::copy_from_slice))
}

/// Returns all values; none if one of them was skipped.
fn all<E>(values: impl Iterator<Item = Result<Option<Bytes>, E>>) -> Result<Option<Vec<Bytes>>, E> {
    values.collect::<Result<Vec<Option<Bytes>>, E>>().map(|values| values.into_iter().collect())
}

/// Returns the steps into stored values of a type.
fn wire(ty: &Type, path: &Path) -> Option<Vec<Wire>> {
    let mut ty = ty.clone();
    let mut steps = Vec::with_capacity(path.steps().len());
    for step in path.steps() {
        let inner = type_at(&ty, &Path::from_steps(std::slice::from_ref(step))).ok()?.ty;
        steps.push(match (&ty, step) {
            (Type::Option(some), _) if some.admits_nil() => Wire::Element(0),
            (Type::Option(_), _) => Wire::Present,
            (_, Step::Field(name)) => Wire::Key(name.clone()),
            (_, Step::Index(index)) => Wire::Element(*index),
        });
        ty = inner;
    }
    Some(steps)
}

/// Returns a part of a stored value; none if it has no such part.
fn at(value: &Bytes, part: &[Wire]) -> Option<Bytes> {
    let mut reader = Reader::new(value);
    for step in part {
        match step {
            Wire::Present => {
                let start = reader.position();
                if reader.take_nil().ok()? {
                    return None;
                }
                reader.seek(start);
            }
            Wire::Element(index) => {
                let index = to_usize(*index);
                if index >= reader.array_len().ok()? {
                    return None;
                }
                (0..index).try_for_each(|_| reader.skip().ok())?;
            }
            Wire::Key(name) => {
                let len = reader.map_len().ok()?;
                let found = (0..len).find_map(|_| match reader.str() {
                    Ok(key) if key == name => Some(Some(())),
                    Ok(_) => reader.skip().err().map(|_| None),
                    Err(_) => Some(None),
                });
                found??;
            }
        }
    }
    let start = reader.position();
    reader.skip().ok()?;
    Some(value.slice(start..reader.position()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::encode;

    fn stored(ty: &str, json: &str) -> (Type, Bytes) {
        let ty = Type::parse(ty).unwrap();
        let datum: Datum = serde_json::from_str(json).unwrap();
        let bytes = encode(&ty, &datum).unwrap();
        (ty, bytes)
    }

    #[test]
    fn parts_of_stored_values_are_those_of_their_types() {
        for (ty, json, path, expected) in [
            (
                "record { a: u8, b: list<string> }",
                r#"{"a": 1, "b": ["x", "y"]}"#,
                "b[1]",
                Some(("string", "\"y\"")),
            ),
            ("list<u32>", "[7]", "[1]", None),
            ("option<u8>", "null", "some", None),
            ("option<u8>", "3", "some", Some(("u8", "3"))),
            ("option<option<u8>>", "[null]", "some", Some(("option<u8>", "null"))),
            ("result<u8, string>", r#"{"ok": 4}"#, "ok", Some(("u8", "4"))),
            ("result<u8, string>", r#"{"err": "e"}"#, "ok", None),
        ] {
            let (ty, bytes) = stored(ty, json);
            let part = wire(&ty, &Path::parse(path).unwrap()).unwrap();
            let expected = expected.map(|(ty, json)| stored(ty, json).1);
            assert_eq!(at(&bytes, &part), expected, "{json} {path}");
        }
    }

    #[test]
    fn skipped_tasks_need_defaults() {
        let task = |default: Option<&[u8]>| Recipe::Task {
            task: 0,
            part: Vec::new(),
            default: default.map(<[u8]>::to_vec),
        };
        let skipped = |_: TaskIdx| Ok::<_, ()>(None);
        assert_eq!(task(None).put(&skipped), Ok(None));
        assert_eq!(task(Some(b"\x01")).put(&skipped), Ok(Some(Bytes::from_static(b"\x01"))));
        let list =
            Recipe::List { is_bytes: false, parts: vec![task(Some(b"\x01")), Recipe::Literal(vec![2])] };
        assert_eq!(list.put(&skipped), Ok(Some(Bytes::from_static(b"\x92\x01\x02"))));
        assert_eq!(Recipe::NotStored.put(&skipped), Err(NotPut::NotStored));
        assert_eq!(task(None).put(&|_| Err("failed")), Err(NotPut::Missing("failed")));
    }
}
