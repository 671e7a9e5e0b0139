//! Bounds of values that cross the borders of pipelines, so that a few small manifests cannot make a huge graph.
//! `inline` makes the crossings.

use crate::graph::{Border, Crossing, Expr};
use crate::model::Spanned;
use std::sync::Arc;

/// Maximum nesting of a value once what crosses borders is in it: later stages recurse over it.
pub(crate) const MAX_DEPTH: usize = 256;

/// Maximum number of parts of a value that crosses a border.
const MAX_WEIGHT: usize = 100_000;

/// Maximum number of such parts over all references to them, which bounds the time to check a graph.
const MAX_TOTAL: usize = 20_000_000;

/// Makes and counts crossings.
#[derive(Default)]
pub(crate) struct Crossings {
    /// Each after those in it.
    list: Vec<Arc<Crossing>>,
    total: usize,
}

impl Crossings {
    /// Returns a crossing; none if the value is too large.
    pub(crate) fn add(&mut self, border: Border, value: Spanned<Expr>) -> Option<Arc<Crossing>> {
        let (depth, weight) = extent(&value.value);
        if depth >= MAX_DEPTH || weight > MAX_WEIGHT {
            return None;
        }
        let crossing = Arc::new(Crossing { id: self.list.len(), border, value, depth: depth + 1, weight });
        self.list.push(Arc::clone(&crossing));
        Some(crossing)
    }

    /// Counts a reference to a crossing. Returns whether the bound on all of them holds.
    pub(crate) fn refer(&mut self, crossing: &Crossing) -> bool {
        self.total = self.total.saturating_add(crossing.weight);
        self.total <= MAX_TOTAL
    }

    /// Returns all crossings by number.
    pub(crate) fn finish(self) -> Vec<Arc<Crossing>> {
        self.list
    }
}

/// Returns the levels and the number of parts of a value.
fn extent(expr: &Expr) -> (usize, usize) {
    if let Expr::Crossing { crossing, .. } = expr {
        return (crossing.depth, crossing.weight.saturating_add(1));
    }
    let (mut depth, mut weight) = (0, 1_usize);
    expr.each_part(&mut |part| {
        let (part_depth, part_weight) = extent(part);
        depth = depth.max(part_depth);
        weight = weight.saturating_add(part_weight);
    });
    (depth + 1, weight)
}
