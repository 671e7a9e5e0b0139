//! `runs`: stored runs, as a list for people and as JSON for programs.
//! `state` supplies the runs. The JSON form is stable: new facts get new keys, and old keys stay.

use crate::cli::print::columns::{column, hang, pad};
use crate::cli::print::style::{Ink, Style, escape_control};
use crate::model::{RunStatus, Timestamp};
use crate::state::RunSummary;
use serde::Serialize;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// Maximum width of the id column; longer ids push the rest of their first line to the right.
const WIDEST_ID: usize = 36;

/// Width of the longest status word.
const STATUS: usize = 9;

/// Stored runs as `runs` shows them.
#[derive(Debug, Serialize)]
pub(crate) struct RunsTable {
    /// Version of this form.
    v: u32,
    /// The runs, latest first.
    runs: Vec<RunRow>,
}

/// A run as shown by `runs`, and at the head of `show`.
#[derive(Debug, Serialize)]
pub(crate) struct RunRow {
    run: String,
    name: Option<String>,
    status: RunStatus,
    /// The ending of a run that is at its `[finally]`; none for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<RunStatus>,
    epoch: u64,
    done: u32,
    failed: u32,
    skipped: u32,
    open: u32,
    total: u32,
    created: String,
    active: String,
    hosts: Vec<String>,
    #[serde(skip)]
    active_at: Timestamp,
}

impl From<&RunSummary> for RunRow {
    fn from(run: &RunSummary) -> Self {
        Self {
            run: run.run.to_string(),
            name: run.name.clone(),
            status: run.status,
            ending: run.ending.filter(|_| run.status == RunStatus::Running),
            epoch: run.epoch,
            done: run.counts.done,
            failed: run.counts.failed,
            skipped: run.counts.skipped,
            open: run.counts.open,
            total: run.counts.total(),
            created: run.created.to_string(),
            active: run.active.to_string(),
            hosts: run.hosts.iter().map(|host| host.0.to_string()).collect(),
            active_at: run.active,
        }
    }
}

impl RunsTable {
    /// Creates a list of these runs.
    pub(crate) fn new(runs: &[RunSummary]) -> Self {
        Self { v: VERSION, runs: runs.iter().map(RunRow::from).collect() }
    }

    /// Returns one indented JSON object with a final newline.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// Renders a list that keeps to the width of `columns`.
    pub(crate) fn render(&self, now: Timestamp, style: Style) -> String {
        let id = column(self.runs.iter().map(|run| run.run.as_str()), WIDEST_ID);
        let mut out = String::new();
        for run in &self.runs {
            let head = format!("{}  ", pad(&run.run, id));
            let mut line = String::new();
            let first = format!("{head}{}  ", pad(run.word(), STATUS));
            hang(&mut line, &first, id + STATUS + 4, &escape_control(&run.text(now)));
            out.push_str(&painted((&line, head.len()), run.word(), run.ink(), style));
        }
        out
    }
}

/// Colours `word` in a finished line, at its byte offset. Escape sequences have no width, so colour comes after
/// layout.
pub(crate) fn painted((line, offset): (&str, usize), word: &str, ink: Ink, style: Style) -> String {
    let (before, after) = line.split_at_checked(offset).unwrap_or((line, ""));
    format!("{before}{}", after.replacen(word, &style.paint(ink, word), 1))
}

/// Returns the word for the status. A running run without hosts is not shown as running.
pub(crate) const fn word(run: &RunSummary) -> &'static str {
    match run.status {
        RunStatus::Running if run.hosts.is_empty() => "abandoned",
        status => status.as_str(),
    }
}

impl RunRow {
    /// Returns the run's id.
    pub(crate) fn id(&self) -> &str {
        &self.run
    }

    /// Returns the word for the status. A running run without hosts is not shown as running.
    pub(crate) fn word(&self) -> &'static str {
        match self.status {
            RunStatus::Running if self.hosts.is_empty() => "abandoned",
            status => status.as_str(),
        }
    }

    /// Returns the colour of the status.
    pub(crate) const fn ink(&self) -> Ink {
        match self.status {
            RunStatus::Succeeded => Ink::Good,
            RunStatus::Failed | RunStatus::TimedOut => Ink::Bad,
            RunStatus::Cancelled => Ink::Warn,
            RunStatus::Running if self.hosts.is_empty() => Ink::Warn,
            RunStatus::Running => Ink::Calm,
        }
    }

    /// Formats `wordcount, 3 of 6 tasks done, 1 failed, 2 open, 5m ago, on box-1`.
    pub(crate) fn text(&self, now: Timestamp) -> String {
        let tasks = if self.total == 1 { "task" } else { "tasks" };
        let name = self.name.iter().cloned();
        let mut parts: Vec<String> =
            name.chain([format!("{} of {} {tasks} done", self.done, self.total)]).collect();
        for (count, word) in [(self.failed, "failed"), (self.skipped, "skipped"), (self.open, "open")] {
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        parts.extend(self.ending.map(|ending| format!("at its `[finally]`, ends as {ending}")));
        parts.push(ago(self.active_at, now));
        if self.status == RunStatus::Running && !self.hosts.is_empty() {
            parts.push(format!("on {}", self.hosts.join(", ")));
        }
        parts.join(", ")
    }

    /// Formats `created 2026-11-24T02:15:00.123Z, last written to 2026-11-24T02:15:09.000Z, epoch 1`.
    pub(crate) fn times(&self) -> String {
        format!("created {}, last written to {}, epoch {}", self.created, self.active, self.epoch)
    }
}

/// Formats an age in its largest unit: `12s ago`, `3h ago`. Clock skew between machines counts as zero.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_millis().saturating_sub(then.as_millis()).max(0) / 1000;
    match seconds {
        0 => "now".to_owned(),
        1..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..172_800 => format!("{}h ago", seconds / 3_600),
        _ => format!("{}d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::columns::WIDTH;
    use crate::model::RunId;
    use crate::state::{Counts, HostId};

    const NOW: Timestamp = Timestamp::from_millis(1_795_486_500_123);

    fn run(id: &str, status: RunStatus, counts: Counts, hosts: &[&str]) -> RunSummary {
        RunSummary {
            run: RunId::new(id).unwrap(),
            name: Some("wordcount".into()),
            status,
            ending: None,
            epoch: 1,
            counts,
            created: Timestamp::from_millis(NOW.as_millis() - 90_000_000),
            active: Timestamp::from_millis(NOW.as_millis() - 61_000),
            hosts: hosts.iter().map(|host| HostId((*host).into())).collect(),
        }
    }

    fn table() -> RunsTable {
        let some = Counts { done: 3, failed: 1, skipped: 0, open: 2 };
        let all = Counts { done: 1, ..Counts::default() };
        let box_2 = "a-machine-with-a-long-name.example.com-4711-0badc0de";
        let strange =
            RunSummary { name: Some("\u{1b}[2J".into()), ..run("odd", RunStatus::Succeeded, all, &[]) };
        RunsTable::new(&[
            run("20261124T021500-k3f9x2ab", RunStatus::Running, some, &["box-1-17-00c0ffee", box_2]),
            run("nightly.2026-11-23", RunStatus::Running, some, &[]),
            run("r1", RunStatus::Failed, some, &[]),
            RunSummary { name: None, ..run("r2", RunStatus::Cancelled, some, &[]) },
            strange,
        ])
    }

    #[test]
    fn list_for_people_fits_its_width() {
        let shown = table().render(NOW, Style::Plain);
        assert_eq!(shown, include_str!("testdata/runs.txt"));
        assert!(shown.lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(RunsTable::new(&[]).render(NOW, Style::Plain), "");
    }

    #[test]
    fn colour_does_not_move_columns() {
        let coloured = table().render(NOW, Style::Coloured);
        let stripped = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(stripped, table().render(NOW, Style::Plain));
    }

    #[test]
    fn json_form_is_stable() {
        let one = RunsTable { v: VERSION, runs: table().runs.into_iter().take(1).collect() };
        assert_eq!(one.to_json().unwrap(), include_str!("testdata/runs.json"));
    }

    #[test]
    fn ages_use_the_largest_unit() {
        for (seconds, shown) in [
            (-5, "now"),
            (59, "59s ago"),
            (61, "1m ago"),
            (3_600, "1h ago"),
            (172_799, "47h ago"),
            (172_800, "2d ago"),
        ] {
            assert_eq!(ago(Timestamp::from_millis(NOW.as_millis() - seconds * 1000), NOW), shown);
        }
    }
}
