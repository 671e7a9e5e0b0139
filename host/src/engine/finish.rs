//! Outputs of a run, computed from the entries of its ledger at the end.
//! `closing` decides what a faulty output means for the run; the command line prints outputs.

use crate::engine::list_cache::ListCache;
use crate::engine::resolve::{Known, Scope};
use crate::engine::unresolved::Unresolved;
use crate::events::FailureFact;
use crate::model::{FailureClass, Limits, SkipReason, TaskIdx};
use crate::plan::{Binding, Bound, FanOut, Output, Plan};
use crate::state::{Entry, Error, Ledger, NodeId};
use crate::value::{Type, check};
use bytes::Bytes;
use std::collections::HashSet;

/// An output of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputValue {
    /// A value: its type, and its MessagePack encoding.
    Value(Type, Bytes),
    /// No value: its task, or a task before it, was skipped.
    Skipped(SkipReason),
    /// No value: its task has failed or has not ended. The text says which.
    Missing(String),
    /// No value: it cannot be computed from the results. A path misses, a selector names no case, or a stored value
    /// is damaged.
    Faulty(FailureFact),
}

/// Outputs by name.
pub type Outputs = Vec<(String, OutputValue)>;

/// Which outputs a run shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// For each output of the plan, by position: whether the run shows it.
    pub declared: Vec<bool>,
    /// Tasks whose outputs the run shows too.
    pub tasks: Vec<TaskIdx>,
    /// Pipelines, by position in the plan, whose records of outputs the run shows too.
    pub pipelines: Vec<usize>,
}

impl Shown {
    /// Shows all outputs of a plan.
    #[must_use]
    pub fn all(plan: &Plan) -> Self {
        Self { declared: vec![true; plan.outputs().len()], ..Self::default() }
    }

    /// Returns whether the run shows no output.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.pipelines.is_empty() && !self.declared.contains(&true)
    }

    /// Returns the values of the shown pipelines and tasks, each with its name and its type.
    pub(crate) fn named(&self, plan: &Plan) -> Vec<(String, Binding, Type)> {
        let pipelines = self.pipelines.iter().filter_map(|position| {
            let (value, ty) = plan.output(FanOut::Pipeline(*position))?;
            Some((plan.pipelines().get(*position)?.name.to_string(), value, ty))
        });
        let tasks = self.tasks.iter().filter_map(|task| {
            let (value, ty) = plan.output(FanOut::Task(*task))?;
            Some((plan.task(*task)?.name.to_string(), value, ty))
        });
        pipelines.chain(tasks).collect()
    }

    fn declared_outputs<'p>(&self, plan: &'p Plan) -> impl Iterator<Item = &'p Output> {
        plan.outputs().iter().zip(&self.declared).filter(|(_, is_shown)| **is_shown).map(|(output, _)| output)
    }
}

/// Returns the outputs that a run shows, by name: those of the manifest in its order, then those of pipelines and tasks.
pub async fn outputs(bound: &Bound, ledger: &dyn Ledger, shown: &Shown) -> Result<Outputs, Error> {
    let plan = bound.plan();
    let named = shown.named(plan);
    let (mut known, lists) = (Known::default(), ListCache::default());
    // A value says what it needs; which elements it needs is known once their number is.
    loop {
        let scope = Scope::outermost(bound, (&known, &lists), Limits::default());
        let bindings = shown.declared_outputs(plan).map(|output| &output.binding);
        let bindings = bindings.chain(named.iter().map(|(_, value, _)| value));
        let needs = bindings.filter_map(|binding| match scope.resolve(binding) {
            Err(Unresolved::Needs(nodes)) => Some(nodes),
            Ok(_) | Err(_) => None,
        });
        let nodes: HashSet<NodeId> = needs.flatten().filter(|node| !known.contains_key(node)).collect();
        if nodes.is_empty() {
            break;
        }
        let nodes: Vec<NodeId> = nodes.into_iter().collect();
        let entries = ledger.fetch(&nodes).await?;
        known.extend(nodes.into_iter().zip(entries));
    }
    let scope = Scope::outermost(bound, (&known, &lists), Limits::default());
    let value = |binding: &Binding, ty: &Type| match scope.resolve(binding) {
        Ok(bytes) => checked_value(ty, bytes),
        Err(Unresolved::Skip(reason)) => skipped(binding, &known, reason),
        // No output lies in an element.
        Err(Unresolved::Needs(_) | Unresolved::LeftOut { .. }) => unfinished(),
        Err(Unresolved::Input(message)) => faulty(FailureClass::Input, message),
        Err(Unresolved::Limit(message)) => faulty(FailureClass::Limit, message),
    };
    let declared = shown.declared_outputs(plan);
    let declared = declared.map(|output| (output.name.clone(), value(&output.binding, &output.ty)));
    let named = named.iter().map(|(name, binding, ty)| (name.clone(), value(binding, ty)));
    Ok(declared.chain(named).collect())
}

/// Checks a stored value against its type, because others may have written to the store.
fn checked_value(ty: &Type, bytes: Bytes) -> OutputValue {
    match check(ty, &bytes) {
        Ok(()) => OutputValue::Value(ty.clone(), bytes),
        Err(fault) => faulty(FailureClass::Input, format!("a stored value is malformed: {fault}")),
    }
}

fn unfinished() -> OutputValue {
    OutputValue::Missing("its task has not finished".to_owned())
}

const fn faulty(class: FailureClass, error: String) -> OutputValue {
    OutputValue::Faulty(FailureFact { class, error })
}

/// Explains an output without a value: its own task, or a task before it, was skipped or has failed.
fn skipped(binding: &Binding, known: &Known, reason: SkipReason) -> OutputValue {
    let Binding::Task { task, .. } = binding else {
        return OutputValue::Skipped(reason);
    };
    match known.get(&NodeId::of_task(*task)) {
        Some(Entry::Skipped(own)) => OutputValue::Skipped(*own),
        Some(Entry::Failed(_)) => OutputValue::Missing("its task has failed".to_owned()),
        Some(Entry::Open | Entry::Done(_) | Entry::LeftOut(_)) | None => OutputValue::Skipped(reason),
    }
}
