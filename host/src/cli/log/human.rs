//! The log for people: one line per fact, with the verb first, then the task, then details.
//! `level` decides which facts are logged; `screen` writes the lines.

use crate::cli::log::failures::Failures;
use crate::cli::log::level::level_of;
use crate::cli::log::run_counts::RunCounts;
use crate::cli::log::screen::{LineKind, Screen};
use crate::cli::print::{Ink, Style, escape_control};
use crate::config::LogLevel;
use crate::events::{Event, Fact, FailureFact, ShortageFact, Sink, Subject};
use crate::model::{RunStatus, Size, SkipReason, own_words, show_duration};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Width of the leading word; the longest is `succeeded`.
const WORD_WIDTH: usize = 9;

/// The sink that writes the log for people.
pub(crate) struct Human {
    level: LogLevel,
    style: Style,
    screen: Arc<Screen>,
    /// The run's id, if it is stored.
    run: Option<String>,
    // A mutex because facts come from many threads; the critical section is one line.
    told: Mutex<Told>,
}

/// What the log has told.
#[derive(Debug, Default)]
struct Told {
    counts: RunCounts,
    failures: Failures,
}

impl Human {
    /// Creates a log of all facts up to `level`. `run` is the run's id, if it is stored.
    pub(crate) fn new(level: LogLevel, style: Style, screen: Arc<Screen>, run: Option<String>) -> Self {
        Self { level, style, screen, run, told: Mutex::default() }
    }
}

impl Sink for Human {
    fn record(&self, event: &Event) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let Told { counts, failures } = &mut *told;
        counts.record(event);
        if level_of(event) > self.level {
            return;
        }
        let mut text = line(event, counts, self.style);
        match &event.fact {
            Fact::TaskFailed(_) | Fact::OutputFailed { .. } => failures.keep(&text),
            Fact::RunFinished { status: RunStatus::Failed | RunStatus::TimedOut, .. } => {
                let again = failures.again(self.run.as_deref(), self.style).unwrap_or_default();
                text.insert_str(0, &again);
            }
            _ => {} // is no failure
        }
        failures.count_lines(&text);
        drop(told);
        self.screen.print(text.into_bytes(), LineKind::of(event));
    }
}

/// Formats one fact as a line with its newline; further lines are indented. `counts` already includes the fact.
pub(crate) fn line(event: &Event, counts: &RunCounts, style: Style) -> String {
    let subject = event.subject.as_ref().map(show_subject).unwrap_or_default();
    if let Fact::TaskLog { text, .. } = &event.fact {
        let prefix = style.paint(Ink::Faint, &format!("{subject} |"));
        return format!("{prefix} {}\n", escape_control(text));
    }
    let attempts = event.subject.as_ref().and_then(|subject| subject.attempt).unwrap_or(1);
    let rendering = render_fact(&event.fact, attempts, counts);
    let word = style.paint(rendering.ink, &format!("{:WORD_WIDTH$}", rendering.word));
    let text = if subject.is_empty() || rendering.text.is_empty() {
        subject + &rendering.text
    } else {
        subject + "  " + &rendering.text
    };
    let indented = escape_control(&text).replace('\n', &format!("\n{:width$}", "", width = WORD_WIDTH + 4));
    format!("{word}  {}\n", indented.trim_end())
}

/// Returns who holds a resource and how much of it, or its rate, and how many wait before.
fn shown_shortage(shortage: &ShortageFact) -> String {
    let ShortageFact { capacity, held, ahead, holder } = shortage;
    let text = match (holder, held) {
        (Some(holder), Some(held)) => {
            format!(": held by run `{}`, task `{}` ({held} of {capacity})", holder.run, holder.task)
        }
        (_, Some(held)) => format!(" ({held} of {capacity})"),
        (_, None) => format!(" ({capacity})"),
    };
    if *ahead == 0 { text } else { format!("{text}, {ahead} before it") }
}

/// The parts of a line besides the task.
struct Rendering {
    ink: Ink,
    word: &'static str,
    text: String,
}

impl Rendering {
    fn new(ink: Ink, word: &'static str, text: impl Into<String>) -> Self {
        Self { ink, word, text: text.into() }
    }
}

fn render_fact(fact: &Fact, attempts: u32, counts: &RunCounts) -> Rendering {
    match fact {
        Fact::RunStarted { name, tasks } => {
            Rendering::new(Ink::Title, "run", format!("{name}, {}", count(*tasks, "task")))
        }
        Fact::RunResumed { name, tasks, kept } => {
            // Of elements, any number may be kept.
            let kept = if *kept == 0 { String::new() } else { format!(", {} kept", count(*kept, "result")) };
            Rendering::new(Ink::Title, "resumed", format!("{name}, {}{kept}", count(*tasks, "task")))
        }
        Fact::RunEnding { status } => {
            Rendering::new(Ink::Calm, "ending", format!("{status}; now the tasks of `[finally]`"))
        }
        Fact::RunFinished { status, duration_ms } => {
            let text = summary(counts, *status, *duration_ms);
            Rendering::new(ink_of(*status), status.as_str(), text)
        }
        Fact::TaskReady => Rendering::new(Ink::Faint, "ready", ""),
        Fact::TaskStarted => Rendering::new(Ink::Faint, "started", ""),
        Fact::TaskBlocked { resource, shortage } => {
            let shortage = shortage.as_ref().map_or_else(String::new, shown_shortage);
            Rendering::new(Ink::Faint, "blocked", format!("waits for `{resource}`{shortage}"))
        }
        Fact::TaskFinished { duration_ms, output_bytes, iterations, .. } => {
            let iterations = iterations.map_or_else(String::new, |number| count(number, "iteration") + ", ");
            // A task in a pipeline that runs once per element stores nothing itself: its elements do.
            let size = Some(*output_bytes).filter(|bytes| *bytes > 0);
            let size = size.map_or_else(String::new, |bytes| format!(", {}", show_bytes(bytes)));
            let text = format!("{iterations}{}{size}", show_millis(*duration_ms));
            Rendering::new(Ink::Good, "finished", text)
        }
        Fact::TaskCached { .. } => Rendering::new(Ink::Calm, "cached", ""),
        Fact::TaskStored => Rendering::new(Ink::Calm, "stored", ""),
        Fact::TaskSkipped { failure: Some(failure), .. } => {
            Rendering::new(Ink::Warn, "left out", format!("{}: {}", failure.class, failure.error))
        }
        Fact::TaskSkipped { reason, cause, failure: None } => Rendering::new(
            Ink::Faint,
            "skipped",
            format!("{reason}: {}", skip_cause(*reason, cause.as_deref())),
        ),
        Fact::TaskFailed(failure) => {
            let after = if attempts > 1 { format!("after {attempts} attempts, ") } else { String::new() };
            Rendering::new(Ink::Bad, "failed", format!("{after}{}: {}", failure.class, failure.error))
        }
        Fact::OutputFailed { output, failure } => {
            let text = format!("output `{output}`  {}: {}", failure.class, failure.error);
            Rendering::new(Ink::Bad, "failed", text)
        }
        Fact::TaskRetrying { delay_ms, memory_bytes, timeout_ms, failure } => {
            let more = with_more(*memory_bytes, *timeout_ms);
            Rendering::new(Ink::Warn, "retrying", retrying(*delay_ms, &more, failure))
        }
        Fact::TaskTakenOver { takeovers, from } => {
            let text = format!("from {from}, which lost its lease; takeover {takeovers}");
            Rendering::new(Ink::Warn, "taken", text)
        }
        Fact::TaskLeaseLost => Rendering::new(Ink::Warn, "lost", "lease lost; the result was discarded"),
        Fact::TaskProgress { fraction, message } => {
            Rendering::new(Ink::Faint, "progress", format!("{:.0}%  {message}", fraction * 100.0))
        }
        Fact::TaskLog { text, .. } => Rendering::new(Ink::Faint, "wrote", text.as_str()),
        Fact::StateReconnected => {
            Rendering::new(Ink::Warn, "warning", "the state backend is available again")
        }
        Fact::Warning { message, .. } => Rendering::new(Ink::Warn, "warning", message.as_str()),
    }
}

const fn ink_of(status: RunStatus) -> Ink {
    match status {
        RunStatus::Succeeded => Ink::Good,
        RunStatus::Failed | RunStatus::TimedOut => Ink::Bad,
        RunStatus::Cancelled | RunStatus::Running => Ink::Warn,
    }
}

/// Describes the delay and the cause of a retry. Stderr and backtrace are logged only if the task fails for good.
fn retrying(delay_ms: u64, more: &str, failure: &FailureFact) -> String {
    let when = match delay_ms {
        0 => "at once".to_owned(),
        _ => format!("in {}", show_duration(Duration::from_millis(delay_ms))),
    };
    format!("{when}{more}, {}: {}", failure.class, own_words(&failure.error))
}

/// Describes the limits that are larger in the next attempt; empty if none is.
fn with_more(memory_bytes: Option<u64>, timeout_ms: Option<u64>) -> String {
    let memory = memory_bytes.map(|bytes| format!(" with memory {}", Size::bytes(bytes)));
    let timeout =
        timeout_ms.map(|millis| format!(" with timeout {}", show_duration(Duration::from_millis(millis))));
    [memory, timeout].into_iter().flatten().collect()
}

/// Formats the counts: `12 done, 3 cached, 1 skipped, 0 failed in 1.2s`.
fn summary(counts: &RunCounts, status: RunStatus, millis: f64) -> String {
    let stored = match counts.stored_count() {
        0 => String::new(),
        stored => format!("{stored} stored, "),
    };
    let RunCounts { done, cached, skipped, failed, .. } = counts;
    let open = match counts.total.saturating_sub(counts.ended_count()) {
        0 => String::new(),
        open if status == RunStatus::Succeeded => format!(", {open} by other hosts"),
        open => format!(", {open} not ended here"), // possibly by other hosts
    };
    let duration = show_millis(millis);
    format!("{done} done, {stored}{cached} cached, {skipped} skipped, {failed} failed{open} in {duration}")
}

fn skip_cause(reason: SkipReason, cause: Option<&str>) -> String {
    let cause = cause.map_or_else(|| "a task that it needs".to_owned(), |cause| format!("`{cause}`"));
    match reason {
        SkipReason::ConditionFalse => "its `when` is false".to_owned(),
        SkipReason::UpstreamSkipped => format!("{cause} has not run"),
        SkipReason::UpstreamFailed | SkipReason::UpstreamElementFailed => format!("{cause} failed"),
        SkipReason::Pruned => "no chosen case of a `select` needs it".to_owned(),
        SkipReason::ElementFailed => "it failed".to_owned(),
    }
}

fn count(number: u32, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// Formats a time with two or three figures: `340µs`, `1.2ms`, `45ms`, `1.2s`, `3m 07s`.
pub(crate) fn show_millis(millis: f64) -> String {
    match millis {
        _ if millis < 1.0 => format!("{:.0}µs", millis * 1000.0),
        _ if millis < 10.0 => format!("{millis:.1}ms"),
        _ if millis < 1_000.0 => format!("{millis:.0}ms"),
        _ if millis < 60_000.0 => format!("{:.1}s", millis / 1000.0),
        _ => format!("{:.0}m {:02.0}s", (millis / 60_000.0).floor(), (millis % 60_000.0 / 1000.0).floor()),
    }
}

/// Formats a size with one decimal: `48 B`, `1.5 KiB`.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(size, _)| bytes >= *size) {
        None => format!("{bytes} B"),
        Some((size, unit)) => {
            let tenths = bytes % size * 10 / size;
            format!("{}.{tenths} {unit}", bytes / size)
        }
    }
}

fn show_subject(subject: &Subject) -> String {
    let iteration = subject.iteration.map_or_else(String::new, |iteration| format!("@{iteration}"));
    subject.node_name() + &iteration
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::console::Console;
    use crate::cli::log::progress::Shown;
    use crate::cli::log::screen::tests::CapturedStderr;
    use crate::cli::print::{element, finished, iteration, run, task};
    use crate::events::HolderFact;
    use crate::model::FailureClass;

    fn held_by(run: &str) -> ShortageFact {
        let holder = HolderFact { run: run.into(), task: "render[3]".into(), host: "h0".into() };
        ShortageFact { capacity: "2".into(), held: Some(2), ahead: 0, holder: Some(holder) }
    }

    fn rated() -> ShortageFact {
        ShortageFact { capacity: "10/s".into(), held: None, ahead: 3, holder: None }
    }

    fn failure() -> FailureFact {
        FailureFact { class: FailureClass::Trap, error: "unreachable\n  0: boom\n  1: run\n".into() }
    }

    fn logged(events: &[Event], level: LogLevel) -> String {
        let mut counts = RunCounts::default();
        let mut text = String::new();
        for event in events {
            counts.record(event);
            if level_of(event) <= level {
                text += &line(event, &counts, Style::Plain);
            }
        }
        text
    }

    fn sample_run() -> Vec<Event> {
        vec![
            run(Fact::RunStarted { name: "wordcount".into(), tasks: 6 }),
            task("split", Fact::TaskReady),
            task("split", Fact::TaskStarted),
            task("split", Fact::TaskProgress { fraction: 0.5, message: "halfway".into() }),
            task("split", Fact::TaskLog { stream: "stdout".into(), text: "hello \u{1b}[2J".into() }),
            task("split", finished()),
            element(
                "count",
                3,
                Fact::TaskRetrying {
                    delay_ms: 100,
                    memory_bytes: None,
                    timeout_ms: None,
                    failure: failure(),
                },
            ),
            element("count", 3, finished()),
            task("count", finished()),
            task("merge", Fact::TaskBlocked { resource: "gpu".into(), shortage: None }),
            task("merge", Fact::TaskBlocked { resource: "gpu".into(), shortage: Some(held_by("r7")) }),
            task("merge", Fact::TaskBlocked { resource: "api".into(), shortage: Some(rated()) }),
            task("merge", Fact::TaskCached { key: "abc".into() }),
            task("old", Fact::TaskStored),
            task(
                "extra",
                Fact::TaskSkipped {
                    reason: SkipReason::UpstreamSkipped,
                    cause: Some("rare".into()),
                    failure: None,
                },
            ),
            task("last", Fact::TaskFailed(failure())),
            run(Fact::Warning { code: "memory".into(), message: "nothing can be resumed".into() }),
            run(Fact::RunFinished { status: RunStatus::Failed, duration_ms: 1_234.0 }),
        ]
    }

    #[test]
    fn failures_after_retries_say_how_many_attempts_there_were() {
        let mut event = task("last", Fact::TaskFailed(failure()));
        event.subject.as_mut().unwrap().attempt = Some(3);
        let shown = line(&event, &RunCounts::default(), Style::Plain);
        assert!(shown.starts_with("failed     last  after 3 attempts, trap: unreachable\n"), "{shown}");
    }

    #[test]
    fn iterations_are_steps_of_their_task() {
        let ended = Fact::TaskFinished {
            duration_ms: 9.0,
            output_bytes: 2,
            memory_bytes: 0,
            fuel: None,
            iterations: Some(2),
        };
        let log = |text: &str| Fact::TaskLog { stream: "stdout".into(), text: text.into() };
        let events = [
            iteration("refine", 0, Fact::TaskStarted),
            iteration("refine", 0, log("so far")),
            iteration("refine", 0, finished()),
            iteration("refine", 1, Fact::TaskCached { key: "k".into() }),
            task("refine", ended),
            iteration(
                "other",
                7,
                Fact::TaskFailed(FailureFact { class: FailureClass::Error, error: "no".into() }),
            ),
        ];
        assert_eq!(
            logged(&events, LogLevel::Info),
            "refine@0 | so far\nfinished   refine  2 iterations, 9.0ms, 2 B\nfailed     other@7  error: no\n"
        );
    }

    #[test]
    fn info_logs_outcomes() {
        assert_eq!(
            logged(&sample_run(), LogLevel::Info),
            r"run        wordcount, 6 tasks
split | hello \u{1b}[2J
finished   split  1.2ms, 1.5 KiB
retrying   count[3]  in 100ms, trap: unreachable
finished   count  1.2ms, 1.5 KiB
cached     merge
stored     old
skipped    extra  UpstreamSkipped: `rare` has not run
failed     last  trap: unreachable
               0: boom
               1: run
warning    nothing can be resumed
failed     2 done, 1 stored, 1 cached, 1 skipped, 1 failed in 1.2s
"
        );
    }

    #[test]
    fn error_logs_only_failures() {
        let text = logged(&sample_run(), LogLevel::Error);
        assert_eq!(text.lines().next(), Some("failed     last  trap: unreachable"));
        assert_eq!(text.lines().count(), 3);
    }

    #[test]
    fn trace_logs_every_step() {
        let text = logged(&sample_run(), LogLevel::Trace);
        for line in [
            "ready      split",
            "started    split",
            "progress   split  50%  halfway",
            "blocked    merge  waits for `gpu`",
            "blocked    merge  waits for `gpu`: held by run `r7`, task `render[3]` (2 of 2)",
            "blocked    merge  waits for `api` (10/s), 3 before it",
        ] {
            assert!(text.lines().any(|logged| logged == line), "{line}\n{text}");
        }
        assert!(text.contains("finished   count[3]  "));
    }

    #[test]
    fn sink_filters_by_level() {
        let stderr = CapturedStderr::default();
        let screen = Arc::new(Screen::new(Shown::None, Console::default(), stderr.clone()));
        let human = Human::new(LogLevel::Warn, Style::Plain, screen, None);
        for event in &sample_run() {
            human.record(event);
        }
        drop(human);
        let words: Vec<String> = stderr
            .text()
            .lines()
            .filter(|line| !line.starts_with(' '))
            .filter_map(|line| line.split(' ').next().map(str::to_owned))
            .collect();
        assert_eq!(words, ["retrying", "failed", "warning"]);
    }

    #[test]
    fn times_and_sizes_have_two_or_three_figures() {
        for (millis, shown) in
            [(0.34, "340µs"), (1.24, "1.2ms"), (45.2, "45ms"), (1_234.0, "1.2s"), (187_900.0, "3m 07s")]
        {
            assert_eq!(show_millis(millis), shown);
        }
        for (bytes, shown) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.5 KiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(show_bytes(bytes), shown);
        }
    }
}
