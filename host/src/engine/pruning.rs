//! Pruning: whether a task that only `select` cases need is needed, given the selectors known so far.
//! `graph` computes the conditions; `skipping` turns the answer into a skip.

use crate::engine::resolve::Scope;
use crate::engine::unresolved::Unresolved;
use crate::plan::{FanOut, Gate, NeededIf};
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Arc;

/// Returns whether some clause of the condition holds: its gates are open, and its consumer is needed.
///
/// A task is needed if a chain of open gates leads to a consumer that is always needed. Chains may be of any length
/// and share consumers, so each consumer is visited once, without recursion.
pub(crate) fn is_needed(scope: &Scope<'_>, condition: &NeededIf) -> Result<bool, Unresolved> {
    let mut unresolved: Option<Unresolved> = None;
    let mut visited: HashSet<*const NeededIf> = HashSet::new();
    let mut open = vec![condition];
    while let Some(condition) = open.pop() {
        for clause in &condition.any {
            match (are_open(scope, &clause.gates), &clause.consumer) {
                // No consumer means always needed; otherwise the consumer's own condition decides.
                (Ok(true), None) => return Ok(true),
                (Ok(true), Some(consumer)) if visited.insert(Arc::as_ptr(consumer)) => open.push(consumer),
                (Ok(_), _) => {}
                // A clause that cannot be decided yet matters only if no other clause holds.
                (Err(other), _) => {
                    unresolved = Some(unresolved.map_or(other.clone(), |first| first.and(other)));
                }
            }
        }
    }
    unresolved.map_or(Ok(false), Err)
}

fn are_open(scope: &Scope<'_>, gates: &[Gate]) -> Result<bool, Unresolved> {
    for gate in gates {
        if !is_open(scope, gate)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Returns whether the selector chooses the gate's case; in a `for-each`, for at least one element.
fn is_open(scope: &Scope<'_>, gate: &Gate) -> Result<bool, Unresolved> {
    let chooses = |items: &[Vec<Bytes>]| match (Scope { items, ..*scope }).choose(&gate.selector, &gate.ty) {
        Ok(name) => Ok(name.as_deref() == Some(gate.case.as_str())),
        Err(
            Unresolved::Skip(_) | Unresolved::LeftOut { .. } | Unresolved::Input(_) | Unresolved::Limit(_),
        ) => Ok(false),
        Err(needs @ Unresolved::Needs(_)) => Err(needs),
    };
    let own_level = scope.items.len() + 1;
    match gate.within {
        Some(task) if gate.selector.uses_items(own_level) => {
            let lists = match scope.whole_lists(FanOut::Task(task)) {
                Ok(lists) => lists,
                Err(
                    Unresolved::Skip(_)
                    | Unresolved::LeftOut { .. }
                    | Unresolved::Input(_)
                    | Unresolved::Limit(_),
                ) => return Ok(false),
                Err(needs @ Unresolved::Needs(_)) => return Err(needs),
            };
            for index in 0..lists.len() {
                let own = scope.element_values(&lists, index)?;
                let items: Vec<Vec<Bytes>> = scope.items.iter().cloned().chain([own]).collect();
                if chooses(&items)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        _ => chooses(scope.items), // outside of a `for-each`, or the same for all its elements
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::list_cache::ListCache;
    use crate::engine::resolve::Known;
    use crate::model::{Limits, TaskIdx};
    use crate::plan::Bound;
    use crate::state::{Entry, NodeId};

    const FUNCTIONS: &[&str] = &["run() -> string", "echo(t: string) -> string"];

    fn bound(text: &str) -> Bound {
        crate::plan::sample::bound(FUNCTIONS, text)
    }

    /// Returns whether `task` is needed once the tasks of `known` have yielded these texts.
    fn needed(bound: &Bound, task: u32, known: &[(u32, &str)]) -> Result<bool, Unresolved> {
        let entry = |text: &str| {
            let mut bytes = Vec::new();
            crate::value::wire::put_str(&mut bytes, text);
            Entry::Done(bytes.into())
        };
        let known: Known =
            known.iter().map(|(task, text)| (NodeId::of_task(TaskIdx::new(*task)), entry(text))).collect();
        let lists = ListCache::default();
        let scope = Scope::outermost(bound, (&known, &lists), Limits::default());
        let task = bound.plan().task(TaskIdx::new(task)).unwrap();
        is_needed(&scope, task.needed_if.as_ref().unwrap())
    }

    #[test]
    fn task_is_needed_if_a_chain_of_open_gates_reaches_a_needed_consumer() {
        let bound = bound("s:\nt:\na:\nb: call=c.echo t=(t ? y=a | 'x')\nc: call=c.echo t=(s ? x=b | 'x')");
        assert_eq!(needed(&bound, 2, &[(0, "x"), (1, "y")]), Ok(true));
        assert_eq!(needed(&bound, 2, &[(0, "z"), (1, "y")]), Ok(false));
        assert_eq!(needed(&bound, 2, &[(1, "z")]), Ok(false));
        assert_eq!(
            needed(&bound, 2, &[(1, "y")]),
            Err(Unresolved::Needs(vec![NodeId::of_task(TaskIdx::new(0))]))
        );
    }

    #[test]
    fn one_open_chain_suffices_while_others_are_undecided() {
        let bound = bound("s:\nt:\na:\nb: call=c.echo t=(t ? y=a | 'x')\nc: call=c.echo t=(s ? x=a | 'x')");
        assert_eq!(needed(&bound, 2, &[(0, "x")]), Ok(true));
        assert_eq!(needed(&bound, 2, &[(1, "y")]), Ok(true));
        assert!(matches!(needed(&bound, 2, &[(1, "z")]), Err(Unresolved::Needs(_))));
    }

    #[test]
    fn long_chain_of_choices_does_not_overflow_the_stack() {
        let len = 50_000;
        let line = |index| format!("t{index}: call=c.echo t=(s ? x=t{}, y=t{} | 'x')", index + 1, index + 1);
        let chain = (0..len).map(line).collect::<Vec<_>>().join("\n");
        let bound = bound(&format!("s:\n{chain}\nt{len}:"));
        assert_eq!(needed(&bound, len + 1, &[(0, "y")]), Ok(true));
        assert_eq!(needed(&bound, len + 1, &[(0, "z")]), Ok(false));
    }
}
