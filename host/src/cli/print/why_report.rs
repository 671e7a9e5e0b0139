//! `why`: the reasons of a node's state, as text for people and as JSON for programs.
//! `app/why` finds them. The JSON form is stable: new facts get new keys, and old keys stay.

use crate::app::{
    Before, CallChange, ChangeKind, Reason, SourceChange, SourceOutcome, TaskState, Unshared, Wait,
    WaitedFor, Why,
};
use crate::cli::log::show_millis;
use crate::cli::print::columns::{hang, put_line};
use crate::cli::print::show_table::word;
use crate::cli::print::style::{Ink, Style, escape_control_line};
use crate::model::{FailureClass, Timestamp};
use crate::state::{Note, Phase};
use serde::Serialize;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// Width of the first column of a section.
const KEY: usize = 22;

/// The reasons of a node's state.
#[derive(Debug, Serialize)]
pub(crate) struct WhyReport {
    v: u32,
    run: String,
    task: String,
    state: &'static str,
    /// A word for programs.
    reason: &'static str,
    /// A sentence for people.
    text: String,
    /// The epoch in which it ran, if its result was kept by a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_since_epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compared_with: Option<BeforeRow>,
    changes: Vec<ChangeRow>,
    waits: Vec<WaitRow>,
    attempts: Vec<AttemptRow>,
}

/// The call that this one is compared with.
#[derive(Debug, Serialize)]
struct BeforeRow {
    run: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<u64>,
    ended: Option<String>,
}

/// A difference.
#[derive(Debug, Serialize)]
struct ChangeRow {
    key: String,
    /// The inputs of which one may have another value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<String>,
    /// Whether it decides the result.
    decides: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceRow>,
}

/// A task whose result differs.
#[derive(Debug, Serialize)]
struct SourceRow {
    task: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<ChangeRow>,
}

/// A wait.
#[derive(Debug, Serialize)]
struct WaitRow {
    r#for: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    ms: u64,
}

/// An attempt.
#[derive(Debug, Serialize)]
struct AttemptRow {
    attempt: u32,
    host: String,
    outcome: &'static str,
    started: Option<String>,
    ended: Option<String>,
    ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The delay before the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_ms: Option<u64>,
}

impl WhyReport {
    /// Creates the report.
    pub(crate) fn new(why: &Why) -> Self {
        let (reason, text) = reason(why);
        Self {
            v: VERSION,
            run: why.run.run.to_string(),
            task: why.node.name.clone(),
            state: word(&why.node.state),
            reason,
            text,
            kept_since_epoch: why.kept_since,
            compared_with: why.before.as_ref().map(|before| BeforeRow::new(before, why)),
            changes: why.changes.iter().map(ChangeRow::from).collect(),
            waits: why.waits.iter().map(WaitRow::from).collect(),
            attempts: why.attempts.iter().map(AttemptRow::from).collect(),
        }
    }

    /// Returns one indented JSON object with a final newline.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Renders the sections.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let title = style.paint(Ink::Title, &escape_control_line(&self.task));
        put_line(&mut out, 0, &format!("{title} in run {}: {}", self.run, self.state));
        hang(&mut out, "  ", 2, &escape_control_line(&self.text));
        if let Some(epoch) = self.kept_since_epoch {
            let kept = format!(
                "That was in epoch {epoch}. The present plan has the same call, so its result was kept."
            );
            hang(&mut out, "  ", 2, &kept);
        }
        self.render_changes(&mut out, style);
        let noticeable: Vec<&WaitRow> = self.waits.iter().filter(|wait| wait.ms > 0).collect();
        if !noticeable.is_empty() {
            heading(&mut out, "waited", style);
        }
        for wait in noticeable {
            hang(&mut out, &format!("  {}", show_millis(millis(wait.ms))), 12, &wait.sentence());
        }
        if !self.attempts.is_empty() {
            heading(&mut out, "attempts", style);
        }
        for attempt in &self.attempts {
            hang(&mut out, &format!("  {}", attempt.attempt), 6, &escape_control_line(&attempt.sentence()));
        }
        out
    }

    fn render_changes(&self, out: &mut String, style: Style) {
        let Some(before) = &self.compared_with else { return };
        let at = before.ended.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
        let with = match before.epoch {
            Some(epoch) => format!("epoch {epoch} of this run{at}"),
            None => format!("run {}{at}", before.run),
        };
        let verdict = if self.changes.is_empty() { "nothing has changed since" } else { "changed since" };
        heading(out, &format!("{verdict} {with}"), style);
        self.changes.iter().for_each(|change| change.render(out, 2));
    }
}

fn heading(out: &mut String, title: &str, style: Style) {
    out.push('\n');
    put_line(out, 0, &style.paint(Ink::Title, title));
}

impl ChangeRow {
    fn render(&self, out: &mut String, indent: usize) {
        let key = format!("{}{}", " ".repeat(indent), escape_control_line(&self.key));
        let text = match (&self.before, &self.now) {
            (Some(before), Some(now)) => {
                let shown = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
                let note = if self.decides { "" } else { "; it does not decide the result" };
                format!("{} -> {}{note}", shown(before), shown(now))
            }
            _ if self.sources.is_empty() => match self.inputs.as_slice() {
                [] => "another value in the manifest, or of an input".to_owned(),
                inputs => format!("another value of {}, or another expression", inputs.join(", ")),
            },
            _ => {
                let names: Vec<String> =
                    self.sources.iter().map(|source| format!("`{}`", source.task)).collect();
                format!("comes from {}", names.join(", "))
            }
        };
        hang(out, &key, indent + KEY, &escape_control_line(&text));
        for source in &self.sources {
            let text = match source.outcome {
                "changed" => "has another result, because its call has changed:",
                "other-result" => "gave another result for the same call",
                _ => "has another result",
            };
            let name = format!("{}{}", " ".repeat(indent + 2), escape_control_line(&source.task));
            hang(out, &name, indent + 2 + name.trim_start().chars().count() + 1, text);
            source.changes.iter().for_each(|change| change.render(out, indent + 4));
        }
    }
}

impl WaitRow {
    fn sentence(&self) -> String {
        match (self.r#for, &self.name) {
            ("input", Some(name)) => format!("for `{}`, the last of its inputs", escape_control_line(name)),
            ("resource", Some(name)) => format!("for resource `{}`", escape_control_line(name)),
            ("host", _) => "for a host to take it".to_owned(),
            _ => "for a slot of its host".to_owned(),
        }
    }
}

impl AttemptRow {
    /// Formats `on box-1, failed after 1.2s: trap: unreachable; the next one 500ms later`.
    fn sentence(&self) -> String {
        let time = self.ms.map(|ms| format!(" after {}", show_millis(ms))).unwrap_or_default();
        let failure = match (&self.class, &self.message) {
            (Some(class), Some(message)) => format!(": {class}: {message}"),
            _ => String::new(),
        };
        let delay = self.delay_ms.map(|ms| format!("; the next one {} later", show_millis(millis(ms))));
        format!("on {}, {}{time}{failure}{}", self.host, self.outcome, delay.unwrap_or_default())
    }
}

impl BeforeRow {
    fn new(before: &Before, why: &Why) -> Self {
        let shown = |at: &Option<Timestamp>| at.map(|at| at.to_string());
        match before {
            Before::Epoch { epoch, at } => {
                Self { run: why.run.run.to_string(), epoch: Some(*epoch), ended: shown(at) }
            }
            Before::Run { run, at } => Self { run: run.to_string(), epoch: None, ended: shown(at) },
        }
    }
}

impl From<&CallChange> for ChangeRow {
    fn from(change: &CallChange) -> Self {
        let (before, now, sources) = match &change.kind {
            ChangeKind::Text { before, now, .. } => (Some(before.clone()), Some(now.clone()), Vec::new()),
            ChangeKind::Written { .. } => (None, None, Vec::new()),
            ChangeKind::Sources(sources) => (None, None, sources.iter().map(SourceRow::from).collect()),
        };
        let inputs = match &change.kind {
            ChangeKind::Written { inputs } => inputs.clone(),
            ChangeKind::Text { .. } | ChangeKind::Sources(_) => Vec::new(),
        };
        Self { key: change.key.clone(), inputs, before, now, decides: change.kind.decides_result(), sources }
    }
}

impl From<&SourceChange> for SourceRow {
    fn from(source: &SourceChange) -> Self {
        let (outcome, changes) = match &source.outcome {
            SourceOutcome::Changed(changes) => ("changed", changes.iter().map(ChangeRow::from).collect()),
            SourceOutcome::OtherResult => ("other-result", Vec::new()),
            SourceOutcome::Unknown => ("unknown", Vec::new()),
        };
        Self { task: source.name.clone(), outcome, changes }
    }
}

impl From<&Wait> for WaitRow {
    fn from(wait: &Wait) -> Self {
        let (word, name) = match &wait.on {
            WaitedFor::Input(name) => ("input", Some(name.clone())),
            WaitedFor::Host => ("host", None),
            WaitedFor::Resource(name) => ("resource", Some(name.clone())),
            WaitedFor::Slot => ("slot", None),
        };
        Self { r#for: word, name, ms: u64::try_from(wait.time.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl From<&Note> for AttemptRow {
    fn from(note: &Note) -> Self {
        let outcome = match note.phase {
            Phase::Retrying | Phase::Failed => "failed",
            Phase::Done | Phase::Cached => "done",
            Phase::Ready | Phase::Running | Phase::Skipped => "running",
        };
        let elapsed = note.started.zip(note.ended).map(|(started, ended)| {
            millis(u64::try_from(ended.as_millis().saturating_sub(started.as_millis())).unwrap_or(0))
        });
        let (class, message) = note.failure.clone().unzip();
        Self {
            attempt: note.attempts,
            host: note.host.0.to_string(),
            outcome,
            started: note.started.map(|at| at.to_string()),
            ended: note.ended.map(|at| at.to_string()),
            ms: note.usage.map(|usage| usage.duration_ms).or(elapsed),
            class: class.map(FailureClass::as_str),
            message,
            delay_ms: note.delay_ms,
        }
    }
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact for 285 years")]
const fn millis(ms: u64) -> f64 {
    ms as f64
}

/// Returns the reason as a word and as a sentence.
fn reason(why: &Why) -> (&'static str, String) {
    match &why.reason {
        Reason::NoResult { unshared } => {
            let why_not = match unshared {
                Unshared::Builtin => "tasks of the host are computed anew in each run".to_owned(),
                Unshared::Off => "`cache = false` keeps results of other runs away".to_owned(),
                Unshared::Impure(grant) => {
                    format!(
                        "the grant `{}` makes it impure, so results of other runs do not count",
                        grant.row().key
                    )
                }
                Unshared::NotCached => "the cache was off or had none for this call".to_owned(),
            };
            ("no-result", format!("It ran because this run had no result of it, and {why_not}."))
        }
        Reason::Rerun(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            ("rerun", format!("It ran again because of `--rerun` of {}.", names.join(", ")))
        }
        Reason::Changed => ("changed", "It ran again because its call has changed.".to_owned()),
        Reason::Again => (
            "again",
            "It ran again with the same call: its result was discarded or lost, or it had failed.".to_owned(),
        ),
        Reason::Cached { from } => {
            let from = from.as_ref().map(|run| format!(" of run {run}")).unwrap_or_default();
            ("cached", format!("It did not run: the cache had the result{from} for the same call."))
        }
        Reason::Skipped { reason, cause } => {
            let cause = cause.as_ref().map(|cause| format!(", because of `{cause}`")).unwrap_or_default();
            ("skipped", format!("It was skipped: {reason}{cause}."))
        }
        Reason::WaitsFor(tasks) => {
            let shown =
                tasks.iter().take(MAX_SHOWN).map(|(name, state)| format!("`{name}` ({})", word(state)));
            let more = tasks.len().saturating_sub(MAX_SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown: Vec<String> = shown.collect();
            ("waits", format!("It waits for {}{more}.", shown.join(", ")))
        }
        Reason::Queued => ("queued", queued(why)),
        Reason::Held { resource } => {
            let on = why.node.note.as_ref().map(|note| format!(" on {}", note.host.0)).unwrap_or_default();
            let what = match resource {
                Some(resource) => format!("resource `{resource}`"),
                None => "a slot, memory, or the same call of another task".to_owned(),
            };
            ("held", format!("It waits{on} for {what}."))
        }
        Reason::Elements { first } => {
            ("elements", format!("Its elements run, not the task itself: ask about one, such as `{first}`."))
        }
    }
}

/// Number of tasks that a sentence lists.
const MAX_SHOWN: usize = 10;

fn queued(why: &Why) -> String {
    if why.run.hosts.is_empty() {
        return "It can start, and no host works on the run: start it again with `run --run-id`.".to_owned();
    }
    match &why.node.state {
        TaskState::Stopped => {
            "Its host has stopped, and the next one to have a free slot takes it.".to_owned()
        }
        _ => "It can start, and all slots of the run's hosts are taken.".to_owned(), // any other open state
    }
}
