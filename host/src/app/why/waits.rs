//! What a node waited for before its first attempt, and for how long.
//! The times are those of the hosts' clocks, as notes have them: those of two hosts may differ.

use crate::app::Error;
use crate::app::node_name::{Names, no_run};
use crate::app::why::sources::source;
use crate::model::Timestamp;
use crate::state::{EpochNote, NodeId, Note, RunSummary};
use std::time::Duration;

/// A wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    /// For what.
    pub on: WaitedFor,
    /// How long.
    pub time: Duration,
}

/// What a node waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WaitedFor {
    /// Its inputs: this one ended last.
    Input(String),
    /// A host that takes it: all were busy, or none was there.
    Host,
    /// A resource.
    Resource(String),
    /// A slot, memory, or the result of another task with the same cache key.
    Slot,
}

/// Returns what a node waited for, in order.
pub(crate) async fn waits(
    names: &Names<'_>,
    (node, run): (NodeId, &RunSummary),
    (last, attempts): (&Note, &[Note]),
    epochs: &[EpochNote],
) -> Result<Vec<Wait>, Error> {
    let began = epochs.iter().find(|epoch| epoch.epoch == last.epoch).map_or(run.created, |epoch| epoch.at);
    // An input may have run again since.
    let until = last.ready.or(last.ended);
    let input = last_input(names, node, (began, until)).await?;
    let available = input.as_ref().map_or(began, |(_, at)| *at);
    let mut waits = Vec::new();
    if let Some((name, at)) = input {
        waits.push(Wait { on: WaitedFor::Input(name), time: between(began, at) });
    }
    let Some(ready) = last.ready else { return Ok(waits) };
    waits.push(Wait { on: WaitedFor::Host, time: between(available, ready) });
    let first = attempts.first().unwrap_or(last);
    let Some(started) = first.started else { return Ok(waits) };
    match &last.blocked {
        Some((resource, since)) => {
            waits.push(Wait { on: WaitedFor::Slot, time: between(ready, *since) });
            waits.push(Wait { on: WaitedFor::Resource(resource.clone()), time: between(*since, started) });
        }
        None => waits.push(Wait { on: WaitedFor::Slot, time: between(ready, started) }),
    }
    Ok(waits)
}

/// Returns the input of a node that ended last before the node was handed out, and when, if that was in the epoch.
async fn last_input(
    names: &Names<'_>,
    node: NodeId,
    (began, until): (Timestamp, Option<Timestamp>),
) -> Result<Option<(String, Timestamp)>, Error> {
    let inputs = names.record.lineage().inputs(node.task).into_iter();
    let inputs: Vec<String> = inputs.map(|task| names.node_name(source(&names.record, node, task))).collect();
    let views = names.backend.nodes(names.run, &inputs).await.map_err(|error| no_run(names.run, error))?;
    let ended = inputs.into_iter().zip(views).filter_map(|(name, view)| Some((name, view.note?.ended?)));
    let is_before = |at: Timestamp| at > began && until.is_none_or(|until| at <= until);
    Ok(ended.filter(|(_, at)| is_before(*at)).max_by_key(|(_, at)| *at))
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    let millis = to.as_millis().saturating_sub(from.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
