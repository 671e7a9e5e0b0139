//! The sections of a page that are texts and tables.
//! `html` escapes, `mod.rs` composes.

use crate::cli::log::{show_bytes, show_millis};
use crate::cli::print::{Spread, StatsTable};
use crate::cli::report::html::{Table, short, text};
use crate::cli::report::{Content, Failure};
use crate::model::TaskIdx;

/// Tasks in a table.
const MAX_TASKS: usize = 400;

/// Tasks of the plan with all their details.
const MAX_PLANNED: usize = 150;

/// Steps of the critical path in the table.
const MAX_STEPS: usize = 200;

/// Hosts in the table.
const MAX_HOSTS: usize = 100;

/// Maximum length of a failure's message, in characters.
const MAX_MESSAGE: usize = 3000;

/// Maximum length of a line of a guest, in characters.
const MAX_LINE: usize = 300;

/// Maximum length of a name, in characters.
const MAX_NAME: usize = 120;

/// Appends what sums the run up.
pub(crate) fn put_summary(out: &mut String, content: &Content<'_>, stats: &StatsTable) {
    let run = &content.figures.run;
    let counts = run.counts;
    let word = run.status.as_str();
    let mut facts = vec![
        ("Status", format!("<span class=\"{word}-word\">{word}</span>")),
        (
            "Tasks",
            format!(
                "{} done, {} failed, {} skipped, {} open of {}",
                counts.done,
                counts.failed,
                counts.skipped,
                counts.open,
                counts.total()
            ),
        ),
        ("Created", run.created.to_string()),
        ("Last written to", run.active.to_string()),
        ("Epoch", run.epoch.to_string()),
    ];
    let labels = ["Time", "Calls", "Cache"];
    facts.extend(labels.into_iter().zip(stats.summary()));
    if let Some(failure) = &content.details.outputs {
        let message =
            failure.0.as_ref().map_or("the failure record cannot be read", |record| &record.message);
        facts.push((
            "Outputs",
            format!("<span class=\"class\">failed</span>: {}", short(message, MAX_MESSAGE)),
        ));
    }
    out.push_str("<dl>\n");
    for (name, value) in facts {
        out.push_str(&format!("<dt>{name}</dt><dd>{value}</dd>\n"));
    }
    out.push_str("</dl>\n");
}

/// Appends the failures with the last lines of their guests.
pub(crate) fn put_failures(out: &mut String, content: &Content<'_>) {
    if content.failures.is_empty() {
        out.push_str("<p class=\"none\">Nothing has failed.</p>\n");
    }
    for Failure { name, class, message, lines } in &content.failures {
        out.push_str(&format!(
            "<h3><code>{}</code>: <span class=\"class\">{class}</span></h3>\n<pre>{}</pre>\n",
            short(name, MAX_NAME),
            short(message, MAX_MESSAGE)
        ));
        if !lines.is_empty() {
            let lines: Vec<String> = lines.iter().map(|line| short(line, MAX_LINE)).collect();
            out.push_str(&format!(
                "<p class=\"note\">The last lines of its guest:</p>\n<pre>{}</pre>\n",
                lines.join("\n")
            ));
        }
    }
    let failed = content.details.nodes.iter().filter(|node| node.has_failed()).count();
    if failed > content.failures.len() || content.details.has_more {
        out.push_str("<p class=\"note\">More have failed: <code>cascade-host show</code> lists up to 100 elements.</p>\n");
    }
}

/// Appends the hosts.
pub(crate) fn put_hosts(out: &mut String, stats: &StatsTable) {
    let rows = stats.hosts().iter().take(MAX_HOSTS).map(|host| {
        let busy = host.utilisation.map_or_else(String::new, |share| format!("{:.0}%", share * 100.0));
        vec![
            short(&host.host, MAX_NAME),
            host.slots.to_string(),
            host.attempts.to_string(),
            show_millis(host.busy_ms),
            busy,
        ]
    });
    let columns = ["host", "#slots used", "#attempts", "#work", "#busy"];
    Table { caption: "Hosts", columns: &columns, rows: rows.collect() }.put(out);
}

/// Appends the critical path.
pub(crate) fn put_path(out: &mut String, stats: &StatsTable) {
    let rows = stats.path().iter().take(MAX_STEPS);
    let rows = rows.map(|step| {
        vec![short(&step.task, MAX_NAME), show_millis(step.waited_ms), show_millis(step.took_ms)]
    });
    let caption = "Critical path: the chain of tasks that decided when the run ended";
    Table { caption, columns: &["task", "#waited", "#took"], rows: rows.collect() }.put(out);
}

/// Appends the tasks.
pub(crate) fn put_tasks(out: &mut String, stats: &StatsTable) {
    let shown = |spread: Option<Spread>, of: fn(&Spread) -> f64| {
        spread.map_or_else(String::new, |spread| show_millis(of(&spread)))
    };
    let rows = stats.tasks().iter().take(MAX_TASKS).map(|task| {
        vec![
            short(&task.task, MAX_NAME),
            task.done.to_string(),
            task.cached.to_string(),
            task.failed.to_string(),
            task.open.to_string(),
            task.retried.to_string(),
            shown(task.duration_ms, |spread| spread.p50),
            shown(task.duration_ms, |spread| spread.p95),
            shown(task.duration_ms, |spread| spread.p99),
            shown(task.duration_ms, |spread| spread.max),
            task.duration_ms.map(|_| show_millis(task.total_ms)).unwrap_or_default(),
            shown(task.wait_ms, |spread| spread.p95),
            task.saved_ms.map(show_millis).unwrap_or_default(),
        ]
    });
    let columns = [
        "task",
        "#done",
        "#cached",
        "#failed",
        "#open",
        "#retried",
        "#p50",
        "#p95",
        "#p99",
        "#max",
        "#total",
        "#wait p95",
        "#saved",
    ];
    let caption =
        "Calls by task. Percentiles are within 3 %; saved: cached results by the mean of this run's calls";
    Table { caption, columns: &columns, rows: rows.collect() }.put(out);
    more(out, stats.tasks().len(), MAX_TASKS);
}

/// Appends the slowest calls.
pub(crate) fn put_slowest(out: &mut String, stats: &StatsTable) {
    let rows = stats.slowest().iter().map(|slow| {
        vec![
            short(&slow.name, MAX_NAME),
            show_millis(slow.ms),
            show_bytes(slow.memory_bytes),
            short(&slow.host, MAX_NAME),
        ]
    });
    let columns = ["call", "#took", "#peak memory", "host"];
    Table {
        caption: "The slowest calls that have ended well, at most 100",
        columns: &columns,
        rows: rows.collect(),
    }
    .put(out);
}

/// Appends the memory that was promised and used.
pub(crate) fn put_memory(out: &mut String, stats: &StatsTable) {
    let used = stats.tasks().iter().filter(|task| task.memory_bytes.is_some());
    let rows: Vec<Vec<String>> = used
        .take(MAX_TASKS)
        .map(|task| {
            vec![
                short(&task.task, MAX_NAME),
                task.memory_bytes.map(show_bytes).unwrap_or_default(),
                task.memory_limit.as_deref().map(text).unwrap_or_default(),
                task.suggestion
                    .as_deref()
                    .map(|line| format!("<code>{}</code>", text(line)))
                    .unwrap_or_default(),
            ]
        })
        .collect();
    let caption = "Largest peak memory of a call, and the limit. The line is a limit that would do";
    Table { caption, columns: &["task", "#used", "#limit", "line"], rows }.put(out);
}

/// Appends what tasks call, under which grants and settings.
pub(crate) fn put_plan(out: &mut String, content: &Content<'_>) {
    let record = &content.figures.record;
    let lineage = record.lineage();
    let tasks = record.task_names().zip((0..).map(TaskIdx::new));
    let rows: Vec<Vec<String>> = tasks
        .take(MAX_PLANNED)
        .map(|(name, task)| {
            let callee = lineage.callee(task);
            let call = callee.map(|callee| format!("{}.{}", callee.component, callee.function));
            let grants = callee.map(|callee| {
                let shown = callee.grants.iter().map(|(key, value)| format!("{key}: {value}"));
                shown.collect::<Vec<_>>().join("; ")
            });
            let inputs: Vec<&str> =
                lineage.inputs(task).into_iter().filter_map(|input| record.task_name(input)).collect();
            let settings = lineage.settings(task).map(|settings| {
                let shown = settings.iter().map(|(key, value)| format!("{key} = {value}"));
                shown.collect::<Vec<_>>().join("; ")
            });
            vec![
                short(name, MAX_NAME),
                short(&call.unwrap_or_default(), MAX_NAME),
                callee.map(|callee| text(&callee.digest)).unwrap_or_default(),
                short(&inputs.join(", "), MAX_LINE),
                short(&grants.unwrap_or_default(), MAX_LINE),
                short(&settings.unwrap_or_default(), MAX_LINE),
            ]
        })
        .collect();
    let columns = ["task", "call", "component's digest", "inputs", "grants", "settings"];
    out.push_str("<details><summary>What each task calls</summary>\n");
    Table { caption: "Plan", columns: &columns, rows }.put(out);
    more(out, record.task_names().count(), MAX_PLANNED);
    out.push_str("</details>\n");
}

fn more(out: &mut String, all: usize, shown: usize) {
    if all > shown {
        out.push_str(&format!(
            "<p class=\"note\">{} more tasks: <code>cascade-host show --stats --json</code> has all.</p>\n",
            all - shown
        ));
    }
}
