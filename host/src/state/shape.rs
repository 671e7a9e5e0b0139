//! The shape of a plan, all that a ledger needs to schedule it: counts, edges, ranks and resources.
//! Deriving a shape from a plan is left to the users of `plan`.

use crate::model::{Digest, Name, TaskIdx, TaskName};
use crate::state::NodeId;

/// A plan as the ledger's scheduler sees it.
#[derive(Debug, Clone)]
pub struct RunShape {
    /// The tasks. Positions agree on all hosts of a run.
    pub tasks: Vec<TaskShape>,
    /// Distinct resource requirements, the same on all hosts of a run. Class 0 requires nothing.
    pub classes: Vec<Vec<(usize, u32)>>,
    /// The resources. The first number of each pair in `classes` is a position in this list. Amounts of host resources may
    /// differ between hosts.
    pub resources: Vec<ResourceShape>,
    /// Whether the run has a closing node, which decides after all tasks whether the run has succeeded.
    pub has_closing: bool,
}

/// The name under which the failure of the closing node is stored. No task can have it.
pub const CLOSING: &str = "[outputs]";

/// One task as a ledger sees it.
#[derive(Debug, Clone)]
pub struct TaskShape {
    /// The task's name, under which its result is stored.
    pub name: TaskName,
    /// Digest of the task's own call. Under a changed plan, a stored result is kept if this digest is unchanged.
    pub fingerprint: Digest,
    /// Number of tasks that must end before this one is handed out.
    pub waits_for: u32,
    /// The tasks that wait for this one.
    pub dependents: Vec<TaskIdx>,
    /// Scheduling priority; higher ranks go first.
    pub rank: i64,
    /// The resource class of the task, or of each of its elements.
    pub class: u16,
    /// Whether the task is handed out to be expanded into elements. The task itself then takes no resources.
    pub is_for_each: bool,
    /// Whether the run includes the task. Other tasks are ignored.
    pub is_included: bool,
}

/// One resource, as the scheduler sees it.
#[derive(Debug, Clone)]
pub struct ResourceShape {
    /// The resource's name, for messages.
    pub name: Name,
    /// The total amount: over all hosts of the run, or on this host.
    pub amount: u32,
    /// The resource's scope.
    pub scope: ResourceScope,
}

/// The scope of a resource, and the admission of a node that needs more than the total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceScope {
    /// Shared by all hosts of the run. The amount is set by the run's creator.
    Shared,
    /// Owned by each host. A node that needs more than a host's total is never handed to that host.
    Own,
    /// Owned by each host, and divisible: a node that needs more than a host's total takes all of it. The node is left
    /// to a host with a larger total as long as one takes part in the run.
    Elastic,
}

impl ResourceScope {
    /// Returns what a node that needs `amount` takes from a host with a total of `have`.
    #[must_use]
    pub fn cost(self, amount: u32, have: u32) -> u32 {
        match self {
            Self::Shared | Self::Own => amount,
            Self::Elastic => amount.min(have),
        }
    }
}

impl RunShape {
    /// Returns the node that closes the run, which is numbered after all tasks.
    #[must_use]
    pub fn closing(&self) -> NodeId {
        NodeId { task: TaskIdx::new(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)), item: None }
    }

    /// Returns this host's total of each resource.
    #[must_use]
    pub fn amounts(&self) -> Vec<u32> {
        self.resources.iter().map(|resource| resource.amount).collect()
    }
}
