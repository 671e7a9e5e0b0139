//! Lives that go on with the ending of another one, by the records of its tasks; and the nodes that have failed.
//! `layout` lays such a life out, and the scripts hand its tasks out.

use crate::model::{IndexPath, RunStatus, TaskIdx, to_usize};
use crate::state::redis::run::clocks::Spent;
use crate::state::redis::run::formats::{DONE, DROPPED, KIND_AT, KIND_WANTED, RECORD_BYTES, WAITING};
use crate::state::{CLOSING, NodeId, RunShape, split_node_name};
use std::collections::{HashMap, HashSet};

/// The ending of a life, with the records of its tasks.
#[derive(Debug)]
pub(crate) struct Ending {
    /// The ending of the run.
    pub(crate) status: RunStatus,
    records: Vec<u8>,
}

impl Ending {
    /// Returns the ending if a life of the same plan goes on with it: an interrupted one that includes no other tasks, or one
    /// that follows a success and has nothing else to run.
    pub(crate) fn resumed(
        (status, state): (RunStatus, RunStatus),
        records: &[u8],
        shape: &RunShape,
    ) -> Option<Self> {
        let ending = Self { status, records: records.to_vec() };
        let others = (0..).map(TaskIdx::new).zip(&shape.tasks);
        let mut others = others.filter(|(idx, task)| task.is_included && !shape.is_finally(*idx));
        let goes_on = if state == RunStatus::Running {
            others.all(|(idx, _)| ending.byte(idx, KIND_AT).is_some_and(|kind| kind & KIND_WANTED != 0))
        } else {
            state == RunStatus::Succeeded
                && others
                    .all(|(idx, _)| ending.phase(idx).is_some_and(|phase| (DONE..=DROPPED).contains(&phase)))
        };
        goes_on.then_some(ending)
    }

    /// Returns the phase of a task; none of one that is not recorded.
    pub(crate) fn phase(&self, task: TaskIdx) -> Option<u8> {
        self.byte(task, 0)
    }

    fn byte(&self, task: TaskIdx, at: usize) -> Option<u8> {
        self.records.get(task.index().checked_mul(RECORD_BYTES)?.checked_add(at)?).copied()
    }

    /// Leaves the clocks that bind finally tasks. All others have stopped.
    pub(crate) fn clocks(shape: &RunShape, spent: Spent) -> Spent {
        let bound = shape.tasks_by_deadline();
        let binds_finally = |(position, _): &(u32, u64)| {
            let tasks = bound.get(to_usize(*position));
            tasks.and_then(|tasks| tasks.first()).is_some_and(|task| shape.is_finally(*task))
        };
        Spent { clocks: spent.clocks.into_iter().filter(binds_finally).collect(), ..spent }
    }
}

/// The phases with which the tasks of a life begin.
pub(crate) struct Phases<'a> {
    pub(crate) shape: &'a RunShape,
    /// The ending that the life goes on with.
    pub(crate) ending: Option<&'a Ending>,
    /// Tasks with a result.
    pub(crate) done: &'a HashSet<TaskIdx>,
}

impl Phases<'_> {
    /// Returns the phase of a task.
    pub(crate) fn of(&self, idx: TaskIdx) -> u8 {
        let ended = self.ending.and_then(|ending| ending.phase(idx)).filter(|phase| *phase >= DONE);
        ended.unwrap_or(if self.done.contains(&idx) { DONE } else { WAITING })
    }

    /// Returns whether a task is open, and not left as it was before the ending.
    pub(crate) fn is_to_run(&self, idx: TaskIdx) -> bool {
        self.of(idx) == WAITING && (self.ending.is_none() || self.shape.is_finally(idx))
    }

    /// Returns the tasks that wait for finally tasks which have ended without a result.
    pub(crate) fn tainted(&self) -> HashSet<TaskIdx> {
        let ended = self.shape.finally().filter(|idx| self.of(*idx) > DONE);
        let tasks = ended.filter_map(|idx| self.shape.tasks.get(idx.index()));
        let edges = tasks.flat_map(|task| &task.dependents).filter(|edge| edge.level == 0);
        edges.map(|edge| edge.task).collect()
    }
}

/// Returns the nodes with these stored names.
pub(crate) fn nodes(shape: &RunShape, names: impl Iterator<Item = String>) -> Vec<NodeId> {
    let tasks = (0..).map(TaskIdx::new).zip(&shape.tasks);
    let known: HashMap<&str, TaskIdx> = tasks.map(|(idx, task)| (task.name.as_str(), idx)).collect();
    let node = |name: String| {
        if name == CLOSING {
            return Some(shape.closing());
        }
        let (task, indexes) = split_node_name(&name)?;
        let indexes: Vec<u32> = indexes.into_iter().map(|(_, index)| index).collect();
        Some(NodeId { task: *known.get(task.as_str())?, at: IndexPath::new(&indexes)? })
    };
    names.filter_map(node).collect()
}
