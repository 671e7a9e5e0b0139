//! The outputs of a run, from what its ledger holds at the end.
//! Printing them is for the command line.

use crate::engine::resolve::Known;
use crate::engine::resolve::Scope;
use crate::engine::resolve::Stuck;
use crate::model::Limits;
use crate::model::RunId;
use crate::model::SkipReason;
use crate::plan::Binding;
use crate::plan::Bound;
use crate::state::Entry;
use crate::state::Error;
use crate::state::Ledger;
use crate::state::NodeId;
use crate::value::Type;
use crate::value::check;
use bytes::Bytes;
use std::collections::HashSet;

/// One output of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputValue {
    /// Its value, MessagePack of the type.
    Value(Type, Bytes),
    /// Its task was skipped, or a task before it.
    Skipped(SkipReason),
    /// Its task has not ended, or has failed.
    Missing(String),
    /// It cannot be made of what its tasks have yielded: a path misses, a selector names no case.
    Faulty(String),
}

/// Every output of the run, by name, in the manifest's order. Fails where a stored result is no value of its type.
pub async fn outputs(
    bound: &Bound,
    run: &RunId,
    ledger: &dyn Ledger,
) -> Result<Vec<(String, OutputValue)>, Error> {
    let mut tasks = HashSet::new();
    for output in bound.plan().outputs() {
        output.binding.each_task(&mut |task| {
            tasks.insert(task);
        });
    }
    let nodes: Vec<NodeId> = tasks.into_iter().map(|task| NodeId { task, item: None }).collect();
    let entries = results(bound, run, &nodes, ledger).await?;
    let known: Known = nodes.iter().map(|node| node.task).zip(entries).collect();
    let scope = Scope { bound, known: &known, items: &[], limits: Limits::default() };
    let outputs = bound.plan().outputs().iter().map(|output| {
        let value = match scope.resolve(&output.binding) {
            Ok(bytes) => OutputValue::Value(output.ty.clone(), bytes),
            Err(Stuck::Skip(reason)) => skipped(&output.binding, &known, reason),
            Err(Stuck::Needs(_)) => OutputValue::Missing("its task has not finished".to_owned()),
            Err(Stuck::Input(message) | Stuck::Limit(message)) => OutputValue::Faulty(message),
        };
        (output.name.clone(), value)
    });
    Ok(outputs.collect())
}

/// What is stored of tasks, in order. Fails where a result is no value of its task's type: who may write to the backend may
/// have put anything there.
pub async fn results(
    bound: &Bound,
    run: &RunId,
    nodes: &[NodeId],
    ledger: &dyn Ledger,
) -> Result<Vec<Entry>, Error> {
    let entries = ledger.fetch(nodes).await?;
    for (node, entry) in nodes.iter().zip(&entries) {
        let task = bound.plan().task(node.task);
        if let (Some(task), Entry::Done(bytes)) = (task, entry)
            && let Some(ty) = &task.output
        {
            check(ty, bytes).map_err(|fault| Error::unreadable(run, task.name.as_str(), fault))?;
        }
    }
    Ok(entries)
}

/// An output without a value: the task that it names was skipped itself, has failed itself, or needs one that was.
fn skipped(binding: &Binding, known: &Known, reason: SkipReason) -> OutputValue {
    let Binding::Task { task, .. } = binding else {
        return OutputValue::Skipped(reason);
    };
    match known.get(task) {
        Some(Entry::Skipped(own)) => OutputValue::Skipped(*own),
        Some(Entry::Failed(_)) => OutputValue::Missing("its task has failed".to_owned()),
        Some(Entry::Open | Entry::Done(_)) | None => OutputValue::Skipped(reason),
    }
}
