//! The resolved graph as data.
//! Names are resolved in `resolve` and `value`; values are typed in `plan`.

use crate::manifest::Manifest;
use crate::model::{Datum, Faults, Path, Spanned, TaskIdx};
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
/// Tasks are in manifest order: `nodes[i]` is `manifest.tasks[i]`.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(crate) manifest: Manifest,
    pub(crate) nodes: Vec<Node>,
    pub(crate) order: Vec<TaskIdx>,
    pub(crate) outputs: Vec<(String, Spanned<Expr>)>,
}

/// A task with its names resolved.
#[derive(Debug, Clone)]
pub struct Node {
    /// Position of the component in the manifest; none of a built-in task, and where a fault was reported.
    pub component: Option<usize>,
    /// Argument name to value, in the manifest's order.
    pub args: Vec<(Spanned<String>, Spanned<Expr>)>,
    /// Subject of `when`.
    pub when: Option<Spanned<Expr>>,
    /// Items of `for-each` in order: name and list.
    pub for_each: Vec<(String, Spanned<Expr>)>,
    /// Resources by position in the manifest, with amounts above zero.
    pub resources: Vec<(usize, u32)>,
    /// Tasks of `after`.
    pub after: Vec<TaskIdx>,
    /// Tasks that must end before the ledger queues this one, in ascending order without duplicates.
    ///
    /// They are the tasks it reads whatever a `select` chooses, selectors included; those of `after`; and the
    /// nearest selectors that decide whether it is needed. Selectors further back in a long chain are awaited once
    /// the nearer ones are known and do not decide.
    pub waits_for: Vec<TaskIdx>,
    /// Condition under which the task is needed; none if it always is.
    pub needed_if: Option<Arc<NeededIf>>,
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
    /// An element of this task's `for-each`.
    Item {
        /// Position among the items of the task's `for-each`.
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
    },
    /// A file of the host that creates the run.
    File {
        /// Path, joined to the manifest's folder.
        path: PathBuf,
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
    /// Calls `visit` with each value that this one is made of: those of an array or a table, and the selector and the
    /// cases of a `select`.
    pub(crate) fn each_part(&self, visit: &mut dyn FnMut(&Self)) {
        match self {
            Self::Literal(_)
            | Self::Task { .. }
            | Self::Param { .. }
            | Self::Item { .. }
            | Self::Env { .. }
            | Self::File { .. }
            | Self::Faulty => {}
            Self::Array(parts) => parts.iter().for_each(|part| visit(&part.value)),
            Self::Table(entries) => entries.iter().for_each(|(_, part)| visit(&part.value)),
            Self::Select { selector, cases, .. } => {
                visit(&selector.value);
                cases.iter().for_each(|(_, case)| visit(&case.value));
            }
        }
    }

    /// Calls `visit` with the same parts as [`Self::each_part`], to change them.
    pub(crate) fn each_part_mut(&mut self, visit: &mut dyn FnMut(&mut Self)) {
        match self {
            Self::Literal(_)
            | Self::Task { .. }
            | Self::Param { .. }
            | Self::Item { .. }
            | Self::Env { .. }
            | Self::File { .. }
            | Self::Faulty => {}
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
    /// The manifest that the graph was made of.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the manifest without the graph.
    #[must_use]
    pub fn into_manifest(self) -> Manifest {
        self.manifest
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
