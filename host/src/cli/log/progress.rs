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
    tally: RunCounts,
    face: Face,
}

/// The means of drawing.
enum Face {
    Bar(ProgressBar),
    Lines { told: String, at: Option<Instant> },
    None,
}

/// Interval at which the idle bar is redrawn, for its clock.
const BAR_PACE: Duration = Duration::from_millis(200);

/// Interval between progress lines.
const LINE_PACE: Duration = Duration::from_secs(5);

/// Maximum number of running tasks that the bar names.
const MOST_NAMES: usize = 4;

impl Meter {
    /// Creates a meter that draws nothing until the run begins.
    pub(crate) fn new(shown: Shown) -> Self {
        let face = match shown {
            Shown::Bar => Face::Bar(ProgressBar::hidden()),
            Shown::Lines => Face::Lines { told: String::new(), at: None },
            Shown::None => Face::None,
        };
        Self { tally: RunCounts::default(), face }
    }

    /// Returns how long to wait for an event before calling [`Self::idle`].
    pub(crate) const fn pace(&self) -> Duration {
        match self.face {
            Face::Bar(_) => BAR_PACE,
            Face::Lines { .. } | Face::None => LINE_PACE,
        }
    }

    /// Counts one fact; gives the line to write, if one is due `now`. The time of the event is no measure: clocks are set.
    pub(crate) fn note(&mut self, event: &Event, now: Instant) -> Option<String> {
        self.tally.record(event);
        let is_end = matches!(event.fact, Fact::RunFinished { .. });
        match &mut self.face {
            Face::Bar(bar) => {
                match event.fact {
                    Fact::RunStarted { .. } | Fact::RunResumed { .. } => *bar = new_bar(self.tally.total),
                    Fact::RunFinished { .. } => bar.finish_and_clear(),
                    _ => draw(bar, &self.tally), // any other fact only changes the counts
                }
                None
            }
            Face::Lines { at, .. } => {
                let is_due = at.is_none_or(|at| now.duration_since(at) >= LINE_PACE);
                if !is_end && !is_due {
                    return None;
                }
                *at = Some(now);
                self.fresh_line()
            }
            Face::None => None,
        }
    }

    /// Handles a pause without events: returns the line to write if the last one is out of date.
    pub(crate) fn idle(&mut self) -> Option<String> {
        match &self.face {
            Face::Bar(bar) => {
                bar.tick();
                None
            }
            Face::Lines { .. } => self.fresh_line(),
            Face::None => None,
        }
    }

    /// Calls `write` with the bar out of the way.
    pub(crate) fn aside(&self, write: impl FnOnce()) {
        match &self.face {
            Face::Bar(bar) => bar.suspend(write),
            Face::Lines { .. } | Face::None => write(),
        }
    }

    /// Returns the line, unless the run has not begun or the line equals the last one.
    fn fresh_line(&mut self) -> Option<String> {
        let Face::Lines { told, .. } = &mut self.face else {
            return None;
        };
        let line = format!("{}/{} done\n", self.tally.ended_count(), self.tally.total);
        if self.tally.total == 0 || *told == line {
            return None;
        }
        told.clone_from(&line);
        Some(line)
    }
}

/// The bar is removed however the run ends.
impl Drop for Meter {
    fn drop(&mut self) {
        if let Face::Bar(bar) = &self.face {
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

fn draw(bar: &ProgressBar, tally: &RunCounts) {
    bar.set_position(tally.ended_count().into());
    bar.set_message(message(tally));
}

/// Formats the text after the bar: `3 cached, 1 failed  count ×2, merge`.
fn message(tally: &RunCounts) -> String {
    let counts = [(tally.cached, "cached"), (tally.skipped, "skipped"), (tally.failed, "failed")];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let running = tally.running(MOST_NAMES);
    let parts = [counts.join(", "), running];
    let shown: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    shown.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::{element, finished, run, task};
    use crate::model::{RunStatus, Timestamp};

    #[test]
    fn who_looks_decides_what_is_shown() {
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
    fn lines_come_every_few_seconds_and_at_the_end() {
        let mut meter = Meter::new(Shown::Lines);
        let begin = Instant::now();
        // The machine's clock is set back all the while.
        let mut tell = |seconds: u64, mut event: Event| {
            event.at = Timestamp::from_millis(-1000 * i64::try_from(seconds).unwrap());
            meter.note(&event, begin + Duration::from_secs(seconds))
        };
        assert_eq!(
            tell(0, run(Fact::RunStarted { name: "w".into(), tasks: 3 })).as_deref(),
            Some("0/3 done\n")
        );
        assert_eq!(tell(1, task("a", finished())), None);
        assert_eq!(tell(6, task("b", finished())).as_deref(), Some("2/3 done\n"));
        assert_eq!(tell(7, task("c", finished())), None);
        let end = Fact::RunFinished { status: RunStatus::Succeeded, duration_ms: 8_000.0 };
        assert_eq!(tell(8, run(end)).as_deref(), Some("3/3 done\n"));
        assert_eq!(meter.idle(), None);
    }

    #[test]
    fn a_quiet_run_still_tells_its_last_count() {
        let mut meter = Meter::new(Shown::Lines);
        assert_eq!(meter.idle(), None);
        let now = Instant::now();
        assert!(meter.note(&run(Fact::RunStarted { name: "w".into(), tasks: 2 }), now).is_some());
        assert_eq!(meter.note(&task("a", finished()), now), None);
        assert_eq!(meter.idle().as_deref(), Some("1/2 done\n"));
        assert_eq!(meter.idle(), None);
    }

    #[test]
    fn the_bar_names_counts_and_what_runs() {
        let mut tally = RunCounts::default();
        tally.record(&task("seen", Fact::TaskCached { key: "k".into() }));
        tally.record(&element("count", 0, Fact::TaskStarted));
        tally.record(&element("count", 1, Fact::TaskStarted));
        tally.record(&task("merge", Fact::TaskStarted));
        assert_eq!(message(&tally), "1 cached  count ×2, merge");
    }
}
