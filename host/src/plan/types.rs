//! The plan as data: indexes in place of names, types in place of guesses.
//! How it is made stands beside; how it is run is for the engine.

use crate::manifest::{Grants, OnError, Retry};
use crate::model::{Digest, Limits, Name, Path, Span, TaskIdx};
use crate::value::{Conversion, Export, Type};
use bytes::Bytes;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A graph whose every edge is typed. Only [`crate::plan::compile`] makes one.
#[derive(Debug)]
pub struct Plan {
    pub(crate) name: String,
    pub(crate) tasks: Vec<Task>,
    pub(crate) order: Vec<TaskIdx>,
    pub(crate) functions: Vec<Function>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) resources: Vec<Resource>,
}

/// A function that tasks of the plan call, under one set of grants.
#[derive(Debug, Clone)]
pub struct Function {
    /// Position of the component in the manifest.
    pub component: usize,
    /// The component's name in the manifest.
    pub component_name: Name,
    /// Digest of the component's bytes.
    pub digest: Digest,
    /// Which export.
    pub export: Export,
    /// What the guest is granted.
    pub grants: Grants,
}

/// One task.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name.
    pub name: Name,
    /// What it calls, by position in [`Plan::functions`].
    pub function: usize,
    /// What each parameter gets, in the order of the parameters.
    pub args: Vec<Binding>,
    /// Its condition.
    pub when: Option<Box<Condition>>,
    /// The lists that it runs over; empty for a task that runs once.
    pub for_each: Vec<ForEach>,
    /// Elements at the same time.
    pub max_parallel: Option<NonZeroU32>,
    /// Tasks that end before it is looked at.
    pub waits_for: Vec<TaskIdx>,
    /// Those of `after`, among them.
    pub after: Vec<TaskIdx>,
    /// When it is needed, if that depends.
    pub needed_if: Option<Arc<NeededIf>>,
    /// What its output is; none for a function without a result.
    pub output: Option<Type>,
    /// What the function returns when it does not fail, before `on-error` and `for-each`; none for nothing.
    pub value: Option<Type>,
    /// The type of its `err`, where it returns a `result` with a payload there.
    pub error: Option<Type>,
    /// How often it is tried.
    pub retry: Retry,
    /// How many hosts in a row may be lost with it before it is held to be the cause.
    pub max_lost_hosts: u32,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// What one call may use.
    pub limits: Limits,
    /// Resources by position in [`Plan::resources`].
    pub resources: Vec<(usize, u32)>,
    /// Higher goes first.
    pub priority: i8,
    /// Tasks on the longest path from here to an end.
    pub height: u32,
    /// Whether and for how long results are shared between runs.
    pub cache: CacheRule,
    /// What an `err` becomes.
    pub on_error: OnError,
    /// Whether another task reads its output.
    pub is_consumed: bool,
}

impl Task {
    /// Whether it is run once per element of a list.
    #[must_use]
    pub fn is_for_each(&self) -> bool {
        !self.for_each.is_empty()
    }
}

/// Whether a task's results are shared between runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheRule {
    /// They are; for the cache's own time to live, or for this long.
    Shared(Option<Duration>),
    /// They are not: the manifest says so.
    Off,
    /// They are not: the task is impure, and nobody vouches for it.
    Impure,
}

/// A list that a `for-each` runs over.
#[derive(Debug, Clone)]
pub struct ForEach {
    /// The item's name.
    pub item: String,
    /// The list.
    pub list: Binding,
    /// The list's type, `list<T>`.
    pub ty: Type,
}

/// `when`.
#[derive(Debug, Clone)]
pub struct Condition {
    /// What is looked at.
    pub subject: Binding,
    /// Which value of it makes the condition true.
    pub equals: Bytes,
    /// Whether the condition is inverted.
    pub is_negated: bool,
}

/// Where a value comes from, with its type already fitted to where it goes.
#[derive(Debug, Clone)]
pub enum Binding {
    /// A literal.
    Constant(Bytes),
    /// A task's output.
    Task {
        /// Which task.
        task: TaskIdx,
        /// The part of it.
        path: Path,
        /// The type of the whole output.
        ty: Type,
        /// From the part to where it goes.
        conversion: Conversion,
        /// What stands in if the task was skipped or the path misses.
        default: Option<Bytes>,
    },
    /// A param, a variable or a file, read once when the run is created.
    Input {
        /// Position in [`Plan::inputs`].
        input: usize,
        /// The part of it.
        path: Path,
        /// From the part to where it goes.
        conversion: Conversion,
    },
    /// An element of this task's `for-each`.
    Item {
        /// Which item.
        item: usize,
        /// The part of it.
        path: Path,
        /// The type of the whole element.
        ty: Type,
        /// From the part to where it goes.
        conversion: Conversion,
    },
    /// A list made of parts.
    List(Type, Vec<Binding>),
    /// A tuple made of parts.
    Tuple(Vec<Binding>),
    /// A record made of parts, all fields in declared order.
    Record(Vec<(Arc<str>, Binding)>),
    /// A case with a payload made of parts.
    Case(Arc<str>, Box<Binding>),
    /// A `some` that has to be told from `none` by an array of one.
    Wrapped(Box<Binding>),
    /// A choice.
    Select {
        /// What chooses.
        selector: Box<Binding>,
        /// The selector's type: a string or an enum.
        ty: Type,
        /// The cases.
        cases: Vec<(String, Binding)>,
        /// What stands in if no case is named so.
        default: Option<Bytes>,
    },
}

/// When a task that only cases of `select` need is needed: if any clause holds.
#[derive(Debug)]
pub struct NeededIf {
    /// The clauses.
    pub any: Vec<NeededClause>,
}

/// Demands of a chain of consumers are taken apart one by one, however long it is.
impl Drop for NeededIf {
    fn drop(&mut self) {
        let mut open = self.take_consumers();
        while let Some(demand) = open.pop() {
            if let Some(mut last) = Arc::into_inner(demand) {
                open.append(&mut last.take_consumers());
            }
        }
    }
}

impl NeededIf {
    fn take_consumers(&mut self) -> Vec<Arc<Self>> {
        self.any.iter_mut().filter_map(|clause| clause.consumer.take()).collect()
    }
}

/// One way to be needed.
#[derive(Debug)]
pub struct NeededClause {
    /// What must be chosen on the way.
    pub gates: Vec<Gate>,
    /// The consumer's own demand.
    pub consumer: Option<Arc<NeededIf>>,
}

/// One select that must choose a certain case.
#[derive(Debug)]
pub struct Gate {
    /// The task whose items the selector may name.
    pub within: Option<TaskIdx>,
    /// The selector.
    pub selector: Binding,
    /// Its type.
    pub ty: Type,
    /// The case.
    pub case: String,
}

/// A value that is read once, when the run is created.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it comes from.
    pub kind: InputKind,
    /// Its type.
    pub ty: Type,
    /// Whether it must not be shown.
    pub is_secret: bool,
    /// Where the manifest asks for it.
    pub span: Span,
}

/// Where an input comes from.
#[derive(Debug, Clone)]
pub enum InputKind {
    /// A param of the run.
    Param {
        /// Its name.
        name: Name,
        /// Its default, encoded.
        default: Option<Bytes>,
        /// What it is for.
        description: Option<String>,
    },
    /// A variable of the creating host.
    Env {
        /// Its name.
        name: String,
        /// What stands in if it is unset.
        default: Option<Bytes>,
    },
    /// A file of the creating host.
    File(PathBuf),
}

/// A result of the run.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its value.
    pub binding: Binding,
    /// Its type.
    pub ty: Type,
}

/// A resource of the manifest.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name.
    pub name: Name,
    /// How much there is.
    pub amount: u32,
    /// Whether all hosts share it.
    pub is_shared: bool,
}

impl Plan {
    /// The manifest's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tasks, in the manifest's order.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The task at a position.
    #[must_use]
    pub fn task(&self, at: TaskIdx) -> Option<&Task> {
        self.tasks.get(at.index())
    }

    /// Every task after those that it waits for or may read.
    #[must_use]
    pub fn order(&self) -> &[TaskIdx] {
        &self.order
    }

    /// The functions that tasks call.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function that a task calls.
    #[must_use]
    pub fn function_of(&self, task: &Task) -> Option<&Function> {
        self.functions.get(task.function)
    }

    /// What is read when the run is created.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The results of the run.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The resources of the manifest.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }
}

impl Binding {
    /// Calls `visit` with every task that may be read, selectors and cases included.
    pub fn each_task(&self, visit: &mut dyn FnMut(TaskIdx)) {
        match self {
            Self::Constant(_) | Self::Input { .. } | Self::Item { .. } => {}
            Self::Task { task, .. } => visit(*task),
            Self::List(_, parts) | Self::Tuple(parts) => {
                for part in parts {
                    part.each_task(visit);
                }
            }
            Self::Record(fields) => {
                for (_, part) in fields {
                    part.each_task(visit);
                }
            }
            Self::Case(_, part) | Self::Wrapped(part) => part.each_task(visit),
            Self::Select { selector, cases, .. } => {
                selector.each_task(visit);
                for (_, case) in cases {
                    case.each_task(visit);
                }
            }
        }
    }

    /// Calls `visit` with the position of every input that may be read, selectors and cases included.
    pub fn each_input(&self, visit: &mut dyn FnMut(usize)) {
        match self {
            Self::Constant(_) | Self::Task { .. } | Self::Item { .. } => {}
            Self::Input { input, .. } => visit(*input),
            Self::List(_, parts) | Self::Tuple(parts) => parts.iter().for_each(|part| part.each_input(visit)),
            Self::Record(fields) => fields.iter().for_each(|(_, part)| part.each_input(visit)),
            Self::Case(_, part) | Self::Wrapped(part) => part.each_input(visit),
            Self::Select { selector, cases, .. } => {
                selector.each_input(visit);
                cases.iter().for_each(|(_, case)| case.each_input(visit));
            }
        }
    }

    /// Whether the value differs from element to element of a `for-each`.
    #[must_use]
    pub fn uses_items(&self) -> bool {
        match self {
            Self::Constant(_) | Self::Input { .. } | Self::Task { .. } => false,
            Self::Item { .. } => true,
            Self::List(_, parts) | Self::Tuple(parts) => parts.iter().any(Self::uses_items),
            Self::Record(fields) => fields.iter().any(|(_, part)| part.uses_items()),
            Self::Case(_, part) | Self::Wrapped(part) => part.uses_items(),
            Self::Select { selector, cases, .. } => {
                selector.uses_items() || cases.iter().any(|(_, case)| case.uses_items())
            }
        }
    }
}
