//! What a ledger must know of a plan to hand out tasks in order: counts, edges and ranks, no names of functions.
//! How a plan becomes a shape is for `plan`'s users.

use crate::model::Digest;
use crate::model::Name;
use crate::model::TaskIdx;

/// A plan as a ledger sees it.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The tasks; positions agree on all hosts of a run.
    pub tasks: Vec<TaskShape>,
    /// Distinct demands for resources; class 0 demands nothing.
    pub classes: Vec<Vec<(usize, u32)>>,
    /// The resources that the classes' first numbers point at.
    pub resources: Vec<ResourceShape>,
}

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
    /// How much there is.
    pub amount: u32,
    /// Whether all hosts of the run share the amount; otherwise each host counts for itself.
    pub is_shared: bool,
}
