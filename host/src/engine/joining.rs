//! The end of a node around elements: their results become one list, or the node ends as they have.
//! `job` has the claim of that node; elements end on their own.

use crate::engine::failure_text::failure_of;
use crate::engine::left_out::{FailedAs, LeftOut, MAX_NAMED};
use crate::engine::resolve::Known;
use crate::engine::root_cause::skip_causes;
use crate::engine::settled::{Verdict, finished, left_out};
use crate::engine::verdicts::Job;
use crate::events::Fact;
use crate::invoke;
use crate::model::{FailureClass, SkipReason, to_usize};
use crate::plan::OnError;
use crate::state::{Entry, Error, FailureRecord, Hole, NodeId, Outcome};
use crate::value::{ListBuilder, Type};
use bytes::Bytes;

/// Number of elements fetched per request when their list is built. Fetching all at once would hold them twice.
const CHUNK: u32 = 10_000;

/// How the stored form of a `result` begins that is an `err`: a map with this key alone.
const ERR: &[u8] = b"\x81\xa3err";

/// What is known of the elements of a node.
#[derive(Default)]
struct Elements {
    has_done: bool,
    skipped: Option<SkipReason>,
    /// The first element that was skipped for that reason.
    first_skipped: Option<u32>,
    missing: Option<u32>,
    /// The hole of an element around the node, if that is left out.
    around: Option<Hole>,
    /// The elements that have failed, and are left out or have their failure as value: how many, and the first ones.
    failed: u32,
    named: Vec<u32>,
}

impl Elements {
    /// Counts an element that has failed.
    fn count_failed(&mut self, item: u32) {
        self.failed += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(item);
        }
    }

    /// Notes an element that was skipped. A failure outweighs another skip, as it does within one element.
    fn skip(&mut self, item: u32, reason: SkipReason) {
        let is_worse = reason == SkipReason::UpstreamFailed && self.skipped != Some(reason);
        if self.skipped.is_none() || is_worse {
            (self.skipped, self.first_skipped) = (Some(reason), Some(item));
        }
    }

    /// Notes an element that is left out, of a node with this number of indexes.
    fn leave_out(&mut self, item: u32, hole: Hole, level: usize) {
        if hole.failure.is_some() {
            self.count_failed(item);
        }
        if usize::from(hole.level) <= level {
            let hole = Hole { failure: None, ..hole };
            let is_wider = self.around.as_ref().is_none_or(|around| hole.level < around.level);
            self.around = if is_wider { Some(hole) } else { self.around.take() };
        }
    }
}

impl Job<'_> {
    /// Builds the list of a `for-each` from the results of its elements. The elements of a pipeline make no list: who
    /// reads them puts it together.
    pub(crate) async fn join(&self, items: u32) -> Result<Verdict, Error> {
        let around = self.claim.node;
        let duration = self.ctx.forget_expansion(around);
        let is_list = around.at.level() + 1 == self.task.depth() && self.task.is_for_each();
        let element = match &self.task.output {
            Some(Type::List(element)) => element,
            _ => &Type::Bool, // elements without a value are stored as nil, and the list copies them unread
        };
        let mut list = ListBuilder::new(element, to_usize(items));
        let mut elements = Elements::default();
        let mut first = 0;
        // Results are fetched in chunks and appended, so that the peak is one list and one chunk.
        while first < items {
            let end = items.min(first.saturating_add(CHUNK));
            let nodes: Vec<NodeId> = (first..end).map(|item| around.child(item)).collect();
            for (item, entry) in (first..end).zip(self.ctx.ledger.fetch(&nodes).await?) {
                if let Entry::Done(value) = &entry {
                    self.count_failure_value(&mut elements, item, value);
                }
                match entry {
                    Entry::Done(_) if !is_list => elements.has_done = true,
                    Entry::Done(value) => {
                        if let Err(fault) = list.push(&value) {
                            return Ok(self.failed(FailureClass::Input, &fault.to_string(), None));
                        }
                    }
                    Entry::LeftOut(hole) => elements.leave_out(item, *hole, around.at.level()),
                    Entry::Skipped(reason) => elements.skip(item, reason),
                    Entry::Failed(record) => return Ok(self.element_failed(item, &record)),
                    // An element that was expanded itself, and has ended well, stores nothing.
                    Entry::Open if !is_list && around.at.level() + 1 < self.task.depth() => {
                        elements.has_done = true;
                    }
                    Entry::Open => elements.missing = elements.missing.or(Some(item)),
                }
            }
            first = end;
        }
        // The elements of a pipeline stand for themselves: one that its condition skips does not skip the others.
        let skipped =
            elements.skipped.filter(|reason| !elements.has_done || *reason == SkipReason::UpstreamFailed);
        let mut verdict = match (elements.missing, skipped) {
            // After a failure that stops the run, elements are missing that would have followed.
            (None, Some(reason)) | (Some(_), Some(reason @ SkipReason::UpstreamFailed)) => {
                let mut before = skip_causes(self.ctx.bound.plan(), around, reason);
                before.extend(elements.first_skipped.map(|item| around.child(item)));
                return Box::pin(self.skipped(reason, before, Known::default())).await;
            }
            (Some(item), _) => {
                let message = format!("the state has lost the result of element {item}");
                return Ok(self.failed(FailureClass::Lost, &message, None));
            }
            (None, None) => match elements.around.take() {
                Some(hole) => left_out(hole),
                None => {
                    let list = if is_list { list.finish() } else { Bytes::new() };
                    let usage = invoke::Usage { duration, ..invoke::Usage::default() };
                    match finished(list, usage) {
                        finished if is_list => finished,
                        // Its elements have the results of an earlier session.
                        _ if self.claim.is_kept => (Outcome::Passed, vec![Fact::TaskStored]),
                        (_, facts) => (Outcome::Passed, facts),
                    }
                }
            },
        };
        verdict.1.extend(self.left_out_warning(&elements, items));
        Ok(verdict)
    }

    /// Fails as an element did. Only the innermost elements are named: a node around them passes the message on.
    fn element_failed(&self, item: u32, record: &[u8]) -> Verdict {
        let (node, depth) = (self.claim.node.child(item), self.task.depth());
        let name = self.ctx.shape.name_of(node).filter(|_| depth > 1);
        let element = name.map_or_else(|| format!("element {item}"), |name| format!("element `{name}`"));
        match FailureRecord::decode(record) {
            Some(record) if node.at.level() < depth => self.failed(record.class, &record.message, None),
            // The backtrace was emitted with the element.
            Some(record) => self.failed(record.class, &failure_of(&element, &record.message), None),
            None => self.failed(FailureClass::Error, &format!("{element} failed"), None),
        }
    }

    /// Counts the elements that have failed and are left out. Returns the warning that names them, once it is complete.
    fn left_out_warning(&self, elements: &Elements, items: u32) -> Option<Fact> {
        let are = match self.task.on_error {
            OnError::Failure => FailedAs::Values,
            _ if self.task.leaves_out.is_empty() => return None,
            OnError::Fail | OnError::Value | OnError::Skip => FailedAs::LeftOut,
        };
        let name = |item: &u32| self.ctx.shape.name_of(self.claim.node.child(*item));
        let named = elements.named.iter().filter_map(name).collect();
        // Nodes that have elements themselves are no elements of the task.
        let is_innermost = self.claim.node.at.level() + 1 == self.task.depth();
        let items = if is_innermost { items } else { elements.failed };
        let found = LeftOut { are, items, failed: elements.failed, named };
        let all = self.ctx.shared.left_out.add(self.claim.node, found)?;
        all.warning(self.task.name.as_str())
    }

    /// Counts a result that is a failure by `on-error`.
    fn count_failure_value(&self, elements: &mut Elements, item: u32, value: &Bytes) {
        let is_call = self.claim.node.at.level() + 1 == self.task.depth();
        if is_call && self.task.on_error == OnError::Failure && value.starts_with(ERR) {
            elements.count_failed(item);
        }
    }
}
