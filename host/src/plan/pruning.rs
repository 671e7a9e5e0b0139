//! Typing of pruning conditions: the selectors that decide whether a lazy task is needed.
//! The graph decides which tasks are lazy; `engine` evaluates the conditions during the run.

use crate::graph;
use crate::plan::binding::selector;

use crate::plan::scope::{Lists, Scope};
use crate::plan::{Gate, NeededClause, NeededIf};
use std::collections::HashMap;
use std::sync::Arc;

/// Conditions already typed, by their address in the graph, so that shared ones stay shared.
#[derive(Default)]
pub(crate) struct NeededConditions {
    typed: HashMap<*const graph::NeededIf, Option<Arc<NeededIf>>>,
}

impl NeededConditions {
    /// Types a condition and those of the consumers behind it. No recursion: the chain may have 100,000 conditions.
    ///
    /// Returns none if a selector is faulty. The fault is reported at the selector only.
    pub(crate) fn compile(
        &mut self,
        scope: &mut Scope<'_>,
        needed_if: &Arc<graph::NeededIf>,
        lists: &[Lists],
    ) -> Option<Arc<NeededIf>> {
        let reported = scope.faults.list.len();
        let mut path: Vec<&Arc<graph::NeededIf>> = vec![needed_if];
        while let Some(top) = path.last().copied() {
            let depth = path.len();
            let consumers = top.any.iter().filter_map(|clause| clause.consumer.as_ref());
            path.extend(consumers.filter(|consumer| !self.typed.contains_key(&Arc::as_ptr(consumer))));
            if path.len() == depth {
                path.pop();
                let typed = self.typed_condition(scope, top, lists);
                self.typed.insert(Arc::as_ptr(top), typed);
            }
        }
        scope.faults.list.truncate(reported);
        self.typed.get(&Arc::as_ptr(needed_if)).cloned().flatten()
    }

    fn typed_condition(
        &self,
        scope: &mut Scope<'_>,
        needed_if: &graph::NeededIf,
        lists: &[Lists],
    ) -> Option<Arc<NeededIf>> {
        let any =
            needed_if.any.iter().map(|clause| self.clause(scope, clause, lists)).collect::<Option<_>>()?;
        Some(Arc::new(NeededIf { any }))
    }

    fn clause(
        &self,
        scope: &mut Scope<'_>,
        clause: &graph::NeededClause,
        lists: &[Lists],
    ) -> Option<NeededClause> {
        let gates = clause.gates.iter().map(|gate| typed_gate(scope, gate, lists)).collect::<Option<_>>()?;
        let consumer = match &clause.consumer {
            None => None,
            Some(consumer) => Some(self.typed.get(&Arc::as_ptr(consumer))?.clone()?),
        };
        Some(NeededClause { gates, consumer })
    }
}

fn typed_gate(scope: &mut Scope<'_>, gate: &graph::Gate, lists: &[Lists]) -> Option<Gate> {
    let enclosing_lists = gate.within.and_then(|task| lists.get(task.index()));
    scope.items = enclosing_lists.map_or_else(Vec::new, |lists| lists.items.clone());
    let within = gate.within.and_then(|task| scope.graph.nodes().get(task.index()));
    scope.level = within.map_or(0, |within| within.around.len()) + 1;
    let (binding, ty) = selector(scope, &gate.selector, &[])?;
    Some(Gate { within: gate.within, selector: binding, ty, case: gate.case.clone() })
}
