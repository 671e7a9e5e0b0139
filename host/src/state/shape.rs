//! What a ledger must know of a plan to hand out tasks in order: counts, edges and ranks, no names of functions.
//! How a plan becomes a shape is for `plan`'s users.

use crate::model::{Digest, Name, TaskIdx};
use crate::state::NodeId;

/// A plan as a ledger sees it.
#[derive(Debug, Clone)]
pub struct RunShape {
    /// The tasks; positions agree on all hosts of a run.
    pub tasks: Vec<TaskShape>,
    /// Distinct demands for resources, the same on all hosts of a run; class 0 demands nothing.
    pub classes: Vec<Vec<(usize, u32)>>,
    /// The resources that the classes' first numbers point at; what a host has itself, hosts may have differently.
    pub resources: Vec<ResourceShape>,
    /// Whether the run is closed: once all tasks have succeeded, a last node decides whether the run has.
    pub has_closing: bool,
}

/// The name under which the failure of the closing node is stored. No task can have it.
pub const CLOSING: &str = "[outputs]";

/// One task as a ledger sees it.
#[derive(Debug, Clone)]
pub struct TaskShape {
    /// Its name, under which results are stored.
    pub name: Name,
    /// Digest of its own call: a stored result is kept under a changed plan if this is unchanged.
    pub fingerprint: Digest,
    /// How many tasks must end before it is handed out.
    pub waits_for: u32,
    /// Who waits for it.
    pub dependents: Vec<TaskIdx>,
    /// Higher goes first.
    pub rank: i64,
    /// What it takes while it runs, or what each of its elements takes.
    pub class: u16,
    /// Whether it is handed out to be expanded into elements. The task itself then takes no resources.
    pub is_for_each: bool,
    /// Whether it belongs to this run; others are as if they did not exist.
    pub is_wanted: bool,
}

/// A resource as a ledger sees it.
#[derive(Debug, Clone)]
pub struct ResourceShape {
    /// Its name, for messages.
    pub name: Name,
    /// How much there is: over all hosts of the run, or on this host.
    pub amount: u32,
    /// Whose it is.
    pub scope: ResourceScope,
}

/// Whose a resource is, and what becomes of a node that asks for more of it than there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResourceScope {
    /// All hosts of the run share it. The amount is that of whoever began the run.
    Shared,
    /// Each host has its own. A node that asks for more than a host has is never handed to that host.
    Own,
    /// Each host has its own, and a node can do with what there is: one that asks for more than a host has takes all of it,
    /// and is left to a host that has more as long as one takes part in the run.
    Elastic,
}

impl ResourceScope {
    /// What a node that asks for `amount` takes of a host that has `have`.
    #[must_use]
    pub fn cost(self, amount: u32, have: u32) -> u32 {
        match self {
            Self::Shared | Self::Own => amount,
            Self::Elastic => amount.min(have),
        }
    }
}

impl RunShape {
    /// The node that closes the run; it is no task, and stands after all of them.
    #[must_use]
    pub fn closing(&self) -> NodeId {
        NodeId { task: TaskIdx::new(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)), item: None }
    }

    /// How much there is of each resource, as far as this host knows.
    #[must_use]
    pub fn amounts(&self) -> Vec<u32> {
        self.resources.iter().map(|resource| resource.amount).collect()
    }
}
