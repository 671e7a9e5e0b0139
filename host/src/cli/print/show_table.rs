//! `show`: a stored run with all its tasks, as a table for people and as JSON for programs.
//! `app` supplies the task states. The JSON form is stable: new facts get new keys, and old keys stay.

use crate::app::{OutputsFailed, ReservedResource, RunDetails, TaskDetails, TaskState};
use crate::cli::log::{show_bytes, show_millis};
use crate::cli::print::columns::{column, hang, pad, put_line};
use crate::cli::print::deadline_row::DeadlineRow;
use crate::cli::print::runs_table::{RunRow, painted};
use crate::cli::print::style::{Ink, Style, escape_control, escape_control_line};
use crate::model::{FailureClass, Size, SkipReason, Timestamp, show_duration};
use crate::state::FailureRecord;
use serde::Serialize;
use std::time::Duration;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// Maximum width of the name column; longer names push the rest of their first line to the right.
const WIDEST_NAME: usize = 32;

/// Width of the longest state word.
const STATE: usize = 8;

/// A run as `show` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct ShowTable {
    /// Version of this form.
    v: u32,
    #[serde(flatten)]
    run: RunRow,
    /// The tasks in the plan's order, each followed by its failed or claimed elements.
    tasks: Vec<TaskRow>,
    /// Whether more elements have failed than are listed.
    more_failed: bool,
    /// The failure of the run's outputs, if that failed the run.
    outputs_failure: Option<FailureRow>,
    /// The deadlines whose clocks run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deadlines: Vec<DeadlineRow>,
}

/// A task, or an element that has failed or that a host has claimed.
#[derive(Debug, Serialize)]
struct TaskRow {
    name: String,
    state: &'static str,
    /// Whether it belongs to `[finally]`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    finally: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<SkipReason>,
    /// The task or element with which the skip began.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    attempts: u32,
    /// Number of stored iterations.
    #[serde(skip_serializing_if = "Option::is_none")]
    iterations: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_iterations: Option<u32>,
    host: Option<String>,
    /// Time left of the claim's lease unless it is renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_ms: Option<u64>,
    started: Option<String>,
    ended: Option<String>,
    duration_ms: Option<f64>,
    memory_bytes: Option<u64>,
    fuel: Option<u64>,
    output_bytes: Option<u64>,
    /// Limits that have grown by attempt, while the task is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_limit_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    failure: Option<FailureRow>,
    /// Resources of all runs that it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<String>,
    /// Those that it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for: Vec<String>,
}

/// The failure of a task or of its last attempt.
#[derive(Debug, Serialize)]
struct FailureRow {
    class: FailureClass,
    message: String,
}

impl From<&OutputsFailed> for FailureRow {
    fn from(OutputsFailed(record): &OutputsFailed) -> Self {
        match record {
            Some(record) => Self { class: record.class, message: record.message.clone() },
            None => {
                Self { class: FailureClass::Input, message: "the failure record cannot be read".to_owned() }
            }
        }
    }
}

impl FailureRow {
    fn render(&self, out: &mut String, indent: usize) {
        let message = format!("{}: {}", self.class, self.message);
        for text in message.lines() {
            // A line of the guest keeps its own indentation, whatever its length.
            if text.starts_with("  | ") {
                put_line(out, indent, &escape_control(text));
                continue;
            }
            let deeper = text.len() - text.trim_start().len();
            hang(out, "", indent + deeper.min(STATE), &escape_control(text));
        }
    }
}

impl ShowTable {
    /// Creates a table of a stored run.
    pub(crate) fn new(details: &RunDetails) -> Self {
        Self {
            v: VERSION,
            run: RunRow::from(&details.run),
            tasks: details.nodes.iter().map(TaskRow::from).collect(),
            more_failed: details.has_more,
            outputs_failure: details.outputs.as_ref().map(FailureRow::from),
            deadlines: details.deadlines.iter().map(DeadlineRow::from).collect(),
        }
    }

    /// Returns one indented JSON object with a final newline.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Renders a table that keeps to the width of `columns`.
    pub(crate) fn render(&self, now: Timestamp, style: Style) -> String {
        let mut out = String::new();
        let mut line = String::new();
        let head = format!("{}  ", self.run.id());
        hang(&mut line, &format!("{head}{}  ", self.run.word()), 2, &escape_control(&self.run.text(now)));
        out.push_str(&painted((&line, head.len()), self.run.word(), self.run.ink(), style));
        hang(&mut out, "", 2, &self.run.times());
        for deadline in &self.deadlines {
            hang(&mut out, "", 2, &escape_control(&deadline.text()));
        }
        out.push('\n');
        let name = column(self.tasks.iter().map(|row| row.name.as_str()), WIDEST_NAME);
        let (finally, others): (Vec<&TaskRow>, Vec<&TaskRow>) =
            self.tasks.iter().partition(|row| row.finally);
        others.into_iter().for_each(|row| row.render(&mut out, name, style));
        if !finally.is_empty() {
            out.push_str("\nfinally\n");
        }
        finally.into_iter().for_each(|row| row.render(&mut out, name, style));
        if self.more_failed {
            out.push_str("more elements have failed than are shown\n");
        }
        if let Some(failure) = &self.outputs_failure {
            out.push_str(&painted(("outputs  failed\n", "outputs  ".len()), "failed", Ink::Bad, style));
            failure.render(&mut out, "outputs  ".len());
        }
        out
    }
}

impl From<&TaskDetails> for TaskRow {
    fn from(details: &TaskDetails) -> Self {
        let (note, claim) = (details.note.as_ref(), details.claim.as_ref());
        let usage = note.and_then(|note| note.usage);
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            name: details.name.clone(),
            state: word(&details.state),
            finally: details.is_finally,
            reason: match details.state {
                TaskState::Skipped(reason) => Some(reason),
                _ => None, // only skips have a reason
            },
            cause: match details.state {
                TaskState::Skipped(_) => note.and_then(|note| note.cause.clone()),
                _ => None, // a note of an earlier session
            },
            attempts: attempts(details),
            iterations: details.iterations.map(|iterations| iterations.stored),
            max_iterations: details.iterations.map(|iterations| iterations.max),
            host: claim
                .map(|claim| &claim.host)
                .or(note.map(|note| &note.host))
                .map(|host| host.0.to_string()),
            lease_ms: claim.map(|claim| u64::try_from(claim.lease.as_millis()).unwrap_or(u64::MAX)),
            started: time(note.and_then(|note| note.started)),
            ended: time(note.and_then(|note| note.ended)),
            duration_ms: usage.map(|usage| usage.duration_ms),
            memory_bytes: usage.map(|usage| usage.memory_bytes),
            fuel: usage.and_then(|usage| usage.fuel),
            output_bytes: match details.state {
                TaskState::Done(bytes) | TaskState::Cached(bytes) => Some(bytes),
                _ => None, // only results have a size
            },
            memory_limit_bytes: note.and_then(|note| note.memory_limit),
            timeout_ms: note.and_then(|note| note.timeout_ms),
            failure: failure(details),
            holds: named_in(details.reserved.iter().filter(|resource| resource.is_held)),
            waits_for: named_in(details.reserved.iter().filter(|resource| !resource.is_held)),
        }
    }
}

fn named_in<'a>(resources: impl Iterator<Item = &'a ReservedResource>) -> Vec<String> {
    resources.map(|resource| resource.name.clone()).collect()
}

/// Returns the word of a state.
pub(crate) const fn word(state: &TaskState) -> &'static str {
    match state {
        TaskState::Done(_) | TaskState::Passed => "done",
        TaskState::Cached(_) => "cached",
        TaskState::Skipped(_) => "skipped",
        TaskState::Failed(_) => "failed",
        TaskState::Running => "running",
        TaskState::Retrying => "retrying",
        TaskState::Stopped => "stopped",
        TaskState::Open => "open",
    }
}

fn attempts(details: &TaskDetails) -> u32 {
    if let Some(claim) = &details.claim {
        return claim.attempt;
    }
    let noted = details.note.as_ref().map(|note| note.attempts);
    match (&details.state, &details.left_out, noted) {
        (_, Some(record), None | Some(0)) | (TaskState::Failed(Some(record)), _, None) => record.attempt,
        (_, _, Some(attempts)) => attempts,
        (_, _, None) => 0,
    }
}

/// Returns the whole failure record of a task that failed or is left out, or the last attempt's failure of an open one.
fn failure(details: &TaskDetails) -> Option<FailureRow> {
    let row = |record: &FailureRecord| FailureRow { class: record.class, message: record.message.clone() };
    match &details.state {
        TaskState::Failed(Some(record)) => Some(row(record)),
        TaskState::Skipped(_) => details.left_out.as_ref().map(row),
        TaskState::Done(_) | TaskState::Passed | TaskState::Cached(_) => None,
        TaskState::Failed(None)
        | TaskState::Running
        | TaskState::Retrying
        | TaskState::Stopped
        | TaskState::Open => {
            let (class, message) = details.note.as_ref()?.failure.clone()?;
            Some(FailureRow { class, message })
        }
    }
}

impl TaskRow {
    fn render(&self, out: &mut String, name: usize, style: Style) {
        let indent = name + STATE + 4;
        let head = format!("{}  ", pad(&escape_control_line(&self.name), name));
        let mut line = String::new();
        hang(
            &mut line,
            &format!("{head}{}  ", pad(self.state, STATE)),
            indent,
            &escape_control(&self.details()),
        );
        out.push_str(&painted((&line, head.len()), self.state, self.ink(), style));
        let Some(failure) = &self.failure else {
            return;
        };
        failure.render(out, name + 2);
    }

    fn ink(&self) -> Ink {
        match self.state {
            "done" => Ink::Good,
            "failed" => Ink::Bad,
            "cached" | "running" => Ink::Calm,
            "retrying" | "stopped" => Ink::Warn,
            _ => Ink::Faint, // skipped, open
        }
    }

    /// Formats `iteration 41 of at most 100` while a host works on one, and else `40 iterations`.
    fn progress(&self) -> Option<String> {
        let (stored, max) = (self.iterations?, self.max_iterations?);
        Some(match (self.lease_ms, self.state, stored) {
            (Some(_), "running", _) if stored < max => format!("iteration {} of at most {max}", stored + 1),
            (_, "done", 1) => "1 iteration".to_owned(),
            (_, "done", _) => format!("{stored} iterations"),
            (_, _, 0) => format!("no iteration of at most {max}"),
            (_, _, 1) => format!("1 iteration of at most {max}"),
            (_, _, _) => format!("{stored} iterations of at most {max}"),
        })
    }

    /// Formats `2 attempts, 1.2ms, 1.0 MiB of memory, 48 B stored, on box-1`, or `attempt 2, on box-1, lease 8.2s`.
    fn details(&self) -> String {
        let attempts = match self.attempts {
            0 => None,
            number if self.lease_ms.is_some() => Some(format!("attempt {number}")),
            1 => Some("1 attempt".to_owned()),
            attempts => Some(format!("{attempts} attempts")),
        };
        let memory = self.memory_bytes.filter(|bytes| *bytes > 0);
        let is_skipped = self.reason.is_some() && self.attempts == 0;
        let parts = [
            self.reason.map(|reason| reason.to_string()),
            self.cause.as_ref().map(|cause| format!("because of `{cause}`")),
            self.progress(),
            attempts,
            self.memory_limit_bytes.map(|bytes| format!("memory limit {}", Size::bytes(bytes))),
            self.timeout_ms.map(|millis| format!("timeout {}", show_duration(Duration::from_millis(millis)))),
            self.duration_ms.map(show_millis),
            memory.map(|bytes| format!("{} of memory", show_bytes(bytes))),
            self.fuel.map(|fuel| format!("{fuel} fuel")),
            self.output_bytes.map(|bytes| format!("{} stored", show_bytes(bytes))),
            named("holds", &self.holds),
            named("waits for", &self.waits_for),
            // Nothing has run of a task that was skipped.
            self.host.as_ref().filter(|_| !is_skipped).map(|host| format!("on {host}")),
            self.lease_ms.map(|lease| format!("lease {}", show_duration(Duration::from_millis(lease)))),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Formats `holds gpu and licence`.
fn named(word: &str, names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| format!("{word} {}", names.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Iterations;
    use crate::cli::print::columns::WIDTH;
    use crate::model::{RunId, RunStatus, TaskIdx};
    use crate::state::{ClaimView, Counts, FailureRecord, HostId, NodeId, Note, Phase, RunSummary, Usage};

    const NOW: Timestamp = Timestamp::from_millis(1_795_486_500_123);

    fn node(name: &str, state: TaskState, note: Option<Note>) -> TaskDetails {
        TaskDetails::new(name.into(), state, note)
    }

    fn note(phase: Phase) -> Note {
        let host = HostId("box-1-17-00c0ffee".into());
        Note { attempts: 1, started: Some(NOW), ended: Some(NOW), ..Note::new(host, phase) }
    }

    fn claim() -> ClaimView {
        let node = NodeId::of_task(TaskIdx::new(6));
        let (host, lease) = (HostId("box-2-18-0badc0de".into()), Duration::from_millis(8_200));
        ClaimView { node, host, attempt: 2, iteration: 40, takeovers: 0, lease }
    }

    fn record(message: &str) -> TaskState {
        TaskState::Failed(Some(FailureRecord {
            class: FailureClass::Trap,
            message: message.into(),
            attempt: 3,
            item: None,
            error: None,
        }))
    }

    fn task_details() -> RunDetails {
        let usage = Usage { duration_ms: 1.24, memory_bytes: 17 << 20, fuel: Some(42) };
        let trap = "wasm `unreachable` instruction executed\n    0: boom\n    1: run \u{1b}[2J";
        let failed = Note { attempts: 3, ..note(Phase::Failed) };
        let timeout = (FailureClass::Timeout, "it took longer than 1s".to_owned());
        let grown = Note { memory_limit: Some(1 << 30), timeout_ms: Some(60_000), ..note(Phase::Retrying) };
        let retrying = Note { failure: Some(timeout), ..grown };
        RunDetails {
            run: RunSummary {
                run: RunId::new("20261124T021500-k3f9x2ab").unwrap(),
                name: Some("wordcount".into()),
                status: RunStatus::Running,
                ending: None,
                epoch: 2,
                counts: Counts { done: 2, failed: 1, skipped: 1, open: 3 },
                created: Timestamp::from_millis(NOW.as_millis() - 90_000_000),
                active: NOW,
                hosts: vec![HostId("box-1-17-00c0ffee".into())],
            },
            nodes: vec![
                node("split", TaskState::Done(1536), Some(Note { usage: Some(usage), ..note(Phase::Done) })),
                node("seen", TaskState::Cached(3), Some(Note { attempts: 0, ..note(Phase::Cached) })),
                node("count", record(&format!("element 3 failed: {}", "many words ".repeat(9))), None),
                node("count[3]", record(trap), Some(failed)),
                node("extra", TaskState::Skipped(SkipReason::ConditionFalse), None),
                node("merge", TaskState::Running, Some(note(Phase::Running))),
                TaskDetails {
                    claim: Some(claim()),
                    ..node("held", TaskState::Running, Some(note(Phase::Running)))
                },
                node("again", TaskState::Retrying, Some(retrying)),
                node("last", TaskState::Open, None),
            ],
            has_more: true,
            outputs: None,
            deadlines: vec![
                (None, Duration::from_mins(125)),
                (Some("again".into()), Duration::from_millis(8_200)),
            ],
        }
    }

    #[test]
    fn table_for_people_fits_its_width() {
        let shown = ShowTable::new(&task_details()).render(NOW, Style::Plain);
        assert_eq!(shown, include_str!("testdata/show.txt"));
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH));
    }

    #[test]
    fn iterations_tell_how_far_a_task_is() {
        let shown = |state: TaskState, claim: Option<ClaimView>, stored: u32| {
            let iterations = Some(Iterations { stored, max: 100 });
            TaskRow::from(&TaskDetails { claim, iterations, ..node("t", state, None) }).details()
        };
        assert!(
            shown(TaskState::Running, Some(claim()), 40)
                .starts_with("iteration 41 of at most 100, attempt 2")
        );
        assert!(shown(TaskState::Running, Some(claim()), 100).starts_with("100 iterations of at most 100, "));
        assert_eq!(shown(TaskState::Stopped, None, 1), "1 iteration of at most 100");
        assert_eq!(shown(TaskState::Open, None, 0), "no iteration of at most 100");
        assert_eq!(shown(TaskState::Done(8), None, 41), "41 iterations, 8 B stored");
    }

    #[test]
    fn task_in_line_says_what_it_waits_for() {
        let of = |name: &str, is_held| ReservedResource { name: name.to_owned(), is_held };
        let shown = |reserved| {
            TaskRow::from(&TaskDetails { reserved, ..node("t", TaskState::Running, None) }).details()
        };
        assert_eq!(shown(vec![of("api", false), of("gpu", false)]), "waits for api and gpu");
        assert_eq!(shown(vec![of("gpu", true)]), "holds gpu");
    }

    #[test]
    fn failed_outputs_follow_the_tasks() {
        let message = "output `top`: the output of task `merge` has nothing at `[0]`\noutput `low`: likewise";
        let record = FailureRecord {
            class: FailureClass::Input,
            message: message.into(),
            attempt: 1,
            item: None,
            error: None,
        };
        let shown = |record| {
            let outputs = Some(OutputsFailed(record));
            ShowTable::new(&RunDetails { outputs, ..task_details() }).render(NOW, Style::Plain)
        };
        let text = shown(Some(record));
        let end = "outputs  failed\n         input: output `top`: the output of task `merge` has nothing at `[0]`\n         \
                   output `low`: likewise\n";
        assert!(text.ends_with(end), "{text}");
        assert!(shown(None).ends_with("cannot be read\n"));
    }

    #[test]
    fn colour_does_not_move_columns() {
        let table = ShowTable::new(&task_details());
        let stripped = anstream::adapter::strip_str(&table.render(NOW, Style::Coloured)).to_string();
        assert_eq!(stripped, table.render(NOW, Style::Plain));
    }

    #[test]
    fn json_form_is_stable() {
        let details = RunDetails {
            nodes: task_details().nodes.drain(2..5).collect(),
            has_more: false,
            deadlines: Vec::new(),
            ..task_details()
        };
        assert_eq!(ShowTable::new(&details).to_json().unwrap(), include_str!("testdata/show.json"));
    }
}
