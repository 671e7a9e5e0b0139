//! Transitive needs of tasks: every task that may be read before they end.
//! The application chooses the targets of a run.

use crate::model::TaskIdx;
use crate::plan::{Binding, Gate, NeededIf, Plan, Task};
use std::collections::HashSet;
use std::sync::Arc;

impl Plan {
    /// Returns, by position, whether each task is one of `named` or needed by one of them.
    ///
    /// A task needs what it waits for, what any case of a `select` may read, and what decides whether it is pruned.
    /// Without one of these it could wait forever for a task outside the run.
    #[must_use]
    pub fn with_needs(&self, named: &[TaskIdx]) -> Vec<bool> {
        let is_found = vec![false; self.tasks().len()];
        let mut search = Search { plan: self, is_found, open: named.to_vec(), seen: HashSet::new() };
        while let Some(task) = search.open.pop() {
            search.enter(task);
        }
        search.is_found
    }

    /// Returns the values that decide what a task computes: its arguments, its lists and those of the pipelines around it, and
    /// its conditions.
    pub(crate) fn bindings_of<'p>(&'p self, task: &'p Task) -> impl Iterator<Item = &'p Binding> {
        let around = task.around.iter().filter_map(|pipeline| self.pipelines().get(*pipeline));
        let lists = around.flat_map(|pipeline| &pipeline.for_each).chain(&task.for_each);
        let conditions = task.when.iter().map(|when| &when.subject);
        task.args.iter().chain(lists.map(|list| &list.list)).chain(conditions)
    }
}

struct Search<'p> {
    plan: &'p Plan,
    is_found: Vec<bool>,
    open: Vec<TaskIdx>,
    /// Conditions already visited: consumers share them, and a chain of them may be as long as the plan.
    seen: HashSet<*const NeededIf>,
}

impl<'p> Search<'p> {
    fn enter(&mut self, index: TaskIdx) {
        let plan = self.plan;
        let (Some(task), Some(is_found)) = (plan.task(index), self.is_found.get_mut(index.index())) else {
            return;
        };
        if !std::mem::replace(is_found, true) {
            self.open.extend(&task.waits_for);
            plan.bindings_of(task).for_each(|binding| binding.each_task(&mut |read| self.open.push(read)));
            self.condition(task.needed_if.as_ref());
        }
    }

    fn condition(&mut self, first: Option<&'p Arc<NeededIf>>) {
        let mut open: Vec<&'p Arc<NeededIf>> = first.into_iter().collect();
        while let Some(needed_if) = open.pop() {
            if self.seen.insert(Arc::as_ptr(needed_if)) {
                needed_if.any.iter().flat_map(|clause| &clause.gates).for_each(|gate| self.gate(gate));
                open.extend(needed_if.any.iter().filter_map(|clause| clause.consumer.as_ref()));
            }
        }
    }

    /// Adds the tasks that the selector reads, and those of the enclosing lists if it varies per element.
    fn gate(&mut self, gate: &Gate) {
        gate.selector.each_task(&mut |task| self.open.push(task));
        let enclosing_task = gate.within.filter(|_| gate.selector.uses_items(1));
        for list in
            enclosing_task.and_then(|task| self.plan.task(task)).into_iter().flat_map(|task| &task.for_each)
        {
            list.list.each_task(&mut |task| self.open.push(task));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::sample::plan;

    const FUNCTIONS: &[&str] = &["run() -> string", "echo(t: string) -> string", "many() -> list<string>"];

    fn needs(text: &str, target: &str) -> String {
        let plan = plan(FUNCTIONS, text);
        let index = plan.tasks().iter().position(|task| task.name.as_str() == target).unwrap();
        let found = plan.with_needs(&[TaskIdx::new(u32::try_from(index).unwrap())]);
        let names = plan.tasks().iter().zip(found).filter(|(_, found)| *found);
        names.map(|(task, _)| task.name.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn needs_are_exactly_the_tasks_read_or_waited_for() {
        let text = "a:\nb: call=c.echo t=a\nc: >b\nd: call=c.echo t=a\ne:";
        assert_eq!(needs(text, "c"), "a b c");
        assert_eq!(needs(text, "d"), "a d");
    }

    #[test]
    fn every_case_may_be_needed() {
        assert_eq!(needs("s:\na:\nb:\nc: call=c.echo t=(s ? x=a, y=b | 'z')", "c"), "s a b c");
    }

    #[test]
    fn deciders_of_a_lazy_task_are_needed() {
        let text = "s:\nt:\nl: call=c.many\na:\nb: call=c.echo each.i=l t=(#i ? y=a | 'x')\n\
                    c: call=c.echo t=(s ? x=d | 'x')\nd: call=c.echo t=(t ? z=a | 'x')";
        assert_eq!(needs(text, "a"), "s t l a");
    }

    #[test]
    fn long_chain_of_choices_does_not_overflow_the_stack() {
        let line = |at| format!("t{at}: call=c.echo t=(s{at} ? x=t{}, y=t{} | 'x')\ns{at}:", at + 1, at + 1);
        let text = (0..20_000).map(line).collect::<Vec<_>>().join("\n") + "\nt20000:";
        let plan = plan(FUNCTIONS, &text);
        let last = u32::try_from(plan.tasks().len() - 1).unwrap();
        let found = plan.with_needs(&[TaskIdx::new(last)]);
        assert_eq!(found.iter().filter(|found| **found).count(), 20_001);
    }
}
