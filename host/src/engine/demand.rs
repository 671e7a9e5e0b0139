//! Whether a task that only cases of `select` need is needed, from what is known of the selectors.
//! Which tasks are to be asked is for the graph; a task that is not needed is skipped as `Pruned`.

use crate::engine::expansion::elements;
use crate::engine::resolve::Scope;
use crate::engine::resolve::Stuck;
use crate::plan::Demand;
use crate::plan::DemandClause;
use crate::plan::Gate;
use bytes::Bytes;

/// Whether some clause of the demand holds.
pub(crate) fn is_needed(scope: &Scope<'_>, demand: &Demand) -> Result<bool, Stuck> {
    let mut stuck: Option<Stuck> = None;
    for clause in &demand.any {
        match holds(scope, clause) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(more) => stuck = Some(stuck.map_or(more.clone(), |some| some.and(more))),
        }
    }
    stuck.map_or(Ok(false), Err)
}

fn holds(scope: &Scope<'_>, clause: &DemandClause) -> Result<bool, Stuck> {
    for gate in &clause.gates {
        if !is_open(scope, gate)? {
            return Ok(false);
        }
    }
    clause.consumer.as_ref().map_or(Ok(true), |consumer| is_needed(scope, consumer))
}

/// Whether the selector chooses the gate's case; in a `for-each`, for some element.
fn is_open(scope: &Scope<'_>, gate: &Gate) -> Result<bool, Stuck> {
    let chooses = |items: &[Bytes]| match (Scope { items, ..*scope }).choose(&gate.selector, &gate.ty) {
        Ok(name) => Ok(name.as_deref() == Some(gate.case.as_str())),
        Err(Stuck::Skip(_) | Stuck::Input(_)) => Ok(false),
        Err(needs @ Stuck::Needs(_)) => Err(needs),
    };
    let within = gate.within.and_then(|task| scope.bound.plan().task(task));
    match within {
        Some(task) if gate.selector.uses_items() => {
            let lists = match elements(scope, task) {
                Ok(lists) => lists,
                Err(Stuck::Skip(_) | Stuck::Input(_)) => return Ok(false),
                Err(needs @ Stuck::Needs(_)) => return Err(needs),
            };
            for at in 0..lists.len() {
                if chooses(&lists.at(at))? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => chooses(&[]), // outside of a `for-each`, or the same for all its elements
    }
}
