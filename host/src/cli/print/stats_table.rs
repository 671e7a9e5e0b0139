//! `show --stats`: the figures of a run by task, its slowest calls and its critical path, for people and programs.
//! `app/figures` computes them. The JSON form is stable: new facts get new keys, and old keys stay.

use crate::app::{Figures, Histogram, Slow, Step, TaskFigures};
use crate::cli::log::{show_bytes, show_millis};
use crate::cli::print::columns::{pad, put_line};
use crate::cli::print::style::{Ink, Style, escape_control_line};
use crate::model::Size;
use serde::Serialize;

/// Version of the JSON form.
const VERSION: u32 = 1;

/// Slowest calls that the table shows; the JSON form has all.
const MAX_SHOWN: usize = 10;

/// Smallest memory limit that is suggested.
const LEAST_LIMIT: u64 = 16 << 20;

/// The figures of a run.
#[derive(Debug, Serialize)]
pub(crate) struct StatsTable {
    v: u32,
    run: String,
    name: Option<String>,
    status: &'static str,
    /// From the first start to the last end.
    elapsed_ms: Option<f64>,
    /// Time of all attempts together.
    busy_ms: f64,
    calls: u64,
    cached: u64,
    failed: u64,
    retried: u64,
    /// Estimated time that the cache has saved.
    saved_ms: Option<f64>,
    tasks: Vec<TaskRow>,
    hosts: Vec<HostRow>,
    critical_path: Vec<StepRow>,
    slowest: Vec<SlowRow>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskRow {
    pub(crate) task: String,
    pub(crate) done: u64,
    pub(crate) cached: u64,
    pub(crate) failed: u64,
    pub(crate) open: u64,
    pub(crate) retried: u64,
    pub(crate) duration_ms: Option<Spread>,
    pub(crate) wait_ms: Option<Spread>,
    pub(crate) total_ms: f64,
    pub(crate) saved_ms: Option<f64>,
    /// Largest peak memory of a call.
    pub(crate) memory_bytes: Option<u64>,
    /// The first memory limit.
    pub(crate) memory_limit: Option<String>,
    /// A line of the manifest with a limit that fits better.
    pub(crate) suggestion: Option<String>,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct HostRow {
    pub(crate) host: String,
    /// Attempts that ran at the same time.
    pub(crate) slots: u32,
    pub(crate) attempts: u64,
    pub(crate) busy_ms: f64,
    /// Share of the time of its slots in which attempts ran, from 0 to 1.
    pub(crate) utilisation: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct StepRow {
    pub(crate) task: String,
    pub(crate) waited_ms: f64,
    pub(crate) took_ms: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct SlowRow {
    pub(crate) name: String,
    pub(crate) ms: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) host: String,
}

impl StatsTable {
    /// Creates the table.
    pub(crate) fn new(figures: &Figures) -> Self {
        let tasks: Vec<TaskRow> = figures.tasks.iter().map(|task| TaskRow::new(task, figures)).collect();
        let total = |count: fn(&TaskFigures) -> u64| figures.tasks.iter().map(count).sum();
        let saved: Vec<f64> = tasks.iter().filter_map(|task| task.saved_ms).collect();
        let hosts = hosts(figures);
        Self {
            v: VERSION,
            run: figures.run.run.to_string(),
            name: figures.run.name.clone(),
            status: figures.run.status.as_str(),
            elapsed_ms: figures.time.map(|(first, last)| millis(first.abs_diff(last))),
            busy_ms: hosts.iter().map(|host| host.busy_ms).sum(),
            calls: total(|task| task.done + task.failed),
            cached: total(|task| task.cached),
            failed: total(|task| task.failed),
            retried: total(|task| task.retried),
            saved_ms: (!saved.is_empty()).then(|| saved.iter().sum()),
            tasks,
            hosts,
            critical_path: path(figures),
            slowest: figures.slowest.iter().map(SlowRow::from).collect(),
        }
    }

    /// Returns one indented JSON object with a final newline.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    pub(crate) fn tasks(&self) -> &[TaskRow] {
        &self.tasks
    }

    pub(crate) fn hosts(&self) -> &[HostRow] {
        &self.hosts
    }

    pub(crate) fn path(&self) -> &[StepRow] {
        &self.critical_path
    }

    pub(crate) fn slowest(&self) -> &[SlowRow] {
        &self.slowest
    }

    /// Returns sentences that sum the run up.
    pub(crate) fn summary(&self) -> Vec<String> {
        let elapsed = self.elapsed_ms.map_or_else(
            || "no attempt has ended".to_owned(),
            |elapsed| format!("{} from the first start to the last end", show_millis(elapsed)),
        );
        let calls = format!("{} calls, {} of them failed, {} retried", self.calls, self.failed, self.retried);
        let saved = match self.saved_ms {
            Some(saved) => format!(", which saved about {}", show_millis(saved)),
            None => String::new(),
        };
        vec![
            elapsed,
            format!("{calls}; {} of work", show_millis(self.busy_ms)),
            format!("{} results from the cache{saved}", self.cached),
        ]
    }

    /// Renders the tables.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut out = String::new();
        put_line(&mut out, 0, &style.paint(Ink::Title, &format!("{}  {}", self.run, self.status)));
        self.summary().iter().for_each(|line| put_line(&mut out, 2, line));
        let header = [
            "task", "calls", "cached", "failed", "p50", "p95", "max", "total", "wait p95", "memory", "limit",
        ];
        let rows = self.tasks.iter().map(TaskRow::cells);
        table(&mut out, header, rows, style);
        let header = ["critical path", "waited", "took"];
        let rows = self.critical_path.iter().map(|step| {
            [
                escape_control_line(&step.task).into_owned(),
                show_millis(step.waited_ms),
                show_millis(step.took_ms),
            ]
        });
        table(&mut out, header, rows, style);
        let header = ["host", "slots", "attempts", "work", "busy"];
        let rows = self.hosts.iter().map(|host| {
            let busy = host.utilisation.map_or_else(String::new, |share| format!("{:.0}%", share * 100.0));
            [
                escape_control_line(&host.host).into_owned(),
                host.slots.to_string(),
                host.attempts.to_string(),
                show_millis(host.busy_ms),
                busy,
            ]
        });
        table(&mut out, header, rows, style);
        let header = ["slowest calls", "took", "memory"];
        let rows = self.slowest.iter().take(MAX_SHOWN).map(|slow| {
            [
                escape_control_line(&slow.name).into_owned(),
                show_millis(slow.ms),
                show_bytes(slow.memory_bytes),
            ]
        });
        table(&mut out, header, rows, style);
        let suggestions: Vec<&TaskRow> = self.tasks.iter().filter(|task| task.suggestion.is_some()).collect();
        if !suggestions.is_empty() {
            out.push('\n');
            put_line(&mut out, 0, &style.paint(Ink::Title, "memory limits that would do"));
        }
        for task in suggestions {
            let line = task.suggestion.as_deref().unwrap_or_default();
            put_line(&mut out, 2, &format!("[tasks.{}]  {line}", escape_control_line(&task.task)));
        }
        out
    }
}

impl TaskRow {
    fn new(task: &TaskFigures, figures: &Figures) -> Self {
        let settings =
            figures.record.task(&task.name).and_then(|index| figures.record.lineage().settings(index));
        let limit = settings.and_then(|settings| settings.get("limits.memory"));
        let limit = limit.map(|limit| limit.split(", ").next().unwrap_or_default().to_owned());
        let memory = task.memory.max().filter(|bytes| *bytes > 0);
        Self {
            task: task.name.clone(),
            done: task.done,
            cached: task.cached,
            failed: task.failed,
            open: task.open,
            retried: task.retried,
            duration_ms: Spread::of(&task.durations),
            wait_ms: Spread::of(&task.waits),
            total_ms: millis(task.durations.sum()),
            saved_ms: task.saved().map(millis),
            memory_bytes: memory,
            suggestion: memory.zip(limit.as_deref()).and_then(|(used, limit)| suggestion(used, limit)),
            memory_limit: limit,
        }
    }

    fn cells(&self) -> [String; 11] {
        let spread = |spread: Option<Spread>, of: fn(&Spread) -> f64| {
            spread.map_or_else(String::new, |spread| show_millis(of(&spread)))
        };
        [
            escape_control_line(&self.task).into_owned(),
            (self.done + self.failed).to_string(),
            self.cached.to_string(),
            self.failed.to_string(),
            spread(self.duration_ms, |spread| spread.p50),
            spread(self.duration_ms, |spread| spread.p95),
            spread(self.duration_ms, |spread| spread.max),
            self.duration_ms.map(|_| show_millis(self.total_ms)).unwrap_or_default(),
            spread(self.wait_ms, |spread| spread.p95),
            self.memory_bytes.map(show_bytes).unwrap_or_default(),
            self.memory_limit.clone().unwrap_or_default(),
        ]
    }
}

impl Spread {
    fn of(numbers: &Histogram) -> Option<Self> {
        let at = |percent| numbers.percentile(percent).map(millis);
        Some(Self { p50: at(50)?, p95: at(95)?, p99: at(99)?, max: numbers.max().map(millis)? })
    }
}

impl From<&Slow> for SlowRow {
    fn from(slow: &Slow) -> Self {
        Self {
            name: slow.name.clone(),
            ms: millis(slow.micros),
            memory_bytes: slow.memory,
            host: slow.host.clone(),
        }
    }
}

/// Returns a line with a limit that fits what was used, if the present one promises more than twice as much.
fn suggestion(used: u64, limit: &str) -> Option<String> {
    let limit = Size::parse(limit).ok()?.as_bytes();
    let fits = (used + used / 4).max(LEAST_LIMIT).checked_next_power_of_two()?;
    (limit > 2 * fits).then(|| format!("limits.memory = \"{}\"", Size::bytes(fits)))
}

fn path(figures: &Figures) -> Vec<StepRow> {
    let step = |step: &Step| StepRow {
        task: figures.record.task_name(step.task).unwrap_or_default().to_owned(),
        waited_ms: millis(step.waited.unsigned_abs()),
        took_ms: millis(step.took.unsigned_abs()),
    };
    figures.path.iter().map(step).collect()
}

fn hosts(figures: &Figures) -> Vec<HostRow> {
    let timeline = &figures.timeline;
    let elapsed = figures.time.map_or(0, |(first, last)| first.abs_diff(last));
    let mut sums = vec![(0_u64, 0_u64); timeline.hosts.len()];
    for span in &timeline.spans {
        let sum = usize::try_from(span.host).ok().and_then(|host| sums.get_mut(host));
        if let Some((attempts, busy)) = sum {
            *attempts += 1;
            *busy += span.start.abs_diff(span.end);
        }
    }
    let rows = timeline.hosts.iter().zip(&timeline.lanes).zip(sums);
    let rows = rows.map(|((host, lanes), (attempts, busy))| HostRow {
        host: host.0.to_string(),
        slots: *lanes,
        attempts,
        busy_ms: millis(busy),
        utilisation: (elapsed > 0 && *lanes > 0)
            .then(|| millis(busy) / (millis(elapsed) * f64::from(*lanes))),
    });
    rows.collect()
}

/// Renders a table whose first column is aligned to the left and the others to the right. Nothing of no rows.
fn table<const N: usize>(
    out: &mut String,
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    style: Style,
) {
    let rows: Vec<[String; N]> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(header.get(column).map_or(0, |head| head.len()))
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (column, (cell, width)) in cells.zip(&widths).enumerate() {
            if column == 0 {
                line.push_str(&pad(cell, *width));
            } else {
                line.push_str(&format!("  {cell:>width$}"));
            }
        }
        line.trim_end().to_owned()
    };
    out.push('\n');
    put_line(out, 0, &style.paint(Ink::Title, &line(&mut header.into_iter())));
    rows.iter().for_each(|row| put_line(out, 0, &line(&mut row.iter().map(String::as_str))));
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "exact for 285 years in microseconds")]
const fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}
