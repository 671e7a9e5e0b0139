//! Expansion of a node into elements: its lists are split once, and arguments common to all elements resolved once.
//! The ledger hands out the elements.

use crate::engine::elements::Elements;
use crate::engine::resolve::Scope;
use crate::engine::unresolved::Unresolved;
use crate::model::TaskIdx;
use crate::plan::{Binding, FanOut, Plan, Task};
use bytes::Bytes;
use std::sync::Arc;

/// Elements of a node, with the arguments that are the same for all of them.
pub(crate) struct Expansion {
    elements: Arc<Elements>,
    /// Per argument, its value if it is the same for all elements. Empty if the elements are expanded themselves.
    shared: Vec<Option<Bytes>>,
}

impl Expansion {
    /// Finds the elements of the node of a task in `scope`, and resolves the arguments common to all of them.
    pub(crate) fn new(scope: &Scope<'_>, at: TaskIdx, task: &Task) -> Result<Self, Unresolved> {
        let level = scope.at.level() + 1;
        let Some(of) = scope.bound.plan().fan_out(at, level) else {
            return Err(Unresolved::Input("a task without elements cannot be expanded".to_owned()));
        };
        let shared = if level == task.depth() { shared(scope, task, level) } else { Ok(Vec::new()) };
        match (scope.elements(of), shared) {
            (Ok(elements), Ok(shared)) => Ok(Self { elements, shared }),
            (Err(first), Err(second)) => Err(first.and(second)),
            (Err(unresolved), Ok(_)) | (Ok(_), Err(unresolved)) => Err(unresolved),
        }
    }

    /// Finds the elements of a whole task in whole lists, also where they flow from other tasks.
    pub(crate) fn of_whole_lists(scope: &Scope<'_>, at: TaskIdx, task: &Task) -> Result<Self, Unresolved> {
        let shared = shared(scope, task, task.depth())?;
        Ok(Self { elements: Arc::new(scope.whole_lists(FanOut::Task(at))?), shared })
    }

    /// Returns the number of elements.
    pub(crate) fn len(&self) -> u32 {
        self.elements.len()
    }

    /// Returns the value of each item of an element. The scope is that of the node.
    pub(crate) fn element_values(&self, scope: &Scope<'_>, item: u32) -> Result<Vec<Bytes>, Unresolved> {
        scope.element_values(&self.elements, item)
    }

    /// Returns the arguments of one element, in its own scope.
    pub(crate) fn args(&self, scope: &Scope<'_>, task: &Task) -> Result<Vec<Bytes>, Unresolved> {
        let own = task.args.iter().zip(&self.shared).filter(|(_, shared)| shared.is_none());
        let mut own = scope.resolve_all(own.map(|(arg, _)| arg))?.into_iter();
        Ok(self.shared.iter().filter_map(|shared| shared.clone().or_else(|| own.next())).collect())
    }
}

/// Returns the value of each argument that is the same for all elements of a level.
fn shared(scope: &Scope<'_>, task: &Task, level: usize) -> Result<Vec<Option<Bytes>>, Unresolved> {
    let plan = scope.bound.plan();
    let is_shared: Vec<bool> = task.args.iter().map(|arg| !varies(plan, task, arg, level)).collect();
    let common = task.args.iter().zip(&is_shared).filter(|(_, is_shared)| **is_shared);
    let mut values = scope.resolve_all(common.map(|(arg, _)| arg))?.into_iter();
    Ok(is_shared.into_iter().map(|is_shared| if is_shared { values.next() } else { None }).collect())
}

/// Returns whether a value differs between elements of a level.
fn varies(plan: &Plan, task: &Task, arg: &Binding, level: usize) -> bool {
    let mut varies = arg.uses_items(level);
    arg.each_task(&mut |read| varies = varies || plan.common_level(read, &task.around) >= level);
    varies
}
