//! The shape of a plan, all that a ledger needs to schedule it: counts, edges, ranks and resources.
//! Deriving a shape from a plan is left to the users of `plan`.

use crate::model::{Digest, IndexPath, Name, TaskIdx, TaskName, parse_index, to_usize};
use crate::state::NodeId;
use std::time::Duration;

/// A plan as the ledger's scheduler sees it.
#[derive(Debug, Clone)]
pub struct RunShape {
    /// The tasks. Positions agree on all hosts of a run.
    pub tasks: Vec<TaskShape>,
    /// Distinct resource requirements, the same on all hosts of a run. Class 0 requires nothing.
    pub classes: Vec<Vec<(usize, u32)>>,
    /// Per class, how much a node takes of the elastic resource in place of what its class says, once attempts have grown: by
    /// the lowest four bits of [`crate::port::Claim::step`], from one. Classes beyond the end of the list do not grow.
    pub larger: Vec<Vec<u32>>,
    /// The resources. The first number of each pair in `classes` is a position in this list. Amounts of host resources may
    /// differ between hosts.
    pub resources: Vec<ResourceShape>,
    /// Whether the run has a closing node, which decides after all tasks whether the run has succeeded.
    pub has_closing: bool,
    /// Maximum number of elements of one task, over all of its nodes that are expanded. Counted by levels.
    pub max_elements: u32,
    /// The deadlines of tasks and of pipelines. Other hosts of the run may have others; those of the host that has opened
    /// the current life hold.
    pub deadlines: Vec<DeadlineShape>,
    /// The run's deadline: how long hosts may work on it.
    pub deadline: Option<Duration>,
    /// The first finally task; all tasks from it on are finally tasks. They wait for the run's ending, beside their own
    /// edges ([`Ledger`](crate::port::Ledger), section Ending). No other task has an edge to or from them.
    pub first_finally: Option<TaskIdx>,
}

/// A deadline of tasks. Its time begins when a node of one of them is first handed out, other than as tainted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadlineShape {
    /// The name of the task or the pipeline, by which a resumed run finds how much time has passed before.
    pub name: TaskName,
    /// How long the tasks may take together.
    pub limit: Duration,
    /// Which tasks the deadline binds.
    pub scope: DeadlineScope,
}

/// The tasks that a deadline binds, and which of their open nodes end when it passes. Nodes that hosts hold are left to
/// their holders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadlineScope {
    /// All tasks of a pipeline. Nodes that wait for others end once those have ended, because those may be of the same
    /// pipeline.
    Pipeline,
    /// One task: all of its nodes end at once, whatever they wait for.
    Task,
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
    /// Per level of nodes, from the task itself to its innermost elements: the number of dependencies that name a node of
    /// that level in their `dependents`.
    pub waits_for: Vec<u32>,
    /// The nodes that wait for nodes of this task.
    pub dependents: Vec<Dependent>,
    /// Scheduling priority; higher ranks go first.
    pub rank: i64,
    /// The resource class of the task, or of each of its elements.
    pub class: u16,
    /// Per level of elements: the number of segments of the name that stand before its index. Empty for a task that runs
    /// once. `[1, 2]` for a task `a/b` makes `a[3]/b[7]`. Nodes above the innermost level are handed out to be expanded,
    /// and take no resources.
    pub indexed: Vec<u8>,
    /// Whether the task, or each of its innermost elements, is computed in iterations ([`crate::state::Outcome::Iterated`]).
    pub is_repeated: bool,
    /// Whether the run includes the task. Other tasks are ignored.
    pub is_included: bool,
    /// The deadlines that bind the task, by position in [`RunShape::deadlines`].
    pub deadlines: Vec<u32>,
}

/// An edge: nodes of one task that wait for the nodes of another with the same indexes.
///
/// The node of `task` at an index path of `level` indexes waits for the node of the other task at the same path. So
/// level 0 is an edge between whole tasks, and level 1 has one edge per element: element `i` waits for element `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependent {
    /// The task that waits.
    pub task: TaskIdx,
    /// The number of indexes of both nodes; at most the number of levels of elements of either task.
    pub level: u8,
    /// What the node waits for.
    pub on: Milestone,
}

/// What a dependent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// The node has ended.
    Ended,
    /// The node was expanded, or has ended without.
    Expanded,
}

impl Dependent {
    /// Returns the edge of a task that waits for the end of another.
    #[must_use]
    pub const fn of_task(task: TaskIdx) -> Self {
        Self { task, level: 0, on: Milestone::Ended }
    }
}

impl TaskShape {
    /// Returns the number of levels of elements: 0 for a task that runs once.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.indexed.len()
    }

    /// Returns whether the nodes at this path are handed out to be expanded.
    #[must_use]
    pub fn is_expandable(&self, at: &IndexPath) -> bool {
        at.level() < self.depth()
    }

    /// Returns whether the nodes at this path are computed in iterations.
    #[must_use]
    pub fn repeats(&self, at: &IndexPath) -> bool {
        self.is_repeated && !self.is_expandable(at)
    }

    /// Returns the name of a node: `count`, `count[7]`, or `clean[3]/count[7]`.
    #[must_use]
    pub fn node_name(&self, at: &IndexPath) -> String {
        self.name.with_indexes(&mut self.indexes(at)).to_string()
    }

    /// Returns the name of a node in two parts: the task with the indexes of the pipelines around it, and the index of its
    /// own element, as in `clean[3]/count` and 7.
    #[must_use]
    pub fn subject(&self, at: &IndexPath) -> (TaskName, Option<u32>) {
        if at.level() == 0 {
            return (self.name.clone(), None);
        }
        let segments = self.name.segments().count();
        let is_own = at.level() == self.depth()
            && self.indexed.last().is_some_and(|before| usize::from(*before) >= segments);
        let outer = at.split_last().filter(|_| is_own);
        let name = match outer {
            Some((outer, _)) if outer.level() == 0 => self.name.clone(),
            Some((outer, _)) => self.name.with_indexes(&mut self.indexes(&outer)),
            None => self.name.with_indexes(&mut self.indexes(at)),
        };
        (name, outer.map(|(_, item)| item))
    }

    fn indexes<'s>(&'s self, at: &'s IndexPath) -> impl Iterator<Item = (u8, u32)> + 's {
        self.indexed.iter().copied().zip(at.as_slice().iter().copied())
    }
}

/// Splits the name of a node into the name of its task and the indexes, each with the number of segments before it. None
/// if the text has another form.
#[must_use]
pub(crate) fn split_node_name(text: &str) -> Option<(String, Vec<(u8, u32)>)> {
    let (mut name, mut indexes) = (String::with_capacity(text.len()), Vec::new());
    for (before, part) in (1_u8..).zip(text.split('/')) {
        let (segment, mut rest) = part.split_at(part.find('[').unwrap_or(part.len()));
        if before > 1 {
            name.push('/');
        }
        name.push_str(segment);
        while !rest.is_empty() {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            indexes.push((before, parse_index(index)?.ok()?));
            rest = after;
        }
    }
    Some((name, indexes))
}

/// Returns the name of all elements that are left out of the lists which an element with this name lies in, as `--rerun` takes
/// it: `fetch[left-out]` for `fetch[3]`, `clean[left-out]` for `clean[3]/fetch`. None for a node that is no element.
#[must_use]
pub(crate) fn left_out_of(name: &str) -> Option<String> {
    let (around, _) = name.rsplit_once('[')?;
    Some(format!("{}[left-out]", TaskName::of_node(around)?.without_indexes()))
}

/// Splits the name of an iteration into that of its node and its number. None if the text is the name of no iteration.
#[must_use]
pub(crate) fn split_iteration_name(text: &str) -> Option<(&str, u32)> {
    let (node, number) = text.rsplit_once('@')?;
    // Other forms of a number, as `07` or `+7`, are stored by nobody.
    number.parse().ok().filter(|parsed: &u32| parsed.to_string() == number).map(|number| (node, number))
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
    /// Returns how much a node of a class takes of the elastic resource at a step; none if that is what its class says.
    #[must_use]
    pub fn larger_amount(&self, class: u16, step: u8) -> Option<u32> {
        let larger = self.larger.get(usize::from(class))?;
        let last = larger.len().checked_sub(1)?;
        larger.get(usize::from(step & 0x0f).checked_sub(1)?.min(last)).copied()
    }

    /// Returns the node that closes the run, which is numbered after all tasks.
    #[must_use]
    pub fn closing(&self) -> NodeId {
        NodeId::of_task(TaskIdx::new(u32::try_from(self.tasks.len()).unwrap_or(u32::MAX)))
    }

    /// Returns the name under which a node is stored; none for a task outside the shape.
    #[must_use]
    pub fn name_of(&self, node: NodeId) -> Option<String> {
        if node == self.closing() {
            return Some(CLOSING.to_owned());
        }
        Some(self.tasks.get(node.task.index())?.node_name(&node.at))
    }

    /// Returns the name under which an iteration of a node is stored: `refine@4`, `clean[3]/refine@4`.
    #[must_use]
    pub fn iteration_name(&self, node: NodeId, iteration: u32) -> Option<String> {
        Some(format!("{}@{iteration}", self.name_of(node)?))
    }

    /// Adds an edge: a node of the dependent waits for the node of `upstream` at the same path.
    pub fn connect(&mut self, upstream: TaskIdx, dependent: Dependent) {
        if let Some(upstream) = self.tasks.get_mut(upstream.index()) {
            upstream.dependents.push(dependent);
        }
        if let Some(task) = self.tasks.get_mut(dependent.task.index()) {
            let level = usize::from(dependent.level);
            if task.waits_for.len() <= level {
                task.waits_for.resize(level + 1, 0);
            }
            task.waits_for.get_mut(level).into_iter().for_each(|count| *count += 1);
        }
    }

    /// Adds the edges of elements that flow: the nodes of `task` with `level` indexes wait for those of `upstream` to end,
    /// and are expanded once those around them are.
    pub fn connect_elements(&mut self, upstream: TaskIdx, task: TaskIdx, level: u8) {
        for level in 0..level {
            self.connect(upstream, Dependent { task, level, on: Milestone::Expanded });
        }
        self.connect(upstream, Dependent { task, level, on: Milestone::Ended });
    }

    /// Returns the tasks that each deadline binds, by position.
    #[must_use]
    pub fn tasks_by_deadline(&self) -> Vec<Vec<TaskIdx>> {
        let mut bound = vec![Vec::new(); self.deadlines.len()];
        for (idx, task) in (0..).map(TaskIdx::new).zip(&self.tasks).filter(|(_, task)| task.is_included) {
            let lists = task.deadlines.iter().map(|position| to_usize(*position));
            for position in lists {
                bound.get_mut(position).into_iter().for_each(|list: &mut Vec<TaskIdx>| list.push(idx));
            }
        }
        bound
    }

    /// Returns whether a task waits for the run's ending.
    #[must_use]
    pub fn is_finally(&self, task: TaskIdx) -> bool {
        self.first_finally.is_some_and(|first| first <= task) && task.index() < self.tasks.len()
    }

    /// Returns the finally tasks that the run includes.
    pub fn finally(&self) -> impl Iterator<Item = TaskIdx> {
        let first = self.first_finally.map_or(self.tasks.len(), TaskIdx::index);
        let tasks = (0..).map(TaskIdx::new).zip(&self.tasks).skip(first);
        tasks.filter(|(_, task)| task.is_included).map(|(idx, _)| idx)
    }

    /// Returns this host's total of each resource.
    #[must_use]
    pub fn amounts(&self) -> Vec<u32> {
        self.resources.iter().map(|resource| resource.amount).collect()
    }
}
