//! Walks over resolved expressions: which tasks they may read, and behind which choices.
//! The consequences for a task are drawn in `pruning` and `order`.

use crate::graph::draft::Body;
use crate::graph::{Expr, Gate, Pipeline};
use crate::model::{Spanned, TaskIdx};
use std::sync::Arc;

/// Calls `visit` with every task that `expr` may read and the gates that lead to it, outermost first.
///
/// A selector is read whatever it chooses, so its own gates are only those around its `select`.
pub(crate) fn each_use(expr: &Expr, within: Option<TaskIdx>, visit: &mut dyn FnMut(TaskIdx, &[Gate])) {
    Walk { within, gates: Vec::new() }.expr(expr, visit);
}

/// Calls `visit` with every task that a task's content may read and the gates that lead to it.
///
/// The lists of the pipelines around the task count too: each task evaluates them for itself.
pub(crate) fn each_use_of(
    task: TaskIdx,
    body: &Body,
    pipelines: &[Pipeline],
    visit: &mut dyn FnMut(TaskIdx, &[Gate]),
) {
    let mut walk = Walk { within: Some(task), gates: Vec::new() };
    body.values().for_each(|expr| walk.expr(expr, visit));
    walk.within = None;
    let around = body.around.iter().filter_map(|pipeline| pipelines.get(*pipeline));
    around.flat_map(|pipeline| &pipeline.for_each).for_each(|(_, list)| walk.expr(&list.value, visit));
}

/// Calls `visit` with every task that `expr` may read.
pub(crate) fn each_task(expr: &Expr, visit: &mut dyn FnMut(TaskIdx)) {
    each_use(expr, None, &mut |task, _| visit(task));
}

/// Returns whether the value differs between the elements of the task's own `for-each`.
pub(crate) fn has_items(expr: &Expr) -> bool {
    let mut has = matches!(expr, Expr::Item { of: None, .. });
    expr.each_part(&mut |part| has = has || has_items(part));
    has
}

/// Calls `visit` with every task that `expr` may read, and the span of the reference.
pub(crate) fn each_reference(expr: &Spanned<Expr>, visit: &mut dyn FnMut(Spanned<TaskIdx>)) {
    match &expr.value {
        Expr::Task { task, .. } => visit(Spanned::new(*task, expr.span.clone())),
        Expr::Crossing { crossing, .. } => each_reference(&crossing.value, visit),
        Expr::Each { lists, value, .. } => {
            lists.iter().for_each(|list| each_reference(list, visit));
            each_reference(value, visit);
        }
        Expr::Range { from, to } => {
            each_reference(from, visit);
            each_reference(to, visit);
        }
        Expr::Array(parts) => parts.iter().for_each(|part| each_reference(part, visit)),
        Expr::Table(entries) => entries.iter().for_each(|(_, part)| each_reference(part, visit)),
        Expr::Select { selector, cases, .. } => {
            each_reference(selector, visit);
            cases.iter().for_each(|(_, case)| each_reference(case, visit));
        }
        Expr::Literal(_)
        | Expr::Param { .. }
        | Expr::Item { .. }
        | Expr::Env { .. }
        | Expr::File { .. }
        | Expr::Files { .. }
        | Expr::Run(_)
        | Expr::Faulty => {}
    }
}

struct Walk {
    within: Option<TaskIdx>,
    gates: Vec<Gate>,
}

impl Walk {
    fn expr(&mut self, expr: &Expr, visit: &mut dyn FnMut(TaskIdx, &[Gate])) {
        match expr {
            Expr::Task { task, .. } => visit(*task, &self.gates),
            // Each case is behind a gate of its own; the selector is not.
            Expr::Select { selector, cases, .. } => {
                self.expr(&selector.value, visit);
                for (name, case) in cases {
                    let selector = Arc::clone(selector);
                    self.gates.push(Gate { within: self.within, selector, case: name.value.clone() });
                    self.expr(&case.value, visit);
                    self.gates.pop();
                }
            }
            // Which of the elements choose a case is not asked: what the cases read is needed.
            Expr::Each { lists, value, .. } => {
                let mut read = |task: Spanned<TaskIdx>| visit(task.value, &self.gates);
                lists.iter().for_each(|list| each_reference(list, &mut read));
                each_reference(value, &mut read);
            }
            // A selector on the other side of a border refers to no item of this task.
            Expr::Crossing { crossing, .. } => {
                let within = self.within.take();
                self.expr(&crossing.value.value, visit);
                self.within = within;
            }
            // Whatever else there is reads what its parts read.
            _ => expr.each_part(&mut |part| self.expr(part, visit)),
        }
    }
}
