//! The command that begins a life of a run: the arguments of `scripts/begin.lua`, in its order.
//! `open` decides what a life begins with.

use crate::model::{FailurePolicy, RunStatus};
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::Command;
use crate::state::redis::run::clocks;
use crate::state::redis::run::clocks::Spent;
use crate::state::redis::run::layout::{Kept, Layout};
use crate::state::redis::run::prints::prints;
use crate::state::redis::run::wire::amounts_text;
use crate::state::redis::scripts::BEGIN;
use crate::state::{OpenRequest, Rerun, RunShape};
use std::time::Duration;

/// What a life begins with.
pub(crate) struct Beginning<'a> {
    pub(crate) request: &'a OpenRequest,
    /// The life and the number of results that were found. The script looks again: they are the fence against a host that
    /// was faster.
    pub(crate) old_life: &'a str,
    pub(crate) results: u64,
    /// Whether the run starts over.
    pub(crate) is_fresh: bool,
    /// Whether live hosts prevent the life.
    pub(crate) checks_hosts: bool,
    pub(crate) life: &'a str,
    pub(crate) epoch: u64,
    pub(crate) min_version: u64,
    pub(crate) layout: &'a Layout,
    /// What runs again.
    pub(crate) rerun: &'a Rerun,
    /// How much of each deadline has passed.
    pub(crate) spent: &'a Spent,
    /// The results that stay.
    pub(crate) kept: &'a Kept,
}

impl Beginning<'_> {
    /// Returns the call of the script.
    pub(crate) fn command(&self, keys: &RunKeys) -> Command {
        let Self { request, layout, kept, .. } = self;
        let shape = &request.shape;
        let flag = |is_set: bool| if is_set { "1" } else { "0" };
        Command::script(&BEGIN, keys.all())
            .arg(self.old_life)
            .arg(self.results.to_string())
            .arg(flag(!self.is_fresh))
            .arg(flag(self.checks_hosts))
            .arg(self.life)
            .arg(self.epoch.to_string())
            .arg(self.min_version.to_string())
            .arg(request.host.0.as_bytes())
            .arg(millis(request.lease))
            .arg(millis(request.ttl))
            .arg(request.digest.to_string())
            .arg(&request.record)
            .arg(policy_text(request.policy))
            .arg(layout.total.to_string())
            .arg(layout.open.to_string())
            .arg(&layout.tasks)
            .arg(&layout.edges)
            .arg(&layout.props)
            .arg(prints(shape))
            .arg(amounts_text(&shape.amounts()))
            .arg(closing_text(shape))
            .arg(rerun_text(self.rerun, shape))
            .arg(self.deadline_text())
            .arg(self.spent.run.to_string())
            .arg(clocks::clocks_text(shape, self.spent))
            .arg(self.finally_text())
            .arg(layout.classes.len().to_string())
            .args(&layout.classes)
            .arg(if self.is_fresh || kept.calls.is_some() { "replace" } else { "keep" })
            .arg(kept.calls.as_ref().map_or(0, Vec::len).to_string())
            .args(kept.calls.iter().flatten())
            .arg((2 * layout.fields.len()).to_string())
            .args(layout.fields.iter().flat_map(|(field, value)| [field.as_slice(), value.as_slice()]))
            .args(&kept.stale)
    }
}

impl Beginning<'_> {
    /// Formats the run's deadline in milliseconds; empty if it has none that binds the life.
    fn deadline_text(&self) -> String {
        let deadline = self.request.shape.deadline.filter(|_| self.kept.ending.is_none());
        deadline.map_or_else(String::new, |limit| clocks::millis(limit).to_string())
    }

    /// Formats what the script needs to know of finally tasks.
    fn finally_text(&self) -> Vec<u8> {
        let Self { request, layout, kept, .. } = self;
        let ending = kept.ending.as_ref().map_or("", |ending| ending.status.as_str());
        let tasks = layout.finally.iter().filter_map(|idx| request.shape.tasks.get(idx.index()));
        let names: Vec<&str> = tasks.map(|task| task.name.as_str()).filter(|_| !ending.is_empty()).collect();
        // Numbers and texts always serialize.
        rmp_serde::to_vec(&(layout.finally.len(), ending, layout.failures, layout.skips, names))
            .unwrap_or_default()
    }
}

/// Formats a duration in milliseconds, at least one.
pub(crate) fn millis(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}

/// Formats the nodes that run again, a line each. Those that the life does not include follow behind an empty line: they still
/// have to run again when it has succeeded.
fn rerun_text(rerun: &Rerun, shape: &RunShape) -> String {
    let (included, others) = rerun.by_inclusion(shape);
    let [included, others] = [included, others].map(|rerun| rerun.names(shape).join("\n"));
    if others.is_empty() { included } else { format!("{included}\n\n{others}") }
}

/// Returns the names of what [`rerun_text`] formats: all, or those that have to run after the life has succeeded.
pub(crate) fn open_reruns(text: &str, status: RunStatus) -> impl Iterator<Item = &str> {
    let others = text.split_once("\n\n").map_or("", |(_, others)| others);
    let open = if status == RunStatus::Succeeded { others } else { text };
    open.lines().filter(|name| !name.is_empty())
}

/// Formats the position of the node that closes a run; empty if there is none.
fn closing_text(shape: &RunShape) -> String {
    if shape.has_closing { shape.closing().task.get().to_string() } else { String::new() }
}

const fn policy_text(policy: FailurePolicy) -> &'static str {
    match policy {
        FailurePolicy::Finish => "finish",
        FailurePolicy::KeepGoing => "keep-going",
        FailurePolicy::FailFast => "fail-fast",
    }
}

/// Reads what [`policy_text`] formats.
pub(crate) fn read_policy(text: &str) -> FailurePolicy {
    [FailurePolicy::KeepGoing, FailurePolicy::FailFast]
        .into_iter()
        .find(|policy| policy_text(*policy) == text)
        .unwrap_or(FailurePolicy::Finish)
}
