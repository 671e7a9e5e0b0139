//! Reads the results that assembled values need, in as few requests as there are levels of lists.
//! `plan` knows how values are put together, `stored` and `node_name` what is asked for.

use crate::model::{IndexPath, RunId, SkipReason, TaskIdx};
use crate::plan::{Assembly, NotPut, PlanRecord};
use crate::state::{Backend, End, Error, Hole, NodeId};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

/// What is known of a node.
enum Fetched {
    Done(Bytes),
    LeftOut(u8),
    Skipped,
    Missing,
}

/// Evaluates something in the outermost place of a run, with all results that it asks for. Missing results are those of
/// nodes that have failed or have not ended.
pub(crate) async fn assemble<T>(
    backend: &dyn Backend,
    run: &RunId,
    record: &PlanRecord,
    evaluate: impl Fn(&Assembly<'_, NodeId>) -> T,
) -> Result<T, Error> {
    let mut known: HashMap<NodeId, Fetched> = HashMap::new();
    loop {
        let (value, wanted) = attempt(record, &known, &evaluate);
        if wanted.is_empty() {
            return Ok(value);
        }
        fetch(backend, run, record, wanted, &mut known).await?;
    }
}

/// Evaluates with the known results. Returns also which other ones were asked for.
fn attempt<T>(
    record: &PlanRecord,
    known: &HashMap<NodeId, Fetched>,
    evaluate: impl Fn(&Assembly<'_, NodeId>) -> T,
) -> (T, Vec<NodeId>) {
    let wanted = RefCell::new(HashSet::new());
    let results = |task: TaskIdx, at: IndexPath| {
        let node = NodeId { task, at };
        match known.get(&node) {
            Some(Fetched::Done(bytes)) => Ok(Some(bytes.clone())),
            Some(Fetched::LeftOut(level)) => Err(NotPut::LeftOut(*level)),
            Some(Fetched::Skipped) => Ok(None),
            Some(Fetched::Missing) => Err(NotPut::Missing(node)),
            None => {
                wanted.borrow_mut().insert(node);
                Err(NotPut::Missing(node))
            }
        }
    };
    let value = evaluate(&Assembly::new(record, &results));
    (value, wanted.into_inner().into_iter().collect())
}

async fn fetch(
    backend: &dyn Backend,
    run: &RunId,
    record: &PlanRecord,
    nodes: Vec<NodeId>,
    known: &mut HashMap<NodeId, Fetched>,
) -> Result<(), Error> {
    // No node has the empty name: a task without elements is asked for one, to see that it has none.
    let has_elements = |node: NodeId| node.at.level() <= record.indexed(node.task).len();
    let name = |node: NodeId| {
        record.node_name(node.task, &node.at).filter(|_| has_elements(node)).unwrap_or_default()
    };
    let names: Vec<String> = nodes.iter().copied().map(name).collect();
    let results = backend.results(run, &names).await?;
    let mut without = Vec::new();
    for (node, result) in nodes.into_iter().zip(results) {
        match result {
            Some(bytes) => {
                let left_out = Hole::decode(&bytes).map(|hole| Fetched::LeftOut(hole.level));
                known.insert(node, left_out.unwrap_or(Fetched::Done(bytes)));
            }
            None => without.push(node),
        }
    }
    // An element is skipped with what is around it, and then has no record of its own.
    let around = |node: &NodeId| std::iter::successors(Some(*node), |node| node.parent());
    let names: Vec<String> = without.iter().flat_map(around).map(name).collect();
    let mut views = backend.nodes(run, &names).await?.into_iter();
    for node in without {
        let views = views.by_ref().take(node.at.level() + 1);
        let is_skipped = views.fold(false, |is_skipped, view| is_skipped | is_skip(&view.end));
        known.insert(node, if is_skipped { Fetched::Skipped } else { Fetched::Missing });
    }
    Ok(())
}

/// Returns whether a node was skipped, and not because of a failure.
fn is_skip(end: &End) -> bool {
    match end {
        End::Skipped(reason) => *reason != SkipReason::UpstreamFailed,
        End::Open | End::Done { .. } | End::Failed(_) => false,
    }
}

/// The number of elements of a task or a pipeline in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// Known.
    Known(usize),
    /// What it runs over was skipped.
    Skipped,
    /// What it runs over is not complete.
    Incomplete,
    /// It depends on more than results.
    NotStored,
}

impl<E> From<Result<Option<usize>, NotPut<E>>> for Count {
    fn from(count: Result<Option<usize>, NotPut<E>>) -> Self {
        match count {
            Ok(Some(count)) => Self::Known(count),
            Err(NotPut::Missing(_)) => Self::Incomplete,
            Ok(None) | Err(NotPut::LeftOut(_)) => Self::Skipped,
            Err(NotPut::NotStored) => Self::NotStored,
        }
    }
}

/// Returns the number of elements of a pipeline in the element of those around it that has these indexes.
pub(crate) async fn count(
    backend: &dyn Backend,
    run: &RunId,
    record: &PlanRecord,
    (pipeline, at): (usize, &IndexPath),
) -> Result<Count, Error> {
    let around = record.inside(pipeline);
    let count = |outermost: &Assembly<'_, NodeId>| outermost.within(&around, at).count(pipeline);
    assemble(backend, run, record, count).await.map(Count::from)
}

/// Returns the indexes of all elements of nested pipelines, in order. None of a pipeline that was skipped.
pub(crate) fn places(
    place: &Assembly<'_, NodeId>,
    pipelines: &[usize],
) -> Result<Vec<IndexPath>, NotPut<NodeId>> {
    let Some((first, inner)) = pipelines.split_first() else { return Ok(vec![place.at()]) };
    let Some(count) = place.count(*first)? else { return Ok(Vec::new()) };
    let inner = place.elements(*first, (0..).take(count)).map(|element| places(&element, inner));
    // All are looked at, so that what is missing is asked for at once.
    let inner: Vec<_> = inner.collect();
    inner.into_iter().collect::<Result<Vec<_>, _>>().map(|found| found.into_iter().flatten().collect())
}
