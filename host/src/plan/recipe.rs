//! How an output of a pipeline is put together from stored results, in a form that is stored with a run.
//! `record` stores it; `assembly` puts the value together.

use crate::model::{Path, Step};
use crate::plan::known::{Inputs, Known};
use crate::plan::{Binding, Plan};
use crate::value::{Type, type_at};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// Maximum length of a literal, or of the value of an input, that is stored with a run.
const MAX_LITERAL: usize = 64 << 10;

/// Maximum length of all values of inputs that are stored with a run. Many pipelines may read the same one.
const MAX_INPUTS: usize = 1 << 20;

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
        /// The number of indexes that its node shares with that of the value.
        #[serde(default)]
        level: u8,
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
    /// A value that is not stored, such as a secret param.
    NotStored,
    /// The values of all elements of a pipeline, as a list.
    Each {
        /// The pipeline, by its position.
        pipeline: u32,
        /// Whether the values are bytes.
        is_bytes: bool,
        /// The value of one element.
        value: Box<Recipe>,
    },
    /// A part of the current item of a pipeline that runs over lists.
    Item {
        /// The number of pipelines around the value that run over lists, down to this one.
        level: u8,
        /// The position of the item.
        item: u32,
        /// The part.
        part: Vec<Wire>,
    },
    /// The numbers of a range, as a list that a pipeline runs over: the first, and one past the last.
    Range(Box<Recipe>, Box<Recipe>),
    /// A value that is converted to the type of its target, by both types as text.
    Converted {
        /// The value.
        of: Box<Recipe>,
        /// Its type.
        from: String,
        /// The type of the target.
        to: String,
        /// The value if a task was skipped or a part is missing, of the target's type.
        default: Option<Vec<u8>>,
    },
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

/// Makes the recipes of a plan.
pub(crate) struct Recipes<'p> {
    plan: &'p Plan,
    known: Known<'p>,
    /// Bytes of inputs that may still be stored.
    room: Cell<usize>,
}

impl<'p> Recipes<'p> {
    /// Of a plan whose inputs have these values.
    pub(crate) fn new(plan: &'p Plan, inputs: &'p [Bytes]) -> Self {
        let known = Known::new(plan.inputs(), inputs, Inputs::Storable);
        Self { plan, known, room: Cell::new(MAX_INPUTS) }
    }

    /// Returns the recipe of each output of a pipeline, of one element if it runs over lists.
    pub(crate) fn outputs(&self, pipeline: usize) -> Vec<(String, Recipe)> {
        let around = self.plan.inside(pipeline);
        let record = self.plan.pipelines().get(pipeline).and_then(|pipeline| pipeline.record.as_ref());
        let Some((Binding::Record(values), Type::Record(fields))) = record.map(|(value, ty)| (&**value, ty))
        else {
            return Vec::new(); // has no outputs
        };
        let outputs = values.iter().zip(fields.iter());
        outputs.map(|((name, part), field)| (name.to_string(), self.of(&around, part, &field.ty))).collect()
    }

    /// Returns how to put a value of a type together that lies in elements of the pipelines `around`, outermost first.
    pub(crate) fn of(&self, around: &[usize], binding: &Binding, ty: &Type) -> Recipe {
        let of = |part: &Binding, ty: &Type| self.of(around, part, ty);
        let all = |parts: &[Binding], types: &[Type]| {
            parts.iter().zip(types).map(|(part, ty)| of(part, ty)).collect::<Vec<_>>()
        };
        match (binding, ty) {
            // A `some` that cannot be nil has the form of its payload.
            (
                Binding::List(..)
                | Binding::Tuple(_)
                | Binding::Map(_)
                | Binding::Record(_)
                | Binding::Case(..),
                Type::Option(some),
            ) => of(binding, some),
            (Binding::Constant(bytes), _) => literal(bytes),
            (Binding::Input { .. }, _) => self.input(binding),
            (Binding::Run { .. }, _) => Recipe::NotStored,
            (
                Binding::Task { conversion, path, ty: from, .. }
                | Binding::Part { conversion, path, ty: from, .. }
                | Binding::Item { conversion, path, ty: from, .. },
                _,
            ) => {
                let unconverted = self.unconverted(around, binding, ty);
                if conversion.is_identity() {
                    return unconverted;
                }
                type_at(from, path).map_or(Recipe::NotStored, |from| unconverted.converted(&from.ty, ty))
            }
            (Binding::List(element, parts), _) => Recipe::List {
                is_bytes: *element == Type::U8,
                parts: parts.iter().map(|part| of(part, element)).collect(),
            },
            (Binding::Tuple(parts), Type::Tuple(types)) => Recipe::Tuple(all(parts, types)),
            (Binding::Map(pairs), Type::Map(map)) => {
                let pair = Type::Tuple([map.key.clone(), map.value.clone()].into());
                Recipe::Map(pairs.iter().map(|part| of(part, &pair)).collect())
            }
            (Binding::Record(values), Type::Record(fields)) => {
                let parts = values.iter().zip(fields.iter());
                Recipe::Record(
                    parts.map(|((name, part), field)| (name.to_string(), of(part, &field.ty))).collect(),
                )
            }
            (Binding::Case(name, part), _) => match type_of_case(ty, name) {
                Some(ty) => Recipe::Case(name.to_string(), Box::new(of(part, &ty))),
                None => Recipe::NotStored, // a case without this type was refused before
            },
            (Binding::Wrapped(part), Type::Option(some)) => Recipe::Wrapped(Box::new(of(part, some))),
            (Binding::Select { selector, ty: selected, cases, default }, _) => Recipe::Select {
                selector: Box::new(of(selector, selected)),
                cases: cases.iter().map(|(name, case)| (name.clone(), of(case, ty))).collect(),
                default: default.as_ref().map(|bytes| bytes.to_vec()),
            },
            (Binding::Each { pipeline, element, value, lists: _ }, _) => Recipe::Each {
                pipeline: u32::try_from(*pipeline).unwrap_or(u32::MAX),
                is_bytes: *element == Type::U8,
                value: Box::new(self.of(&self.plan.inside(*pipeline), value, element)),
            },
            (Binding::Range { from, to }, _) => {
                let end = |end: &(Binding, Type)| Box::new(of(&end.0, &end.1));
                Recipe::Range(end(from), end(to))
            }
            // A value has the form of its type.
            (Binding::Tuple(_) | Binding::Map(_) | Binding::Record(_) | Binding::Wrapped(_), _) => {
                Recipe::NotStored
            }
        }
    }

    /// Returns the value of an input, if it may be stored and there is room.
    fn input(&self, binding: &Binding) -> Recipe {
        let value = self.known.value(binding);
        match value.and_then(|value| Some((self.room.get().checked_sub(value.len())?, value))) {
            Some((room, value)) => {
                self.room.set(room);
                literal(&value)
            }
            None => Recipe::NotStored,
        }
    }

    /// Returns how to put a value together as it was before it is converted to the type of its target. A list has the same
    /// number of elements before and after.
    pub(crate) fn unconverted(&self, around: &[usize], binding: &Binding, ty: &Type) -> Recipe {
        let or_not_stored = |part: Option<Vec<Wire>>, recipe: &dyn Fn(Vec<Wire>) -> Recipe| {
            part.map_or(Recipe::NotStored, recipe) // a path that does not suit its type was refused before
        };
        let stored = |default: &Option<Bytes>| default.as_ref().map(|bytes| bytes.to_vec());
        match binding {
            Binding::Task { task, path, ty, default, .. } => or_not_stored(wire(ty, path), &|part| {
                let level = narrow(self.plan.common_level(*task, around));
                Recipe::Task { task: task.get(), part, default: stored(default), level }
            }),
            Binding::Part { value, ty, path, default, .. } => or_not_stored(wire(ty, path), &|part| {
                let of = Box::new(self.of(around, value, ty));
                Recipe::Part { of, part, default: stored(default) }
            }),
            Binding::Item { level, item, path, ty, .. } => or_not_stored(wire(ty, path), &|part| {
                Recipe::Item { level: narrow(*level), item: u32::try_from(*item).unwrap_or(u32::MAX), part }
            }),
            other => self.of(around, other, ty),
        }
    }
}

impl Recipe {
    /// Returns how to convert the value. Its default has the target's type already.
    fn converted(mut self, from: &Type, to: &Type) -> Self {
        let default = match &mut self {
            Self::Task { default, .. } | Self::Part { default, .. } => default.take(),
            _ => None, // has no default, or is not stored
        };
        // Types of components may be larger than those of manifests.
        let is_readable = |ty: &Type| Type::parse(&ty.to_string()).is_ok_and(|read| read == *ty);
        if self == Self::NotStored || !is_readable(from) || !is_readable(to) {
            return Self::NotStored;
        }
        Self::Converted { of: Box::new(self), from: from.to_string(), to: to.to_string(), default }
    }
}

fn literal(bytes: &Bytes) -> Recipe {
    if bytes.len() <= MAX_LITERAL { Recipe::Literal(bytes.to_vec()) } else { Recipe::NotStored }
}

/// Returns the type of the payload of a case.
fn type_of_case(ty: &Type, name: &str) -> Option<Type> {
    match ty {
        Type::Variant(cases) => cases.iter().find(|case| &*case.name == name)?.ty.clone(),
        Type::Result(sides) if name == "ok" => sides.ok.clone(),
        Type::Result(sides) if name == "err" => sides.err.clone(),
        _ => None, // has no cases with payloads
    }
}

/// Returns a level as it is stored; levels are at most [`crate::model::IndexPath::MAX_LEN`].
fn narrow(level: usize) -> u8 {
    u8::try_from(level).unwrap_or(u8::MAX)
}

/// Returns the steps into stored values of a type.
pub(crate) fn wire(ty: &Type, path: &Path) -> Option<Vec<Wire>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::Page;
    use crate::model::Size;

    #[test]
    fn manual_names_the_bounds_of_this_file() {
        let bytes = |bound: usize| Size::bytes(u64::try_from(bound).unwrap()).to_string();
        let text = format!("up to {} of each, and {} of params", bytes(MAX_LITERAL), bytes(MAX_INPUTS));
        Page::of("state").section("Runs").says(&text);
    }
}
