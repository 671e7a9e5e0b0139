//! The demands of lazy tasks, with their selectors typed.
//! Which tasks are lazy was decided by the graph; whether a demand holds is found out when the run is under way.

use crate::graph;
use crate::plan::Demand;
use crate::plan::DemandClause;
use crate::plan::Gate;
use crate::plan::binding::selector;
use crate::plan::scope::ItemType;
use crate::plan::scope::Scope;
use std::collections::HashMap;
use std::sync::Arc;

/// Demands that were typed already, by where the graph keeps them, so that shared ones stay shared.
#[derive(Default)]
pub(crate) struct Demands {
    typed: HashMap<*const graph::Demand, Arc<Demand>>,
}

impl Demands {
    /// Types a demand. `items` gives the item types of a task.
    pub(crate) fn compile(
        &mut self,
        scope: &mut Scope<'_>,
        demand: &Arc<graph::Demand>,
        items: &dyn Fn(usize) -> Vec<ItemType>,
    ) -> Option<Arc<Demand>> {
        if let Some(known) = self.typed.get(&Arc::as_ptr(demand)) {
            return Some(Arc::clone(known));
        }
        let mut any = Vec::with_capacity(demand.any.len());
        for clause in &demand.any {
            let mut gates = Vec::with_capacity(clause.gates.len());
            for gate in &clause.gates {
                scope.items = gate.within.map_or_else(Vec::new, |task| items(task.index()));
                let (binding, ty) = selector(scope, &gate.selector, &[])?;
                gates.push(Gate { within: gate.within, selector: binding, ty, case: gate.case.clone() });
            }
            let consumer = match &clause.consumer {
                None => None,
                Some(consumer) => Some(self.compile(scope, consumer, items)?),
            };
            any.push(DemandClause { gates, consumer });
        }
        let typed = Arc::new(Demand { any });
        self.typed.insert(Arc::as_ptr(demand), Arc::clone(&typed));
        Some(typed)
    }
}
