//! Takes cycles apart: what was reported of them must not keep the rest from being looked at.
//! Finding them is for `cycle`.

use crate::graph::Expr;
use crate::graph::draft::Draft;
use crate::model::TaskIdx;

/// Marks the references between tasks that need each other as faulty. `knots` has the number of the group of each task,
/// none for one that stands on no cycle.
pub(crate) fn cut(drafts: &mut [Draft], knots: &[Option<usize>]) {
    let knot_of = |task: TaskIdx| knots.get(task.index()).copied().flatten();
    for (at, draft) in (0..).map(TaskIdx::new).zip(drafts) {
        let Some(knot) = knot_of(at) else { continue };
        let leads_back = |task: TaskIdx| knot_of(task) == Some(knot);
        draft.body.values_mut().for_each(|expr| mark(expr, &leads_back));
        // Conditions of pipelines are shared by tasks that lie on no cycle.
        let is_shared_cycle = |expr: &Expr| reads(expr, &leads_back);
        draft.body.conditions.retain(|condition| !is_shared_cycle(&condition.subject.value));
        draft.after.retain(|after| !leads_back(after.value));
    }
}

fn mark(expr: &mut Expr, leads_back: &dyn Fn(TaskIdx) -> bool) {
    let is_cut = match expr {
        Expr::Task { task, .. } => leads_back(*task),
        // What crosses a border is shared too: the reference is cut as a whole.
        Expr::Crossing { crossing, .. } => reads(&crossing.value.value, leads_back),
        _ => false, // its parts are marked
    };
    if is_cut {
        *expr = Expr::Faulty;
    }
    expr.each_part_mut(&mut |part| mark(part, leads_back));
}

fn reads(expr: &Expr, leads_back: &dyn Fn(TaskIdx) -> bool) -> bool {
    let mut found = matches!(expr, Expr::Task { task, .. } if leads_back(*task));
    expr.each_part(&mut |part| found = found || reads(part, leads_back));
    found
}
