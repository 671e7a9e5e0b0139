//! How an output of a pipeline is put together from stored results, in a form that is stored with a run.
//! `record` stores it; `assembly` puts the value together.

use crate::model::{Path, Step};
use crate::plan::{Binding, Plan};
use crate::value::{Type, type_at};
use serde::{Deserialize, Serialize};

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
    /// A value that is not stored, such as a param.
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

impl Recipe {
    /// Returns how to put a value together that lies in elements of the pipelines `around`, outermost first.
    pub(crate) fn of(plan: &Plan, around: &[usize], binding: &Binding) -> Self {
        let of = |part: &Binding| Self::of(plan, around, part);
        let all = |parts: &[Binding]| parts.iter().map(of).collect();
        match binding {
            Binding::Constant(bytes) if bytes.len() <= MAX_LITERAL => Self::Literal(bytes.to_vec()),
            // Converted values are not stored.
            Binding::Task { conversion, .. }
            | Binding::Part { conversion, .. }
            | Binding::Item { conversion, .. }
                if conversion.is_identity() =>
            {
                Self::unconverted(plan, around, binding)
            }
            Binding::List(element, parts) => Self::List { is_bytes: *element == Type::U8, parts: all(parts) },
            Binding::Tuple(parts) => Self::Tuple(all(parts)),
            Binding::Map(pairs) => Self::Map(all(pairs)),
            Binding::Record(fields) => {
                Self::Record(fields.iter().map(|(name, part)| (name.to_string(), of(part))).collect())
            }
            Binding::Case(name, part) => Self::Case(name.to_string(), Box::new(of(part))),
            Binding::Wrapped(part) => Self::Wrapped(Box::new(of(part))),
            Binding::Select { selector, ty: _, cases, default } => Self::Select {
                selector: Box::new(of(selector)),
                cases: cases.iter().map(|(name, case)| (name.clone(), of(case))).collect(),
                default: default.as_ref().map(|bytes| bytes.to_vec()),
            },
            Binding::Each { pipeline, element, value, lists: _ } => {
                let around = plan.inside(*pipeline);
                Self::Each {
                    pipeline: u32::try_from(*pipeline).unwrap_or(u32::MAX),
                    is_bytes: *element == Type::U8,
                    value: Box::new(Self::of(plan, &around, value)),
                }
            }
            Binding::Range { from, to } => Self::Range(Box::new(of(&from.0)), Box::new(of(&to.0))),
            // Inputs are read anew for every run.
            Binding::Constant(_)
            | Binding::Task { .. }
            | Binding::Part { .. }
            | Binding::Item { .. }
            | Binding::Input { .. } => Self::NotStored,
        }
    }

    /// Returns how to put a value together as it was before it is converted to the type of its target. A list has the same
    /// number of elements before and after.
    pub(crate) fn unconverted(plan: &Plan, around: &[usize], binding: &Binding) -> Self {
        let or_not_stored = |part: Option<Vec<Wire>>, recipe: &dyn Fn(Vec<Wire>) -> Self| {
            part.map_or(Self::NotStored, recipe) // a path that does not suit its type was refused before
        };
        let stored = |default: &Option<bytes::Bytes>| default.as_ref().map(|bytes| bytes.to_vec());
        match binding {
            Binding::Task { task, path, ty, default, .. } => or_not_stored(wire(ty, path), &|part| {
                let level = narrow(plan.common_level(*task, around));
                Self::Task { task: task.get(), part, default: stored(default), level }
            }),
            Binding::Part { value, ty, path, default, .. } => or_not_stored(wire(ty, path), &|part| {
                let of = Box::new(Self::of(plan, around, value));
                Self::Part { of, part, default: stored(default) }
            }),
            Binding::Item { level, item, path, ty, .. } => or_not_stored(wire(ty, path), &|part| {
                Self::Item { level: narrow(*level), item: u32::try_from(*item).unwrap_or(u32::MAX), part }
            }),
            other => Self::of(plan, around, other),
        }
    }
}

/// Returns a level as it is stored; levels are at most [`crate::model::IndexPath::MAX_LEN`].
fn narrow(level: usize) -> u8 {
    u8::try_from(level).unwrap_or(u8::MAX)
}

/// Returns the recipe of each output of a pipeline, of one element if it runs over lists.
pub(crate) fn outputs(plan: &Plan, pipeline: usize) -> Vec<(String, Recipe)> {
    let around = plan.inside(pipeline);
    let record = plan.pipelines().get(pipeline).and_then(|pipeline| pipeline.record.as_ref());
    match record.map(|(value, _)| &**value) {
        Some(Binding::Record(fields)) => {
            fields.iter().map(|(name, part)| (name.to_string(), Recipe::of(plan, &around, part))).collect()
        }
        _ => Vec::new(), // has no outputs
    }
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
