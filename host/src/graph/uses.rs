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
    let args = body.args.iter().map(|(_, arg)| arg);
    let lists = body.for_each.iter().map(|(_, list)| list);
    args.chain(lists).chain(&body.when).for_each(|expr| walk.expr(&expr.value, visit));
}

/// Calls `visit` with every task that `expr` may read.
pub(crate) fn each_task(expr: &Expr, visit: &mut dyn FnMut(TaskIdx)) {
    each_use(expr, None, &mut |task, _| visit(task));
}

/// Returns whether the value differs between the elements of a `for-each`.
pub(crate) fn has_items(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(_)
        | Expr::Task { .. }
        | Expr::Param { .. }
        | Expr::Env { .. }
        | Expr::File { .. }
        | Expr::Faulty => false,
        Expr::Item { .. } => true,
        Expr::Array(parts) => parts.iter().any(|part| has_items(&part.value)),
        Expr::Table(entries) => entries.iter().any(|(_, part)| has_items(&part.value)),
        Expr::Select { selector, cases, .. } => {
            has_items(&selector.value) || cases.iter().any(|(_, case)| has_items(&case.value))
        }
    }
}

struct Walk {
    within: Option<TaskIdx>,
    gates: Vec<Gate>,
}

impl Walk {
    fn expr(&mut self, expr: &Expr, visit: &mut dyn FnMut(TaskIdx, &[Gate])) {
        match expr {
            Expr::Literal(_)
            | Expr::Param { .. }
            | Expr::Item { .. }
            | Expr::Env { .. }
            | Expr::File { .. }
            | Expr::Faulty => {}
            Expr::Task { task, .. } => visit(*task, &self.gates),
            Expr::Array(parts) => parts.iter().for_each(|part| self.expr(&part.value, visit)),
            Expr::Table(entries) => entries.iter().for_each(|(_, part)| self.expr(&part.value, visit)),
            Expr::Select { selector, cases, .. } => {
                self.expr(&selector.value, visit);
                for (name, case) in cases {
                    let selector = Arc::clone(selector);
                    self.gates.push(Gate { within: self.within, selector, case: name.value.clone() });
                    self.expr(&case.value, visit);
                    self.gates.pop();
                }
            }
        }
    }
}
