//! Walks over resolved expressions: which tasks they may read, and behind which choices.
//! The consequences for a task are drawn in `pruning` and `order`.

use crate::graph::draft::Body;
use crate::graph::{Expr, Gate};
use crate::model::TaskIdx;
use std::sync::Arc;

/// Calls `visit` with every task that `expr` may read and the gates that lead to it, outermost first.
///
/// A selector is read whatever it chooses, so its own gates are only those around its `select`.
pub(crate) fn each_use(expr: &Expr, within: Option<TaskIdx>, visit: &mut dyn FnMut(TaskIdx, &[Gate])) {
    Walk { within, gates: Vec::new() }.expr(expr, visit);
}

/// Calls `visit` with every task that a task's content may read and the gates that lead to it.
pub(crate) fn each_use_of(task: TaskIdx, body: &Body, visit: &mut dyn FnMut(TaskIdx, &[Gate])) {
    let mut walk = Walk { within: Some(task), gates: Vec::new() };
    body.values().for_each(|expr| walk.expr(expr, visit));
}

/// Calls `visit` with every task that `expr` may read.
pub(crate) fn each_task(expr: &Expr, visit: &mut dyn FnMut(TaskIdx)) {
    each_use(expr, None, &mut |task, _| visit(task));
}

/// Returns whether the value differs between the elements of a `for-each`.
pub(crate) fn has_items(expr: &Expr) -> bool {
    let mut has = matches!(expr, Expr::Item { .. });
    expr.each_part(&mut |part| has = has || has_items(part));
    has
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
            // Whatever else there is reads what its parts read.
            _ => expr.each_part(&mut |part| self.expr(part, visit)),
        }
    }
}
