//! Takes cycles apart: what was reported of them must not keep the rest from being looked at.
//! Finding them is for `cycle`.

use crate::graph::Expr;
use crate::graph::draft::{Body, Draft};
use crate::model::TaskIdx;

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
            body.values_mut().for_each(|expr| mark(expr, &leads_back));
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
    if matches!(expr, Expr::Task { task, .. } if leads_back(*task)) {
        *expr = Expr::Faulty;
    }
    expr.each_part_mut(&mut |part| mark(part, leads_back));
}
