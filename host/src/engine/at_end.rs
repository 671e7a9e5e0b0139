//! The ending of a run as its finally tasks read it, and what has become of them.
//! `resolve` gives the values to arguments and conditions.

use crate::engine::context::Context;
use crate::engine::run_facts::{Ending, RunFacts};
use crate::events::Fact;
use crate::model::{RunStatus, excerpt};
use crate::plan::{Binding, Bound, FAILURE, RunValue, type_of};
use crate::state::{CLOSING, Entry, Error, FailureRecord, Ledger, NodeId, Progress, RunShape};
use crate::value::wire::put_str;
use crate::value::{Type, compose_list, compose_record};
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Maximum number of failures that `{ run = "failures" }` lists: a fan-out may have millions.
const MAX_FAILURES: usize = 1_000;

/// Maximum length of a message in it, in characters.
const MAX_MESSAGE: usize = 2_000;

impl Context {
    /// Notes the ending that the ledger has reported, and emits it once. A run that ended before has no other ending now.
    pub(crate) fn note_ending(&self, progress: Progress) {
        if self.shape.first_finally.is_none() || progress.status != RunStatus::Running {
            return;
        }
        let mut known = self.ending();
        if known.status == progress.ending {
            return;
        }
        *known = Ending { status: progress.ending, ..Ending::default() };
        drop(known);
        progress.ending.into_iter().for_each(|status| self.recorder.run(Fact::RunEnding { status }));
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.shared.at_end.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what finally tasks read of the run, computed once.
    pub(crate) async fn run_facts(&self) -> Result<Arc<RunFacts>, Error> {
        let Ending { status, facts } = self.ending().clone();
        facts.get_or_try_init(|| self.compute_facts(status)).await.map(Arc::clone)
    }

    async fn compute_facts(&self, status: Option<RunStatus>) -> Result<Arc<RunFacts>, Error> {
        let plan = self.bound.plan();
        let are_read = plan.finally().any(|(_, task)| plan.bindings_of(task).any(Binding::uses_failures));
        let failures = if are_read { self.failures().await? } else { Vec::new() };
        Ok(Arc::new(RunFacts {
            status: text(status.map_or("", RunStatus::as_str)),
            failures: list(&failures),
            id: text(self.run.as_str()),
        }))
    }

    /// Returns the failures of the run in the order of the plan: names, classes and messages. A node around another one that
    /// has failed is left out, because it has failed as that one did.
    async fn failures(&self) -> Result<Vec<[String; 3]>, Error> {
        let mut nodes = self.ledger.failed().await?;
        let around = |node: NodeId| std::iter::successors(node.parent(), |node| node.parent());
        let outer: HashSet<NodeId> = nodes.iter().copied().flat_map(around).collect();
        nodes.retain(|node| !outer.contains(node) && !self.shape.is_finally(node.task));
        nodes.sort_unstable();
        if nodes.len() > MAX_FAILURES {
            let message = format!(
                "finally tasks read the first {MAX_FAILURES} of {} failures in `{{ run = \"failures\" }}`",
                nodes.len()
            );
            self.recorder.run(Fact::Warning { code: "failures-cut".into(), message });
        }
        nodes.truncate(MAX_FAILURES);
        let entries = self.ledger.fetch(&nodes).await?;
        let failure = |(node, entry): (NodeId, Entry)| {
            let Entry::Failed(record) = entry else { return None };
            let name = self.shape.name_of(node).unwrap_or_else(|| CLOSING.to_owned());
            let (class, message) = match FailureRecord::decode(&record) {
                Some(record) => (record.class.to_string(), self.recorder.hide(&record.message)),
                None => ("error".to_owned(), "the failure cannot be read".to_owned()),
            };
            Some([name, class, excerpt(&message, MAX_MESSAGE).into_owned()])
        };
        Ok(nodes.into_iter().zip(entries).filter_map(failure).collect())
    }
}

fn text(text: &str) -> Bytes {
    let mut bytes = Vec::new();
    put_str(&mut bytes, text);
    bytes.into()
}

fn list(failures: &[[String; 3]]) -> Bytes {
    let record = |failure: &[String; 3]| {
        let fields = FAILURE.iter().zip(failure).map(|(name, value)| ((*name).into(), text(value)));
        compose_record(&fields.collect::<Vec<_>>())
    };
    let records: Vec<Bytes> = failures.iter().map(record).collect();
    let Type::List(element) = type_of(RunValue::Failures) else { return Bytes::new() };
    // Records of this type always make a list of it.
    compose_list(&element, &records).unwrap_or_default()
}

/// The finally tasks of a run that has ended, by name, which have not ended well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unwell {
    /// Those that have failed.
    pub failed: Vec<String>,
    /// Those that have not ended, because they were cancelled.
    pub open: Vec<String>,
}

impl Unwell {
    /// Returns whether all finally tasks have ended well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.failed.is_empty() && self.open.is_empty()
    }
}

/// Returns which finally tasks have not ended well. A run without such tasks asks nothing.
pub async fn finally_unwell(bound: &Bound, shape: &RunShape, ledger: &dyn Ledger) -> Result<Unwell, Error> {
    let tasks: Vec<NodeId> = shape.finally().map(NodeId::of_task).collect();
    let mut unwell = Unwell::default();
    if tasks.is_empty() {
        return Ok(unwell);
    }
    for (node, entry) in tasks.iter().zip(ledger.fetch(&tasks).await?) {
        let name = bound.plan().task(node.task).map(|task| task.name.to_string()).unwrap_or_default();
        match entry {
            Entry::Failed(_) => unwell.failed.push(name),
            Entry::Open => unwell.open.push(name),
            Entry::Done(_) | Entry::LeftOut(_) | Entry::Skipped(_) => {}
        }
    }
    Ok(unwell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count};
    use crate::value::check;

    #[test]
    fn values_of_the_run_have_their_types() {
        let failure = ["clean[3]/count".to_owned(), "trap".to_owned(), "boom".to_owned()];
        for failures in [vec![], vec![failure.clone()], vec![failure; 3]] {
            assert_eq!(check(&type_of(RunValue::Failures), &list(&failures)), Ok(()));
        }
        assert_eq!(check(&type_of(RunValue::Status), &text("failed")), Ok(()));
    }

    #[test]
    fn manual_names_the_bounds_of_this_file() {
        let section = Page::of("manifest").section("[finally.NAME]");
        section.says(&count(MAX_FAILURES));
        section.says(&count(MAX_MESSAGE));
    }
}
