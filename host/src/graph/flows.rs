//! Fan-outs that flow: a `for-each` over the whole output of another one, so that element `i` waits for element `i` only.
//! Values of elements are read in `engine`; the ledger follows the edges between elements.

use crate::graph::Expr;
use crate::graph::draft::Draft;
use crate::model::TaskIdx;

/// How a `for-each` flows from others. All tasks that flow from one another have the same elements, those of the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The task at the start, whose own lists say how many elements there are.
    pub root: TaskIdx,
    /// Per item, in order: the task whose element the item is; none for an element of the root's own list.
    pub sources: Vec<Option<TaskIdx>>,
}

impl Flow {
    /// Returns the tasks whose elements the items are, without duplicates.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskIdx> {
        let mut tasks: Vec<TaskIdx> = self.sources.iter().flatten().copied().collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }
}

/// Finds the flows of all tasks, none for a task that waits for whole lists. `order` has every task after those that it
/// needs.
///
/// A `for-each` flows if each of its lists is the whole output of a `for-each` with the same root, or the list that the
/// root itself runs over. Any other combination, and every product, waits until all lists are complete.
pub(crate) fn flows(tasks: &[Draft], order: &[TaskIdx]) -> Vec<Option<Flow>> {
    let mut flows: Vec<Option<Flow>> = vec![None; tasks.len()];
    for index in order {
        let flow = flow(tasks, &flows, *index);
        if let Some(slot) = flows.get_mut(index.index()) {
            *slot = flow;
        }
    }
    flows
}

fn flow(tasks: &[Draft], flows: &[Option<Flow>], index: TaskIdx) -> Option<Flow> {
    let body = &tasks.get(index.index())?.body;
    let is_product = body.product && body.for_each.len() > 1;
    let lists = Some(&body.for_each).filter(|_| !is_product)?;
    let sources: Vec<Option<TaskIdx>> = lists.iter().map(|(_, list)| source(tasks, &list.value)).collect();
    let root_of = |source: TaskIdx| match flows.get(source.index()) {
        Some(Some(flow)) => flow.root,
        Some(None) | None => source,
    };
    let mut roots = sources.iter().flatten().map(|source| root_of(*source));
    let root = roots.next()?;
    let is_roots_list = |list: &Expr| match tasks.get(root.index()).map(|root| &root.body.for_each[..]) {
        Some([(_, of_root)]) => of_root.value == *list,
        _ => false, // several lists are zipped, and none of them alone is the root's
    };
    let others = sources.iter().zip(lists).filter(|(source, _)| source.is_none());
    let is_flow =
        roots.all(|other| other == root) && { others }.all(|(_, (_, list))| is_roots_list(&list.value));
    is_flow.then_some(Flow { root, sources })
}

/// Returns the `for-each` task whose whole output a list is.
fn source(tasks: &[Draft], list: &Expr) -> Option<TaskIdx> {
    match list {
        Expr::Task { task, path, default: None } if path.steps().is_empty() => {
            let is_for_each = tasks.get(task.index()).is_some_and(|task| !task.body.for_each.is_empty());
            is_for_each.then_some(*task)
        }
        _ => None, // a part of an output, or no output at all
    }
}
