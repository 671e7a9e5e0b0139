//! The differences of a call from an earlier one, followed back to the task in which they began.
//! `reference` chooses the earlier call.

use crate::app::Error;
use crate::app::node_name::{Names, no_run};
use crate::app::why::reference::{Before, Reference, before};
use crate::app::why::sources::source;
use crate::model::TaskIdx;
use crate::state::{EpochNote, NodeId, Note, NotedCall};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Mutex, PoisonError};

/// How far changes are followed back. Longer chains are cut.
const MAX_DEPTH: usize = 16;

/// Number of nodes that are looked up. A task may read a thousand others.
const MAX_NODES: usize = 300;

/// Keys of a plan that stand for the callee, whose parts are compared one by one.
const CALLEE_KEYS: [&str; 4] = ["call", "command", "grants", "argv[0]"];

/// Something that differs from the earlier call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallChange {
    /// `args.text`, `component`, `grants.http`, `limits.memory`, `when`, ….
    pub key: String,
    /// The difference.
    pub kind: ChangeKind,
}

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    /// Both texts; an empty one for what is not there.
    Text {
        /// Before.
        before: String,
        /// In this call.
        now: String,
        /// Whether it decides the result: a limit does not.
        decides: bool,
    },
    /// What the manifest says, or one of these inputs that it reads.
    Written {
        /// The inputs: ``param `p` ``, ….
        inputs: Vec<String>,
    },
    /// The results of other tasks.
    Sources(Vec<SourceChange>),
}

/// A task whose result differs, or may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceChange {
    /// Name of the node.
    pub name: String,
    /// Why its result differs.
    pub outcome: SourceOutcome,
}

/// Why the result of a task differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SourceOutcome {
    /// Its own call differs.
    Changed(Vec<CallChange>),
    /// Its call is the same, and gave another result.
    OtherResult,
    /// Not known: it has elements of its own, the chain is too long, or notes are missing.
    Unknown,
}

/// The calls of a node that are compared; none if there is no note of one.
struct Calls {
    now: Option<NotedCall>,
    before: Option<NotedCall>,
}

/// Compares nodes of a run with a reference.
pub(crate) struct Comparison<'a> {
    names: &'a Names<'a>,
    reference: Reference,
    /// The epoch of the call.
    epoch: u64,
    /// Changes of the plan since that epoch, as task and key.
    later: Vec<(String, String)>,
    /// The nodes that were looked up.
    // A mutex, because futures that borrow this are sent between threads; each critical section is one insertion.
    seen: Mutex<HashSet<NodeId>>,
}

impl<'a> Comparison<'a> {
    /// Compares calls of an epoch. Those of later epochs do not count.
    pub(crate) fn new(
        names: &'a Names<'a>,
        reference: Reference,
        (epoch, epochs): (u64, &[EpochNote]),
    ) -> Self {
        let later = epochs.iter().filter(|later| later.epoch > epoch);
        let later = later.flat_map(|later| later.changes.iter().cloned()).collect();
        Self { names, reference, epoch, later, seen: Mutex::new(HashSet::new()) }
    }

    /// Returns what nodes are compared with.
    pub(crate) fn before(&self) -> Before {
        match &self.reference {
            Reference::Epoch { note, .. } => Before::Epoch { epoch: note.epoch, at: note.ended },
            Reference::Run { run, note, .. } => Before::Run { run: run.clone(), at: note.ended },
        }
    }

    /// Returns the differences of a node.
    pub(crate) async fn changes(&self, node: NodeId) -> Result<Vec<CallChange>, Error> {
        self.changes_of(node, MAX_DEPTH).await
    }

    async fn changes_of(&self, node: NodeId, depth: usize) -> Result<Vec<CallChange>, Error> {
        let Calls { now, before } = self.calls(node).await?;
        let mut changes = self.callee_changes(node.task);
        let written = self.written(node.task);
        let params = self.names.record.lineage().params(node.task);
        let differing = differing(now.as_ref(), before.as_ref(), params.len());
        for (param, differs) in params.iter().zip(differing) {
            let key = format!("args.{}", param.name);
            if written.contains(&key) || written.contains(&param.name) {
                let inputs = param.inputs.clone();
                changes.push(CallChange { key, kind: ChangeKind::Written { inputs } });
            } else if differs != Some(false) {
                let mut sources = Box::pin(self.sources(node, &param.tasks, depth)).await?;
                // Without digests of the arguments, only a change that was found is one.
                if differs.is_none() {
                    sources.retain(|source| matches!(source.outcome, SourceOutcome::Changed(_)));
                }
                match (differs, sources.is_empty()) {
                    (_, false) => changes.push(CallChange { key, kind: ChangeKind::Sources(sources) }),
                    // An element of a list that no task has made.
                    (Some(true), true) => {
                        let inputs = param.inputs.clone();
                        changes.push(CallChange { key, kind: ChangeKind::Written { inputs } });
                    }
                    (Some(false) | None, true) => {}
                }
            }
        }
        // What elements there are decides no single one of them, whose arguments are known.
        let is_known = now.is_some() && before.is_some() && node.at.level() > 0;
        let is_of_list = |key: &str| key.contains("for-each.") || key.ends_with("product");
        let is_other = |key: &&String| {
            let is_arg =
                changes.iter().any(|change| change.key == **key || change.key == format!("args.{key}"));
            !(is_arg || CALLEE_KEYS.contains(&key.as_str()) || is_known && is_of_list(key))
        };
        let others: Vec<CallChange> = written
            .iter()
            .filter(is_other)
            .map(|key| CallChange { key: key.clone(), kind: ChangeKind::Written { inputs: Vec::new() } })
            .collect();
        changes.extend(others);
        changes.extend(self.settings_changes(node.task));
        Ok(changes)
    }

    /// Returns the sources of an argument whose results differ.
    async fn sources(
        &self,
        node: NodeId,
        sources: &[TaskIdx],
        depth: usize,
    ) -> Result<Vec<SourceChange>, Error> {
        let mut found = Vec::new();
        for task in sources {
            let of = source(&self.names.record, node, *task);
            let name = self.names.node_name(of);
            if depth == 0 || !self.is_new(of) {
                found.push(SourceChange { name, outcome: SourceOutcome::Unknown });
                continue;
            }
            let changes = self.changes_of(of, depth - 1).await?;
            let deciding: Vec<CallChange> =
                changes.into_iter().filter(|change| change.kind.decides_result()).collect();
            let Calls { now, before } = self.calls(of).await?;
            let outcome = match now.zip(before) {
                _ if !deciding.is_empty() => SourceOutcome::Changed(deciding),
                Some((now, before)) if now.args == before.args => SourceOutcome::OtherResult,
                Some(_) | None => SourceOutcome::Unknown, // a change that was not found, or no notes
            };
            found.push(SourceChange { name, outcome });
        }
        Ok(found)
    }

    fn is_new(&self, node: NodeId) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.len() < MAX_NODES && seen.insert(node)
    }

    /// Returns the calls of a node: the one that counted in the epoch, and the earlier one.
    async fn calls(&self, node: NodeId) -> Result<Calls, Error> {
        let name = self.names.node_name(node);
        let Names { backend, run, .. } = self.names;
        let mut history = backend.history(run, &name).await.map_err(|error| no_run(run, error))?;
        history.retain(|note| note.epoch <= self.epoch);
        let call = |note: Option<&Note>| note.and_then(|note| note.call.clone());
        let now = call(history.last());
        let before = match &self.reference {
            // What has not run again since gives the same as before.
            Reference::Epoch { .. } => match history.last() {
                Some(last) if last.epoch == self.epoch => call(before(&history)),
                Some(_) | None => now.clone(),
            },
            Reference::Run { run, .. } => {
                let history = backend.history(run, &name).await.map_err(|error| no_run(run, error))?;
                call(history.last())
            }
        };
        Ok(Calls { now, before })
    }

    /// Returns the keys of a task whose digests in the plan differ.
    fn written(&self, task: TaskIdx) -> BTreeSet<String> {
        let Some(name) = self.names.record.task_name(task) else { return BTreeSet::new() };
        match &self.reference {
            Reference::Epoch { changes, .. } => {
                let of_task = changes.iter().filter(|(changed, key)| changed == name && !key.is_empty());
                of_task.map(|(_, key)| key.clone()).collect()
            }
            Reference::Run { record, .. } => {
                let keys = self.names.record.changed_keys(record, name).unwrap_or_default().into_iter();
                let is_later =
                    |key: &&str| self.later.iter().any(|(task, later)| task == name && later == key);
                keys.filter(|key| !is_later(key)).map(str::to_owned).collect()
            }
        }
    }

    /// Returns the differences of component, function and grants.
    fn callee_changes(&self, task: TaskIdx) -> Vec<CallChange> {
        let written = self.written(task);
        let keys: Vec<&str> = CALLEE_KEYS.into_iter().filter(|key| written.contains(*key)).collect();
        let texts = match (&self.reference, self.names.record.lineage().callee(task)) {
            (Reference::Run { record, .. }, Some(now)) => {
                let name = self.names.record.task_name(task).unwrap_or_default();
                let before = record.task(name).and_then(|task| record.lineage().callee(task));
                before.map(|before| {
                    let mut changes = vec![
                        text("component", &before.component, &now.component),
                        text("component's digest", &before.digest, &now.digest),
                        text("function", &before.function, &now.function),
                    ];
                    let grants = both(&before.grants, &now.grants);
                    changes
                        .extend(grants.map(|(key, before, now)| text(&format!("grants.{key}"), before, now)));
                    changes.into_iter().flatten().collect::<Vec<_>>()
                })
            }
            // The plan of an earlier epoch is not kept.
            (Reference::Run { .. } | Reference::Epoch { .. }, _) => None,
        };
        match texts {
            Some(texts) if !texts.is_empty() || keys.is_empty() => texts,
            // A variable has another value, or the earlier plan is not known.
            _ => {
                let written = |key: &str| CallChange {
                    key: key.to_owned(),
                    kind: ChangeKind::Written { inputs: Vec::new() },
                };
                keys.into_iter().map(written).collect()
            }
        }
    }

    fn settings_changes(&self, task: TaskIdx) -> Vec<CallChange> {
        let Reference::Run { record, .. } = &self.reference else { return Vec::new() };
        let name = self.names.record.task_name(task).unwrap_or_default();
        let now = self.names.record.lineage().settings(task);
        let before = record.task(name).and_then(|task| record.lineage().settings(task));
        let (Some(before), Some(now)) = (before, now) else { return Vec::new() };
        let differing = both(before, now).filter(|(_, before, now)| before != now);
        let change = |(key, before, now): (&str, &str, &str)| CallChange {
            key: key.to_owned(),
            kind: ChangeKind::Text { before: before.to_owned(), now: now.to_owned(), decides: false },
        };
        differing.map(change).collect()
    }
}

impl ChangeKind {
    /// Returns whether the difference decides the result of the call.
    pub(crate) const fn decides_result(&self) -> bool {
        match self {
            Self::Text { decides, .. } => *decides,
            Self::Written { .. } | Self::Sources(_) => true,
        }
    }
}

/// Returns for each parameter whether its argument differs; none where a digest is missing.
fn differing(now: Option<&NotedCall>, before: Option<&NotedCall>, params: usize) -> Vec<Option<bool>> {
    let (Some(now), Some(before)) = (now, before) else { return vec![None; params] };
    let digest =
        |call: &NotedCall, position: usize| call.args.get(position).copied().filter(|digest| *digest != 0);
    let differs = |position| Some(digest(now, position)? != digest(before, position)?);
    (0..params).map(differs).collect()
}

/// Returns the pairs of two maps, by key. What only one of them has is empty in the other.
fn both<'m>(
    before: &'m BTreeMap<String, String>,
    now: &'m BTreeMap<String, String>,
) -> impl Iterator<Item = (&'m str, &'m str, &'m str)> {
    let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let value = |map: &'m BTreeMap<String, String>, key: &String| map.get(key).map_or("", String::as_str);
    keys.into_iter().map(move |key| (key.as_str(), value(before, key), value(now, key)))
}

fn text(key: &str, before: &str, now: &str) -> Option<CallChange> {
    let texts = || ChangeKind::Text { before: before.to_owned(), now: now.to_owned(), decides: true };
    (before != now).then(|| CallChange { key: key.to_owned(), kind: texts() })
}
