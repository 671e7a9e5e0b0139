//! Takes cycles apart: what was reported of them must not keep the rest from being looked at.
//! Finding them is for `cycle`.

use crate::graph::Expr;
use crate::graph::draft::{Body, Draft};
use crate::model::TaskIdx;
use std::sync::Arc;

/// A task without references that lead back to it, with what it waits for by `after` in ascending order and without
/// repetition.
pub(crate) struct Acyclic {
    pub(crate) body: Body,
    pub(crate) after: Vec<TaskIdx>,
}

/// Marks the references between tasks that need each other as faulty. `knots` has the number of the group of each task,
/// none for one that stands on no cycle.
pub(crate) fn cut(drafts: Vec<Draft>, knots: &[Option<usize>]) -> Vec<Acyclic> {
    let knot_of = |task: TaskIdx| knots.get(task.index()).copied().flatten();
    let cut = (0..).map(TaskIdx::new).zip(drafts).map(|(at, draft)| {
        let knot = knot_of(at);
        let leads_back = |task: TaskIdx| knot.is_some() && knot_of(task) == knot;
        let Draft { mut body, after, .. } = draft;
        if knot.is_some() {
            let args = body.args.iter_mut().map(|(_, arg)| &mut arg.value);
            let lists = body.for_each.iter_mut().map(|(_, list)| &mut list.value);
            let when = body.when.iter_mut().map(|when| &mut when.value);
            args.chain(lists).chain(when).for_each(|expr| mark(expr, &leads_back));
        }
        let mut after: Vec<TaskIdx> =
            after.iter().map(|after| after.value).filter(|after| !leads_back(*after)).collect();
        after.sort_unstable();
        after.dedup();
        Acyclic { body, after }
    });
    cut.collect()
}

fn mark(expr: &mut Expr, leads_back: &dyn Fn(TaskIdx) -> bool) {
    match expr {
        Expr::Literal(_)
        | Expr::Param { .. }
        | Expr::Item { .. }
        | Expr::Env { .. }
        | Expr::File { .. }
        | Expr::Faulty => {}
        Expr::Task { task, .. } => {
            if leads_back(*task) {
                *expr = Expr::Faulty;
            }
        }
        Expr::Array(parts) => parts.iter_mut().for_each(|part| mark(&mut part.value, leads_back)),
        Expr::Table(entries) => entries.iter_mut().for_each(|(_, part)| mark(&mut part.value, leads_back)),
        Expr::Select { selector, cases, .. } => {
            mark(&mut Arc::make_mut(selector).value, leads_back);
            cases.iter_mut().for_each(|(_, case)| mark(&mut case.value, leads_back));
        }
    }
}
