//! `--progress`: shows how far a run is, as a bar or as a line every few seconds.
//! `screen` keeps log lines and the bar from overwriting each other.

use crate::cli::log::run_counts::RunCounts;
use crate::cli::process::Reader;
use crate::events::{Event, Fact};
use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;
use std::time::Duration;
use std::time::Instant;

/// The value of `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Progress {
    /// A bar on a terminal, else nothing.
    #[default]
    Auto,
    /// A bar; lines where there is no terminal to draw it on.
    Bar,
    /// A line every few seconds.
    Plain,
    /// Nothing.
    None,
}

/// The progress display, once the kind of reader is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A bar that stays in place.
    Bar,
    /// A line every few seconds.
    Lines,
    /// Nothing.
    None,
}

impl Progress {
    /// Resolves the choice by the reader of stderr: a person or a program.
    pub(crate) const fn shown(self, reader: Reader) -> Shown {
        match (self, reader) {
            (Self::Auto | Self::Bar, Reader::Person) => Shown::Bar,
            (Self::Bar, Reader::Program) | (Self::Plain, _) => Shown::Lines,
            (Self::Auto, Reader::Program) | (Self::None, _) => Shown::None,
        }
    }
}

/// Draws the progress, on the screen's own thread.
pub(crate) struct Meter {
    counts: RunCounts,
    display: Display,
}

/// The means of drawing.
enum Display {
    Bar(ProgressBar),
    Lines { last_line: String, last_time: Option<Instant> },
    None,
}

/// Interval at which the idle bar is redrawn, for its clock.
const BAR_INTERVAL: Duration = Duration::from_millis(200);

/// Interval between progress lines.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum number of running tasks that the bar names.
const MAX_NAMES: usize = 4;

impl Meter {
    /// Creates a meter that draws nothing until the run begins.
    pub(crate) fn new(shown: Shown) -> Self {
        let display = match shown {
            Shown::Bar => Display::Bar(ProgressBar::hidden()),
            Shown::Lines => Display::Lines { last_line: String::new(), last_time: None },
            Shown::None => Display::None,
        };
        Self { counts: RunCounts::default(), display }
    }

    /// Returns how long to wait for an event before calling [`Self::idle`].
    pub(crate) const fn interval(&self) -> Duration {
        match self.display {
            Display::Bar(_) => BAR_INTERVAL,
            Display::Lines { .. } | Display::None => LINE_INTERVAL,
        }
    }

    /// Counts one fact, and returns the line to write if one is due `now`. Ignores the event's time, since the system
    /// clock may be set back.
    pub(crate) fn record(&mut self, event: &Event, now: Instant) -> Option<String> {
        self.counts.record(event);
        let is_end = matches!(event.fact, Fact::RunFinished { .. });
        match &mut self.display {
            Display::Bar(bar) => {
                match event.fact {
                    Fact::RunStarted { .. } | Fact::RunResumed { .. } => *bar = new_bar(self.counts.total),
                    Fact::RunFinished { .. } => bar.finish_and_clear(),
                    _ => draw(bar, &self.counts), // any other fact only changes the counts
                }
                None
            }
            Display::Lines { last_time, .. } => {
                let is_due = last_time.is_none_or(|last| now.duration_since(last) >= LINE_INTERVAL);
                if !is_end && !is_due {
                    return None;
                }
                *last_time = Some(now);
                self.changed_line()
            }
            Display::None => None,
        }
    }

    /// Handles a pause without events: returns the line to write if the last one is out of date.
    pub(crate) fn idle(&mut self) -> Option<String> {
        match &self.display {
            Display::Bar(bar) => {
                bar.tick();
                None
            }
            Display::Lines { .. } => self.changed_line(),
            Display::None => None,
        }
    }

    /// Calls `write` while the bar is hidden.
    pub(crate) fn suspend(&self, write: impl FnOnce()) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(write),
            Display::Lines { .. } | Display::None => write(),
        }
    }

    /// Returns the line, unless the run has not begun or the line equals the last one.
    fn changed_line(&mut self) -> Option<String> {
        let Display::Lines { last_line, .. } = &mut self.display else {
            return None;
        };
        let line = format!("{}/{} done\n", self.counts.ended_count(), self.counts.total);
        if self.counts.total == 0 || *last_line == line {
            return None;
        }
        last_line.clone_from(&line);
        Some(line)
    }
}

/// Removes the bar, however the run ends.
impl Drop for Meter {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn new_bar(total: u32) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total.into()), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{elapsed} [{bar:24}] {pos}/{len}  {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn draw(bar: &ProgressBar, counts: &RunCounts) {
    bar.set_position(counts.ended_count().into());
    bar.set_message(message(counts));
}

/// Formats the text after the bar: `3 cached, 1 failed  count ×2, merge`.
fn message(counts: &RunCounts) -> String {
    let outcomes = [(counts.cached, "cached"), (counts.skipped, "skipped"), (counts.failed, "failed")];
    let outcomes: Vec<String> = outcomes
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let running = counts.running(MAX_NAMES);
    let parts = [outcomes.join(", "), running];
    let shown: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    shown.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::{element, finished, run, task};
    use crate::model::{RunStatus, Timestamp};

    #[test]
    fn reader_decides_the_display() {
        for (progress, person, program) in [
            (Progress::Auto, Shown::Bar, Shown::None),
            (Progress::Bar, Shown::Bar, Shown::Lines),
            (Progress::Plain, Shown::Lines, Shown::Lines),
            (Progress::None, Shown::None, Shown::None),
        ] {
            assert_eq!(progress.shown(Reader::Person), person);
            assert_eq!(progress.shown(Reader::Program), program);
        }
    }

    #[test]
    fn lines_are_written_at_intervals_and_at_the_end() {
        let mut meter = Meter::new(Shown::Lines);
        let start = Instant::now();
        // The system clock is set back before every event.
        let mut record = |seconds: u64, mut event: Event| {
            event.at = Timestamp::from_millis(-1000 * i64::try_from(seconds).unwrap());
            meter.record(&event, start + Duration::from_secs(seconds))
        };
        assert_eq!(
            record(0, run(Fact::RunStarted { name: "w".into(), tasks: 3 })).as_deref(),
            Some("0/3 done\n")
        );
        assert_eq!(record(1, task("a", finished())), None);
        assert_eq!(record(6, task("b", finished())).as_deref(), Some("2/3 done\n"));
        assert_eq!(record(7, task("c", finished())), None);
        let end = Fact::RunFinished { status: RunStatus::Succeeded, duration_ms: 8_000.0 };
        assert_eq!(record(8, run(end)).as_deref(), Some("3/3 done\n"));
        assert_eq!(meter.idle(), None);
    }

    #[test]
    fn pause_writes_the_last_count() {
        let mut meter = Meter::new(Shown::Lines);
        assert_eq!(meter.idle(), None);
        let now = Instant::now();
        assert!(meter.record(&run(Fact::RunStarted { name: "w".into(), tasks: 2 }), now).is_some());
        assert_eq!(meter.record(&task("a", finished()), now), None);
        assert_eq!(meter.idle().as_deref(), Some("1/2 done\n"));
        assert_eq!(meter.idle(), None);
    }

    #[test]
    fn bar_shows_counts_and_running_tasks() {
        let mut counts = RunCounts::default();
        counts.record(&task("seen", Fact::TaskCached { key: "k".into() }));
        counts.record(&element("count", 0, Fact::TaskStarted));
        counts.record(&element("count", 1, Fact::TaskStarted));
        counts.record(&task("merge", Fact::TaskStarted));
        assert_eq!(message(&counts), "1 cached  count ×2, merge");
    }
}
