//! Shows compilations that take long: on a terminal a line that counts the seconds, else a line now and then.
//! The sandbox reports them every second; `context` decides whether they are shown.

use crate::cli::console::Console;
use crate::cli::log::show_bytes;
use crate::cli::print::escape_control;
use crate::cli::process::Reader;
use crate::model::{Size, show_duration};
use crate::sandbox::{SlowCompilation, Stage};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time between two lines about one compilation, for readers that keep every line.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Display of all compilations of a command.
pub(crate) struct Compilations {
    console: Console,
    reader: Reader,
    // A mutex, because components are compiled concurrently. The section is one report, which comes once a second.
    shown: Mutex<Vec<Shown>>,
}

/// A compilation that was shown before and has not ended.
struct Shown {
    name: String,
    size: Size,
    stage: Stage,
    /// Time of its last line.
    line_at: Duration,
    /// Its line on a terminal.
    bar: ProgressBar,
}

impl Compilations {
    /// Creates a display for the reader of stderr.
    pub(crate) fn new(console: Console, reader: Reader) -> Self {
        Self { console, reader, shown: Mutex::default() }
    }

    /// Shows one report.
    pub(crate) fn follow(&self, report: SlowCompilation<'_>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shown.iter().position(|one| one.name == report.name && one.size == report.size);
        let is_over = !matches!(report.stage, Stage::Waiting | Stage::Compiling);
        if is_over && let Some(known) = known {
            self.console.bars().remove(&shown.swap_remove(known).bar);
        }
        match known.and_then(|known| shown.get_mut(known)) {
            _ if is_over => self.print(line(report)),
            Some(known) => self.update(known, report),
            None => shown.push(self.begin(report)),
        }
    }

    fn begin(&self, report: SlowCompilation<'_>) -> Shown {
        let SlowCompilation { name, size, stage, elapsed } = report;
        let bar = match self.reader {
            Reader::Person => self.console.bars().add(ProgressBar::new_spinner()),
            Reader::Program => ProgressBar::hidden(),
        };
        if let Ok(style) = ProgressStyle::with_template("{wide_msg}") {
            bar.set_style(style);
        }
        match self.reader {
            Reader::Person => bar.set_message(timed_line(report)),
            Reader::Program => self.print(line(report)),
        }
        Shown { name: name.to_owned(), size, stage, line_at: elapsed, bar }
    }

    fn update(&self, known: &mut Shown, report: SlowCompilation<'_>) {
        if self.reader == Reader::Person {
            known.bar.set_message(timed_line(report));
            return;
        }
        let is_new = known.stage != report.stage;
        if is_new || report.elapsed.saturating_sub(known.line_at) >= LINE_INTERVAL {
            known.line_at = report.elapsed;
            self.print(if is_new { line(report) } else { Some(timed_line(report)) });
        }
        known.stage = report.stage;
    }

    fn print(&self, line: impl Into<Option<String>>) {
        if let Some(line) = line.into() {
            self.console.note("compiling", &line);
        }
    }
}

/// Returns the line about a stage; none for a failure, whose error follows.
fn line(report: SlowCompilation<'_>) -> Option<String> {
    let SlowCompilation { name, size, stage, elapsed } = report;
    let component = format!("{} ({})", escape_control(name), show_bytes(size.as_bytes()));
    let time = show_duration(elapsed);
    match stage {
        Stage::Waiting => Some(format!("waiting for another host to compile {component}")),
        Stage::Compiling => Some(format!("compiling {component}")),
        Stage::Compiled => Some(format!("compiled {component} in {time}")),
        Stage::Received => Some(format!("another host compiled {component}, waited {time}")),
        Stage::Failed => None,
    }
}

/// Returns the line with the time since the start, in whole seconds.
fn timed_line(report: SlowCompilation<'_>) -> String {
    format!("{}, {}s", line(report).unwrap_or_default(), report.elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(stage: Stage, seconds: u64) -> SlowCompilation<'static> {
        SlowCompilation {
            name: "parser\u{1b}",
            size: Size::bytes(19_713_229),
            stage,
            elapsed: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn each_stage_has_its_line() {
        let told = |stage| line(report(stage, 12)).unwrap_or_default();
        assert_eq!(told(Stage::Compiling), "compiling parser\\u{1b} (18.8 MiB)");
        assert_eq!(timed_line(report(Stage::Compiling, 12)), "compiling parser\\u{1b} (18.8 MiB), 12s");
        assert_eq!(told(Stage::Waiting), "waiting for another host to compile parser\\u{1b} (18.8 MiB)");
        assert_eq!(told(Stage::Compiled), "compiled parser\\u{1b} (18.8 MiB) in 12s");
        assert_eq!(told(Stage::Received), "another host compiled parser\\u{1b} (18.8 MiB), waited 12s");
        assert_eq!(told(Stage::Failed), "");
    }

    #[test]
    fn programs_get_a_line_per_stage_and_every_ten_seconds() {
        let shown = Compilations::new(Console::default(), Reader::Program);
        let line_at =
            |shown: &Compilations| shown.shown.lock().unwrap().first().map(|one| one.line_at.as_secs());
        for (stage, seconds, expected) in [
            (Stage::Waiting, 1, Some(1)),
            (Stage::Waiting, 2, Some(1)),
            (Stage::Compiling, 3, Some(3)),
            (Stage::Compiling, 12, Some(3)),
            (Stage::Compiling, 13, Some(13)),
            (Stage::Compiled, 14, None),
        ] {
            shown.follow(report(stage, seconds));
            assert_eq!(line_at(&shown), expected, "{seconds}");
        }
    }
}
