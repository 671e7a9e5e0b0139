//! The plan as data: indexes in place of names, and a type on every edge.
//! `compile` builds it, and `engine` runs it.

use crate::builtin;
use crate::builtin::{Builtin, Messages};
use crate::graph;
use crate::graph::Flow;
use crate::manifest::{Grants, OnError, Policy, Scope as ResourceScope};
use crate::model::{Capacity, Digest, Limits, Name, Path, Span, TaskIdx, TaskName};
use crate::plan::identity::identity;
use crate::plan::{Binding, Input};
use crate::value::{Command, Conversion, Export, Signature, Type};
use bytes::Bytes;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A graph whose every edge is typed. Only [`crate::plan::compile`] builds one.
#[derive(Debug)]
pub struct Plan {
    pub(crate) tasks: Vec<Task>,
    pub(crate) order: Vec<TaskIdx>,
    /// Functions of components come first, so that the sandbox can number its functions by position.
    pub(crate) functions: Vec<Function>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) deadline: Option<Duration>,
    /// Position of the first task of `[finally]`, or how many tasks there are.
    pub(crate) first_finally: usize,
}

/// A pipeline that a task of a manifest includes.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Full name of the including task.
    pub name: TaskName,
    /// The included manifest, as messages show it.
    pub manifest: String,
    /// Positions of its tasks.
    pub tasks: Range<usize>,
    /// Values of its params, by name.
    pub arguments: Vec<(Name, Arc<Binding>)>,
    /// The pipelines around it that run once per element, outermost first, by position.
    pub around: Vec<usize>,
    /// Lists that it runs over; empty for one that runs once.
    pub for_each: Vec<ForEach>,
    /// Whether the lists are combined in all ways, the last one fastest, instead of zipped.
    pub product: bool,
    /// Elements of each of its tasks that are worked on at the same time at most.
    pub max_parallel: Option<NonZeroU32>,
    /// How long its tasks may take together.
    pub deadline: Option<Duration>,
    /// How the elements flow from others; none if the pipeline waits for whole lists.
    pub flow: Option<Flow>,
    /// The record of its outputs and its type, of each element if it runs over lists; none if it has no outputs.
    pub record: Option<(Arc<Binding>, Type)>,
    /// Its output and its type: the record, or the list of the records of all elements.
    pub output: Option<(Arc<Binding>, Type)>,
}

/// A function that tasks call.
#[derive(Debug, Clone)]
pub struct Function {
    /// Code that is called.
    pub code: Code,
    /// Parameters and result, as tasks see them.
    pub signature: Signature,
}

/// Code of a function.
#[derive(Debug, Clone)]
pub enum Code {
    /// A component's.
    Component(Box<ComponentFunction>),
    /// The host's own.
    Builtin {
        /// The task.
        builtin: Builtin,
        /// What its failures may tell.
        messages: Messages,
    },
}

/// A function of a component, or a component as a program, under one set of grants.
#[derive(Debug, Clone)]
pub struct ComponentFunction {
    /// Position of the component among those of all manifests.
    pub component: usize,
    /// Name of the component in the manifest.
    pub component_name: Name,
    /// Digest of the component's bytes.
    pub digest: Digest,
    /// The export; of a program, its `run`.
    pub export: Export,
    /// What the parameters and the result are to a program; none for a function.
    pub command: Option<Arc<Command>>,
    /// Grants of the guest.
    pub grants: Grants,
}

impl Function {
    /// Returns the function of a component; none if it is built in.
    #[must_use]
    pub fn component(&self) -> Option<&ComponentFunction> {
        match &self.code {
            Code::Component(component) => Some(component),
            Code::Builtin { .. } => None,
        }
    }

    /// Returns the built-in task, with its types; none for a function of a component.
    #[must_use]
    pub fn builtin(&self) -> Option<builtin::Function> {
        match &self.code {
            Code::Component(_) => None,
            Code::Builtin { builtin, messages } => Some(builtin::Function {
                builtin: *builtin,
                signature: self.signature.clone(),
                messages: *messages,
            }),
        }
    }

    /// Returns what parameters and result are to a program; none for anything else.
    #[must_use]
    pub fn command(&self) -> Option<&Arc<Command>> {
        self.component().and_then(|component| component.command.as_ref())
    }

    /// Returns whether the same arguments give the same result on every host.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        match &self.code {
            Code::Component(component) => component.grants.is_pure(),
            Code::Builtin { .. } => true,
        }
    }
}

impl ComponentFunction {
    /// Returns the guest's `argv[0]`: the component's name for a program and with the grant `args`, and else nothing.
    #[must_use]
    pub fn program(&self) -> Option<&Name> {
        (self.command.is_some() || !self.grants.args.is_empty()).then_some(&self.component_name)
    }

    /// Returns the digest of the shape of a command: all that decides its result beside its component, its grants and
    /// the values that it is given.
    #[must_use]
    pub fn command_identity(&self) -> Option<Digest> {
        self.command.as_deref().map(identity)
    }
}

/// A task. There may be many, so what few tasks have is boxed, and lists have no spare capacity.
#[derive(Debug, Clone)]
pub struct Task {
    /// Full name of the task.
    pub name: TaskName,
    /// The task in its manifest.
    pub place: graph::Place,
    /// Called function, by position in [`Plan::functions`].
    pub function: usize,
    /// Values of the parameters, in order.
    pub args: Vec<Binding>,
    /// Conditions, all of which must hold: those of pipelines around the task, outermost first, then its own `when`.
    pub when: Vec<Arc<Condition>>,
    /// The pipelines around the task that run once per element, outermost first, by position in [`Plan::pipelines`].
    pub around: Vec<usize>,
    /// Lists that the task runs over; empty for a task that runs once.
    pub for_each: Vec<ForEach>,
    /// Whether the lists are combined in all ways, the last one fastest, instead of zipped.
    pub product: bool,
    /// How the task repeats; none if it does not.
    pub repeat: Option<Box<Repeat>>,
    /// How the elements flow from those of other tasks; none if the task waits for whole lists.
    pub flow: Option<Box<Flow>>,
    /// Elements that run at the same time at most.
    pub max_parallel: Option<NonZeroU32>,
    /// Tasks that must end before this one is queued. Those that it flows from are not among them.
    pub waits_for: Vec<TaskIdx>,
    /// Tasks of `after`, which `waits_for` includes.
    pub after: Vec<TaskIdx>,
    /// Pruning condition; none if the task is always needed.
    pub needed_if: Option<Arc<NeededIf>>,
    /// With how many of the pipelines in `around` the pruning condition varies.
    pub needed_level: usize,
    /// Type of the output; none for a function without a result.
    pub output: Option<Type>,
    /// Type that the function returns on success, before `on-error` and `for-each`; none for nothing.
    pub value: Option<Type>,
    /// Type of the `err` payload, if the function returns a `result` that has one.
    pub error: Option<Type>,
    /// Retries, lost hosts and the timeout of one attempt, as the manifest has them. Tasks share the defaults.
    pub policy: Arc<Policy>,
    /// Limits of one call.
    pub limits: Limits,
    /// Resources by position in [`Plan::resources`], with amounts.
    pub resources: Vec<(usize, u32)>,
    /// Priority: higher ones start first.
    pub priority: i8,
    /// How long the task may take, with all its attempts and elements.
    pub deadline: Option<Duration>,
    /// Number of tasks on the longest path from this one to an end.
    pub height: u32,
    /// Whether and for how long results are shared between runs.
    pub cache: CacheRule,
    /// The outcome of a failure.
    pub on_error: OnError,
    /// The lists that leave out an element if the task fails in it.
    pub leaves_out: LeavesOut,
}

/// The lists that leave out an element in which a task fails: that of the task, and those of pipelines around it. One bit
/// for each level of elements, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeavesOut(u16);

impl LeavesOut {
    /// Creates a set from whether each level leaves out, from the outermost.
    #[must_use]
    pub fn of_levels(levels: impl Iterator<Item = bool>) -> Self {
        let bits = (0..u16::BITS).zip(levels).filter(|(_, leaves_out)| *leaves_out);
        Self(bits.fold(0, |set, (bit, _)| set | 1 << bit))
    }

    /// Returns whether no list leaves out anything.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the set as a number.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Returns the levels that leave out, from the outermost.
    pub fn levels(self) -> impl Iterator<Item = u8> {
        (1..).take(16).filter(move |level| self.0 & 1 << (level - 1) != 0)
    }

    /// Returns the level of the element that is left out if a node with this number of indexes fails: the innermost around
    /// it.
    #[must_use]
    pub fn level_of(self, indexes: usize) -> Option<u8> {
        self.levels().filter(|level| usize::from(*level) <= indexes).last()
    }
}

impl Task {
    /// Returns whether the task runs once per element of a list.
    #[must_use]
    pub fn is_for_each(&self) -> bool {
        !self.for_each.is_empty()
    }

    /// Returns the number of levels of elements: one per pipeline around the task that runs once per element, and one of
    /// its own.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.around.len() + usize::from(self.is_for_each())
    }
}

/// Whether a task's results are shared between runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheRule {
    /// Shared, for this time to live or else the cache's own.
    Shared(Option<Duration>),
    /// Not shared, because the manifest says so.
    Off,
    /// Not shared, because the task is impure and the manifest does not vouch for it.
    Impure,
    /// Not shared, because the task is built in: to compute its result is as quick as to read it.
    Builtin,
}

/// A list that a `for-each` runs over.
#[derive(Debug, Clone)]
pub struct ForEach {
    /// Name of the item.
    pub item: String,
    /// Span of the list in its manifest.
    pub span: Span,
    /// The list.
    pub list: Binding,
    /// Type of the list, `list<T>`.
    pub ty: Type,
}

/// How a task repeats.
#[derive(Debug, Clone)]
pub struct Repeat {
    /// Position of the parameter that is fed.
    pub param: usize,
    /// Name of that parameter.
    pub feed: String,
    /// Conversion of an output to the parameter's type.
    pub conversion: Conversion,
    /// Path to the `bool` that ends the repetition.
    pub until: Path,
    /// Maximum number of iterations.
    pub max: u32,
}

/// Condition of `when`.
#[derive(Debug, Clone)]
pub struct Condition {
    /// With how many of the pipelines around the task the value varies.
    pub level: usize,
    /// Value that is compared.
    pub subject: Binding,
    /// Value that makes the condition true.
    pub equals: Bytes,
    /// Whether the condition is inverted.
    pub is_negated: bool,
}

/// Pruning condition of a task that only `select` cases need, with typed gates.
pub type NeededIf = graph::NeededIf<Gate>;

/// A way to be needed, with typed gates.
pub type NeededClause = graph::NeededClause<Gate>;

/// A select that must choose a certain case.
#[derive(Debug)]
pub struct Gate {
    /// Task whose items the selector may refer to.
    pub within: Option<TaskIdx>,
    /// The selector.
    pub selector: Binding,
    /// Type of the selector.
    pub ty: Type,
    /// The case.
    pub case: String,
}

/// A result of the run.
#[derive(Debug, Clone)]
pub struct Output {
    /// Name of the output.
    pub name: String,
    /// Value of the output.
    pub binding: Binding,
    /// Type of the value.
    pub ty: Type,
}

/// A resource of the manifest.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Name of the resource.
    pub name: Name,
    /// The amount, or the rate.
    pub capacity: Capacity,
    /// The runs and hosts that share it.
    pub scope: ResourceScope,
}

impl Resource {
    /// Returns whether tasks reserve it at the backend, one attempt at a time. The ledger counts all others.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        match (self.capacity, self.scope) {
            (Capacity::Rate(_), _) | (Capacity::Amount(_), ResourceScope::Backend) => true,
            (Capacity::Amount(_), ResourceScope::Host | ResourceScope::Run) => false,
        }
    }
}

impl Plan {
    /// Returns how long hosts may work on a run.
    #[must_use]
    pub const fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Returns the tasks in manifest order.
    #[must_use]
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// Returns the task at a position.
    #[must_use]
    pub fn task(&self, at: TaskIdx) -> Option<&Task> {
        self.tasks.get(at.index())
    }

    /// Returns a topological order: every task after those that it waits for or may read.
    #[must_use]
    pub fn order(&self) -> &[TaskIdx] {
        &self.order
    }

    /// Returns the functions that tasks call, those of components first.
    #[must_use]
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// Returns the function that a task calls.
    #[must_use]
    pub fn function_of(&self, task: &Task) -> Option<&Function> {
        self.functions.get(task.function)
    }

    /// Returns the inputs, which are read when the run is created.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Returns the outputs of the run.
    #[must_use]
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Returns the pipelines that tasks include, each before those in it.
    #[must_use]
    pub fn pipelines(&self) -> &[Pipeline] {
        &self.pipelines
    }

    /// Returns the resources of the manifest.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.resources
    }
}
