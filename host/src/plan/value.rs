//! Values that tasks read, as data: where each comes from, and how it fits its target.
//! `binding` makes them, and `engine` resolves them.

use crate::manifest::RunValue;
use crate::model::{InputPattern, Name, Path, Span, TaskIdx};
use crate::value::{Conversion, Type};
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;

/// Source of a value, already fitted to the type of its target.
#[derive(Debug, Clone)]
pub enum Binding {
    /// A literal.
    Constant(Bytes),
    /// A task's output.
    Task {
        /// Task that is read.
        task: TaskIdx,
        /// Part of the output.
        path: Path,
        /// Type of the whole output.
        ty: Type,
        /// Conversion from the part to the target.
        conversion: Conversion,
        /// Value to use if the task was skipped or its output has no such part.
        default: Option<Bytes>,
    },
    /// A param, a variable or a file, read once when the run is created.
    Input {
        /// Position in [`Plan::inputs`].
        input: usize,
        /// Part of the input.
        path: Path,
        /// Conversion from the part to the target.
        conversion: Conversion,
    },
    /// A value of the run, for tasks of `[finally]`.
    Run {
        /// Which of it.
        value: RunValue,
        /// Conversion to the target.
        conversion: Conversion,
    },
    /// An element of a `for-each`.
    Item {
        /// The level of the element, from 1: how many lists it lies in.
        level: usize,
        /// Position of the item.
        item: usize,
        /// Part of the element.
        path: Path,
        /// Type of the whole element.
        ty: Type,
        /// Conversion from the part to the target.
        conversion: Conversion,
    },
    /// The numbers of a range, which only a `for-each` runs over. Each end is a value of an integer type.
    Range {
        /// The first number, and its type.
        from: Box<(Binding, Type)>,
        /// One past the last number, and its type.
        to: Box<(Binding, Type)>,
    },
    /// The values of all elements of a pipeline, as a list.
    Each {
        /// Position of the pipeline.
        pipeline: usize,
        /// The lists that it runs over, which say how many elements there are.
        lists: Vec<Self>,
        /// Type of one value.
        element: Type,
        /// The value of one element.
        value: Arc<Binding>,
    },
    /// A list composed of parts.
    List(Type, Vec<Binding>),
    /// A tuple composed of parts.
    Tuple(Vec<Binding>),
    /// A map composed of pairs, each a tuple of key and value.
    Map(Vec<Binding>),
    /// A record composed of parts, all fields in declared order.
    Record(Vec<(Arc<str>, Binding)>),
    /// A case with a payload composed of parts.
    Case(Arc<str>, Box<Binding>),
    /// A `some` wrapped in an array of one, to distinguish it from `none`.
    Wrapped(Box<Binding>),
    /// A part of a value that crosses the border of a pipeline.
    Part {
        /// The value, which other bindings share.
        value: Arc<Binding>,
        /// Type of the value.
        ty: Type,
        /// Part of the value.
        path: Path,
        /// Conversion from the part to the target.
        conversion: Conversion,
        /// Value to use if a task that the value needs was skipped or it has no such part.
        default: Option<Bytes>,
    },
    /// A choice between cases.
    Select {
        /// Value that chooses the case.
        selector: Box<Binding>,
        /// Type of the selector: a string or an enum.
        ty: Type,
        /// Cases by name.
        cases: Vec<(String, Binding)>,
        /// Value to use if no case matches.
        default: Option<Bytes>,
    },
}

/// A value that is read once, when the run is created.
#[derive(Debug, Clone)]
pub struct Input {
    /// Source of the value.
    pub kind: InputKind,
    /// Type of the value.
    pub ty: Type,
    /// Whether the value must not be shown.
    pub is_secret: bool,
    /// Span in the manifest that asks for it.
    pub span: Span,
}

/// Source of an input.
#[derive(Debug, Clone)]
pub enum InputKind {
    /// A param of the run.
    Param {
        /// Name of the param.
        name: Name,
        /// Default, encoded.
        default: Option<Bytes>,
        /// Description for users.
        description: Option<String>,
    },
    /// An environment variable of the host that creates the run.
    Env {
        /// Name of the variable.
        name: String,
        /// Value to use if the variable is unset.
        default: Option<Bytes>,
    },
    /// A file of the host that creates the run.
    File(PathBuf),
    /// The files of that host that match a pattern, sorted by name.
    Files {
        /// Folder of the manifest.
        folder: PathBuf,
        /// Pattern of their paths.
        pattern: InputPattern,
    },
    /// A literal for a secret param of an included manifest.
    Literal {
        /// Name of the param.
        name: Name,
        /// The value, encoded.
        value: Bytes,
    },
}

impl Binding {
    /// Calls `visit` with every task that may be read, selectors and cases included.
    pub fn each_task(&self, visit: &mut dyn FnMut(TaskIdx)) {
        if let Self::Task { task, .. } = self {
            visit(*task);
        }
        self.each_part(&mut |part| part.each_task(visit));
    }

    /// Calls `visit` with the position of every input that may be read, selectors and cases included.
    pub fn each_input(&self, visit: &mut dyn FnMut(usize)) {
        if let Self::Input { input, .. } = self {
            visit(*input);
        }
        self.each_part(&mut |part| part.each_input(visit));
    }

    /// Returns whether the value tells of the failures of the run.
    #[must_use]
    pub fn uses_failures(&self) -> bool {
        let mut uses = matches!(self, Self::Run { value: RunValue::Failures, .. });
        self.each_part(&mut |part| uses = uses || part.uses_failures());
        uses
    }

    /// Returns the conversions that a list undergoes after something has made its elements, the first one first.
    #[must_use]
    pub fn conversions(&self) -> Vec<&Conversion> {
        match self {
            Self::Task { conversion, .. } => vec![conversion],
            Self::Part { value, conversion, .. } => {
                let mut conversions = value.conversions();
                conversions.push(conversion);
                conversions
            }
            _ => Vec::new(), // is made here
        }
    }

    /// Returns whether the value refers to elements of this level or a deeper one.
    #[must_use]
    pub fn uses_items(&self, at_least: usize) -> bool {
        let mut uses = matches!(self, Self::Item { level, .. } if *level >= at_least);
        self.each_part(&mut |part| uses = uses || part.uses_items(at_least));
        uses
    }

    /// Calls `visit` with each value that this one is composed of, selectors and cases included.
    fn each_part(&self, visit: &mut dyn FnMut(&Self)) {
        match self {
            Self::Constant(_)
            | Self::Task { .. }
            | Self::Input { .. }
            | Self::Run { .. }
            | Self::Item { .. } => {}
            Self::Range { from, to } => {
                visit(&from.0);
                visit(&to.0);
            }
            Self::List(_, parts) | Self::Tuple(parts) | Self::Map(parts) => parts.iter().for_each(visit),
            Self::Record(fields) => fields.iter().for_each(|(_, part)| visit(part)),
            Self::Case(_, part) | Self::Wrapped(part) => visit(part),
            Self::Part { value, .. } => visit(value),
            Self::Each { lists, value, .. } => {
                lists.iter().for_each(&mut *visit);
                visit(value);
            }
            Self::Select { selector, cases, .. } => {
                visit(selector);
                cases.iter().for_each(|(_, case)| visit(case));
            }
        }
    }
}
