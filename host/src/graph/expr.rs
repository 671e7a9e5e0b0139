//! The resolved graph as data.
//! Names are resolved in `resolve` and `value`; values are typed in `plan`.

use crate::graph::{Flow, Manifests, Place};
use crate::manifest;
use crate::manifest::RunValue;
use crate::model::{Datum, Faults, InputPattern, Path, Spanned, TaskIdx, TaskName};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// A manifest's graph, and all that was wrong so far.
///
/// Nothing runs unless there are no faults; the graph is typed all the same, so that a user sees all faults at once.
#[derive(Debug)]
pub struct Resolved {
    /// The graph; names that mean nothing, and the references that make a cycle, are marked in it.
    pub graph: Graph,
    /// Faults of the manifest and the graph, in the order of the text.
    pub faults: Faults,
}

/// A graph without cycles in which every name means something, or is marked as faulty.
///
/// Tasks are in manifest order, those of a pipeline at the place of the task that includes it. That task is no node.
#[derive(Debug)]
pub struct Graph {
    pub(crate) manifests: Manifests,
    pub(crate) nodes: Vec<Node>,
    pub(crate) order: Vec<TaskIdx>,
    pub(crate) outputs: Vec<(String, Spanned<Expr>)>,
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) crossings: Vec<Arc<Crossing>>,
    /// Position of the first task of `[finally]`, or how many tasks there are.
    pub(crate) first_finally: usize,
}

/// A manifest that a task includes.
#[derive(Debug)]
pub struct Pipeline {
    /// Full name of the including task.
    pub name: TaskName,
    /// The including task.
    pub place: Place,
    /// Position of the included manifest.
    pub manifest: usize,
    /// Positions of its tasks.
    pub tasks: Range<usize>,
    /// Lists that the including task runs over, in the scope of that task. The pipeline runs once per element.
    pub for_each: Vec<(String, Spanned<Expr>)>,
    /// Whether the lists are combined in all ways, instead of zipped.
    pub product: bool,
    /// How the `for-each` flows from others; none if it waits for whole lists, or there is none.
    pub flow: Option<Flow>,
    /// The pipelines around it that run once per element, outermost first, by position; not itself.
    pub around: Vec<usize>,
    /// Values of the params of the included manifest, in its order; none where a fault was reported.
    pub arguments: Vec<Option<Arc<Crossing>>>,
    /// The record of its outputs, of each element if it runs over lists; none where a fault was reported.
    pub record: Option<Arc<Crossing>>,
}

/// A value that crosses the border of a pipeline. It is typed once, and shared by all that read it.
#[derive(Debug, PartialEq)]
pub struct Crossing {
    /// Number of the crossing in its graph.
    pub id: usize,
    /// The border, and the direction.
    pub border: Border,
    /// The value: of an argument in the scope of the including task, of an output in that of the included manifest.
    pub value: Spanned<Expr>,
    /// Levels of nesting, those of other crossings in it counted.
    pub(crate) depth: usize,
    /// Number of parts, those of other crossings in it counted.
    pub(crate) weight: usize,
}

/// The border of a pipeline and what crosses it. A pipeline is given by its position in [`Graph::pipelines`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Border {
    /// The argument of a param.
    Argument {
        /// The pipeline.
        pipeline: usize,
        /// Position of the param in the included manifest.
        param: usize,
        /// Source of the value.
        origin: Origin,
    },
    /// An output.
    Output {
        /// The pipeline.
        pipeline: usize,
        /// Name of the output.
        name: String,
    },
    /// The record of all outputs.
    Record {
        /// The pipeline.
        pipeline: usize,
    },
    /// The records of all elements of a pipeline that runs over lists, as a list.
    List {
        /// The pipeline.
        pipeline: usize,
    },
}

impl Border {
    /// Returns the pipeline.
    #[must_use]
    pub const fn pipeline(&self) -> usize {
        match self {
            Self::Argument { pipeline, .. }
            | Self::Output { pipeline, .. }
            | Self::Record { pipeline }
            | Self::List { pipeline } => *pipeline,
        }
    }
}

/// Source of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `args` of the including task.
    Args,
    /// `default` of the param.
    Default,
    /// Nothing: the value is none, if the param's type has it.
    Nothing,
}

/// A condition of a task: its own `when`, or that of a pipeline around it.
#[derive(Debug, PartialEq)]
pub struct Condition {
    /// The task that has the `when`.
    pub place: Place,
    /// The number of pipelines around that task that run once per element.
    pub level: usize,
    /// The value under test.
    pub subject: Spanned<Expr>,
}

/// A task with its names resolved.
#[derive(Debug, Clone)]
pub struct Node {
    /// Full name.
    pub name: TaskName,
    /// The task in its manifest.
    pub place: Place,
    /// Position of the component among those of all manifests; none of a built-in task, and where a fault was reported.
    pub component: Option<usize>,
    /// Argument name to value, in the manifest's order.
    pub args: Vec<(Spanned<String>, Spanned<Expr>)>,
    /// Conditions, all of which must hold: those of the pipelines around the task, outermost first, then its own.
    pub conditions: Vec<Arc<Condition>>,
    /// Whether a pipeline around the task takes its grants away.
    pub is_ungranted: bool,
    /// Priority: its own and those of the pipelines around it.
    pub priority: i8,
    /// The pipelines around the task that run once per element, outermost first, by position.
    pub around: Vec<usize>,
    /// Items of `for-each` in order: name and list.
    pub for_each: Vec<(String, Spanned<Expr>)>,
    /// Whether the lists are combined in all ways, instead of zipped.
    pub product: bool,
    /// How the `for-each` flows from others; none if it waits for whole lists, or there is none.
    pub flow: Option<Flow>,
    /// Resources by position among those of all manifests, with amounts above zero.
    pub resources: Vec<(usize, u32)>,
    /// Tasks of `after`.
    pub after: Vec<TaskIdx>,
    /// Tasks that must end before the ledger queues this one, in ascending order without duplicates.
    ///
    /// They are the tasks it reads whatever a `select` chooses, selectors included, but not those that it flows from;
    /// those of `after`; and the nearest selectors that decide whether it is needed. Selectors further back in a long chain are awaited once
    /// the nearer ones are known and do not decide.
    pub waits_for: Vec<TaskIdx>,
    /// Condition under which the task is needed; none if it always is.
    pub needed_if: Option<Arc<NeededIf>>,
    /// How many of the pipelines in `around` the values of that condition vary with.
    pub needed_level: usize,
    /// Number of tasks on the longest path from this one to an end of the graph, itself included.
    pub height: u32,
}

/// Pruning condition of a task that only `select` cases need: the task is needed if any clause holds.
///
/// The gates are those of the graph, or of a plan, which has typed them.
#[derive(Debug, Clone)]
pub struct NeededIf<G = Gate> {
    /// Alternative clauses.
    pub any: Vec<NeededClause<G>>,
}

/// A way to be needed: every gate chooses its case, and the consumer is itself needed.
#[derive(Debug, Clone)]
pub struct NeededClause<G = Gate> {
    /// Selects on the path from the consumer to the reference, outermost first; may be empty.
    pub gates: Vec<G>,
    /// The consumer's own condition; none if the consumer is always needed.
    pub consumer: Option<Arc<NeededIf<G>>>,
}

/// A select that must choose a certain case.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Task that contains the select, whose `for-each` items `{ item = … }` refers to. None in `[outputs]`.
    pub within: Option<TaskIdx>,
    /// The selector.
    pub selector: Arc<Spanned<Expr>>,
    /// Case that leads to the reference.
    pub case: String,
}

/// A value with its names resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal.
    Literal(Datum),
    /// An array that contains a reference.
    Array(Vec<Spanned<Expr>>),
    /// A table that contains a reference.
    Table(Vec<(Spanned<String>, Spanned<Expr>)>),
    /// A task's output.
    Task {
        /// Task that is read.
        task: TaskIdx,
        /// Part of the output.
        path: Path,
        /// Value to use if the task was skipped or its output has no such part.
        default: Option<Spanned<Datum>>,
    },
    /// A param.
    Param {
        /// Position in the manifest.
        param: usize,
        /// Part of the param.
        path: Path,
    },
    /// An element of a `for-each`.
    Item {
        /// The pipeline that runs over the lists; none for the task itself.
        of: Option<usize>,
        /// Position among the items of the `for-each`.
        item: usize,
        /// Part of the element.
        path: Path,
    },
    /// An environment variable of the host that creates the run.
    Env {
        /// Name of the variable.
        name: String,
        /// Value to use if the variable is unset.
        default: Option<Spanned<Datum>>,
        /// Whether the value is never shown.
        is_secret: bool,
    },
    /// A file of the host that creates the run.
    File {
        /// Path, joined to the manifest's folder.
        path: PathBuf,
    },
    /// The files of the host that creates the run that match a pattern.
    Files {
        /// Folder of the manifest.
        folder: PathBuf,
        /// Pattern of their paths.
        pattern: InputPattern,
    },
    /// A value of the run, for tasks of `[finally]`.
    Run(RunValue),
    /// The numbers of a range, in `for-each` only.
    Range {
        /// The first number.
        from: Box<Spanned<Expr>>,
        /// One past the last number.
        to: Box<Spanned<Expr>>,
    },
    /// The values of all elements of a pipeline that runs over lists, as a list.
    Each {
        /// The pipeline.
        pipeline: usize,
        /// The lists that it runs over, which say how many elements there are.
        lists: Vec<Spanned<Expr>>,
        /// The value of one element.
        value: Box<Spanned<Expr>>,
    },
    /// A choice between cases.
    Select {
        /// Value that chooses the case.
        selector: Arc<Spanned<Expr>>,
        /// Cases by name.
        cases: Vec<(Spanned<String>, Spanned<Expr>)>,
        /// Value to use if no case matches.
        default: Option<Spanned<Datum>>,
    },
    /// A value that crosses the border of a pipeline.
    Crossing {
        /// The value.
        crossing: Arc<Crossing>,
        /// Part of the value.
        path: Path,
        /// Value to use if a task that it needs was skipped or it has no such part.
        default: Option<Spanned<Datum>>,
    },
    /// A value of which a fault was reported.
    Faulty,
}

/// Drops a chain of conditions one by one: it may be long enough for recursion to overflow the stack.
impl<G> Drop for NeededIf<G> {
    fn drop(&mut self) {
        let mut open = self.take_consumers();
        while let Some(needed_if) = open.pop() {
            if let Some(mut last) = Arc::into_inner(needed_if) {
                open.append(&mut last.take_consumers());
            }
        }
    }
}

impl<G> NeededIf<G> {
    fn take_consumers(&mut self) -> Vec<Arc<Self>> {
        self.any.iter_mut().filter_map(|clause| clause.consumer.take()).collect()
    }
}

impl Expr {
    /// Calls `visit` with each value that this one is made of: those of an array or a table, the selector and the cases
    /// of a `select`, and what crosses a border.
    pub(crate) fn each_part(&self, visit: &mut dyn FnMut(&Self)) {
        match self {
            Self::Literal(_)
            | Self::Task { .. }
            | Self::Param { .. }
            | Self::Item { .. }
            | Self::Env { .. }
            | Self::File { .. }
            | Self::Files { .. }
            | Self::Run(_)
            | Self::Faulty => {}
            Self::Range { from, to } => {
                visit(&from.value);
                visit(&to.value);
            }
            Self::Crossing { crossing, .. } => visit(&crossing.value.value),
            Self::Each { lists, value, .. } => {
                lists.iter().for_each(|list| visit(&list.value));
                visit(&value.value);
            }
            Self::Array(parts) => parts.iter().for_each(|part| visit(&part.value)),
            Self::Table(entries) => entries.iter().for_each(|(_, part)| visit(&part.value)),
            Self::Select { selector, cases, .. } => {
                visit(&selector.value);
                cases.iter().for_each(|(_, case)| visit(&case.value));
            }
        }
    }

    /// Calls `visit` with the same parts as [`Self::each_part`] but crossings, to change them.
    pub(crate) fn each_part_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        match self {
            Self::Literal(_)
            | Self::Task { .. }
            | Self::Param { .. }
            | Self::Item { .. }
            | Self::Env { .. }
            | Self::File { .. }
            | Self::Files { .. }
            | Self::Run(_)
            | Self::Crossing { .. }
            | Self::Faulty => {}
            Self::Range { from, to } => {
                visit(&mut from.value);
                visit(&mut to.value);
            }
            Self::Each { lists, value, .. } => {
                lists.iter_mut().for_each(|list| visit(&mut list.value));
                visit(&mut value.value);
            }
            Self::Array(parts) => parts.iter_mut().for_each(|part| visit(&mut part.value)),
            Self::Table(entries) => entries.iter_mut().for_each(|(_, part)| visit(&mut part.value)),
            Self::Select { selector, cases, .. } => {
                visit(&mut Arc::make_mut(selector).value);
                cases.iter_mut().for_each(|(_, case)| visit(&mut case.value));
            }
        }
    }
}

impl Graph {
    /// Returns the manifests that the graph was made of.
    #[must_use]
    pub const fn manifests(&self) -> &Manifests {
        &self.manifests
    }

    /// Returns the manifests without the graph.
    #[must_use]
    pub fn into_manifests(self) -> Manifests {
        self.manifests
    }

    /// Returns the tasks with what their manifests say of them.
    pub fn tasks(&self) -> impl Iterator<Item = (&Node, &manifest::Task)> {
        self.nodes.iter().filter_map(|node| Some((node, self.manifests.task(node.place)?.1)))
    }

    /// Returns the pipelines, each before those that it includes.
    #[must_use]
    pub fn pipelines(&self) -> &[Pipeline] {
        &self.pipelines
    }

    /// Returns the position of the first task of `[finally]`, or how many tasks there are.
    #[must_use]
    pub const fn first_finally(&self) -> usize {
        self.first_finally
    }

    /// Returns all crossings by number, each after those in it.
    #[must_use]
    pub fn crossings(&self) -> &[Arc<Crossing>] {
        &self.crossings
    }

    /// Returns the tasks in manifest order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Returns a topological order: every task after those that it waits for or may read.
    #[must_use]
    pub fn order(&self) -> &[TaskIdx] {
        &self.order
    }

    /// Returns the outputs of the run by name: those of `[outputs]`, or every task that no task consumes.
    #[must_use]
    pub fn outputs(&self) -> &[(String, Spanned<Expr>)] {
        &self.outputs
    }
}
