//! The resolved graph as data.
//! How it is resolved stands beside; what the values' types are is for `plan`.

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
    /// The manifest's faults and the graph's, in the order of the text.
    pub faults: Faults,
}

/// A graph without cycles in which every name means something, or is marked as faulty.
///
/// Tasks stand in the manifest's order: `nodes[i]` is `manifest.tasks[i]`.
#[derive(Debug, Clone)]
pub struct Graph {
    pub(crate) manifest: Manifest,
    pub(crate) nodes: Vec<Node>,
    pub(crate) order: Vec<TaskIdx>,
    pub(crate) outputs: Vec<(String, Spanned<Expr>)>,
}

/// One task with its names resolved.
#[derive(Debug, Clone)]
pub struct Node {
    /// Position of the component in the manifest; none where a fault was reported.
    pub component: Option<usize>,
    /// Argument name to value, in the manifest's order.
    pub args: Vec<(Spanned<String>, Spanned<Expr>)>,
    /// The subject of `when`.
    pub when: Option<Spanned<Expr>>,
    /// Items of `for-each` in order: name and list.
    pub for_each: Vec<(String, Spanned<Expr>)>,
    /// Resources by position in the manifest, with amounts above zero.
    pub resources: Vec<(usize, u32)>,
    /// Tasks of `after`.
    pub after: Vec<TaskIdx>,
    /// Tasks whose end this one waits for before it is looked at: those that it reads whatever a `select`
    /// chooses, selectors included, those of `after`, and the nearest of the selectors that decide whether it is
    /// needed: what lies further behind a long chain of choices is asked for when those are known. Without
    /// repetition, in ascending order.
    pub waits_for: Vec<TaskIdx>,
    /// What must hold for the task to be needed; none if it always is.
    pub demand: Option<Arc<NeededIf>>,
    /// Whether some task reads this one's output by `args`, `for-each`, `when` or `select`.
    pub is_consumed: bool,
    /// Tasks on the longest path from this one to an end of the graph, itself counted.
    pub height: u32,
}

/// When a task that only cases of `select` need is needed: if any clause holds.
#[derive(Debug, Clone)]
pub struct NeededIf {
    /// The clauses.
    pub any: Vec<NeededClause>,
}

/// One way to be needed: every gate chooses its case, and the consumer is itself needed.
#[derive(Debug, Clone)]
pub struct NeededClause {
    /// The selects on the way from the consumer to the reference, outermost first; may be empty.
    pub gates: Vec<Gate>,
    /// The consumer's own demand; none if the consumer is always needed.
    pub consumer: Option<Arc<NeededIf>>,
}

/// One select that must choose a certain case.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The task in which the select stands; its `for-each` items give `{ item = … }` a meaning. None in `[outputs]`.
    pub within: Option<TaskIdx>,
    /// The selector.
    pub selector: Arc<Spanned<Expr>>,
    /// The case that leads here.
    pub case: String,
}

/// A value with its names resolved.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A literal.
    Literal(Datum),
    /// An array with a reference somewhere inside.
    Array(Vec<Spanned<Expr>>),
    /// A table with a reference somewhere inside.
    Table(Vec<(Spanned<String>, Spanned<Expr>)>),
    /// A task's output.
    Task {
        /// Which task.
        task: TaskIdx,
        /// The part of it.
        path: Path,
        /// What stands in if the task was skipped or the path misses.
        default: Option<Spanned<Datum>>,
    },
    /// A param.
    Param {
        /// Its position in the manifest.
        param: usize,
        /// The part of it.
        path: Path,
    },
    /// An element of this task's `for-each`.
    Item {
        /// The position of the item among the task's `for-each`.
        item: usize,
        /// The part of it.
        path: Path,
    },
    /// A variable of the creating host's environment.
    Env {
        /// Its name.
        name: String,
        /// What stands in if it is unset.
        default: Option<Spanned<Datum>>,
    },
    /// A file of the creating host.
    File {
        /// The file, joined to the manifest's folder.
        path: PathBuf,
    },
    /// A choice.
    Select {
        /// What chooses.
        selector: Arc<Spanned<Expr>>,
        /// The cases.
        cases: Vec<(Spanned<String>, Spanned<Expr>)>,
        /// What stands in if no case is named so.
        default: Option<Spanned<Datum>>,
    },
    /// A value of which a fault was reported.
    Faulty,
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

impl Graph {
    /// The manifest that the graph was made of.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The manifest alone.
    #[must_use]
    pub fn into_manifest(self) -> Manifest {
        self.manifest
    }

    /// The tasks in the manifest's order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Every task after those that it waits for or may read.
    #[must_use]
    pub fn order(&self) -> &[TaskIdx] {
        &self.order
    }

    /// Outputs of the run by name: those of `[outputs]`, or every task that no task consumes.
    #[must_use]
    pub fn outputs(&self) -> &[(String, Spanned<Expr>)] {
        &self.outputs
    }
}
