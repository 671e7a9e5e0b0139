//! Merges the events of several hosts into one log of a run, for `watch`.
//! `human` formats each line.

use crate::cli::log::human::line;
use crate::cli::log::level::level_of;
use crate::cli::log::run_counts::RunCounts;
use crate::cli::print::Style;
use crate::config::LogLevel;
use crate::events::{Event, Fact, Heard, from_json_line};
use std::collections::HashSet;

/// The merged log of a run: one start and one end, however many hosts work on it.
pub(crate) struct Chronicle {
    level: LogLevel,
    style: Style,
    tally: RunCounts,
    /// The host that began the current session.
    first: String,
    at_work: HashSet<String>,
    /// An end event held back because other hosts were still working.
    last: Option<Event>,
}

impl Chronicle {
    /// Creates a log of all facts up to `level`.
    pub(crate) fn new(level: LogLevel, style: Style) -> Self {
        let (first, at_work) = (String::new(), HashSet::new());
        Self { level, style, tally: RunCounts::default(), first, at_work, last: None }
    }

    /// Formats an event given in its stored form; returns an empty text if the event is not logged.
    pub(crate) fn tell(&mut self, event: &[u8]) -> String {
        let Some(Heard { host, event }) = from_json_line(event) else {
            return String::new();
        };
        match &event.fact {
            Fact::RunResumed { .. } => {
                // Only a run that nobody works on can be resumed, so earlier hosts are gone.
                self.at_work.clear();
                self.begin(host);
            }
            Fact::RunStarted { .. } if self.at_work.is_empty() => self.begin(host),
            Fact::RunStarted { .. } => {
                self.at_work.insert(host);
                return String::new();
            }
            Fact::RunFinished { .. } => {
                self.at_work.remove(&host);
                if !self.at_work.is_empty() {
                    self.last = Some(event);
                    return String::new();
                }
                self.last = None;
            }
            // Each host reports the stored results when it joins; log them once.
            Fact::TaskStored if host != self.first => return String::new(),
            _ => {} // all other facts occur once
        }
        self.line(&event)
    }

    /// Returns the end event that was held back, if hosts died without reporting theirs.
    pub(crate) fn end(&mut self) -> String {
        self.last.take().map(|event| self.line(&event)).unwrap_or_default()
    }

    fn begin(&mut self, host: String) {
        self.tally = RunCounts::default();
        self.last = None;
        self.first.clone_from(&host);
        self.at_work.insert(host);
    }

    fn line(&mut self, event: &Event) -> String {
        self.tally.record(event);
        if level_of(event) > self.level {
            return String::new();
        }
        line(event, &self.tally, self.style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::{finished, run, task};
    use crate::events::to_json_line;
    use crate::model::{RunId, RunStatus};

    fn told(events: &[(&str, Event)]) -> String {
        let mut chronicle = Chronicle::new(LogLevel::Info, Style::Plain);
        let id = RunId::new("r1").unwrap();
        let lines = events.iter().map(|(host, event)| to_json_line(&id, host, event));
        let text: String = lines.map(|line| chronicle.tell(&line)).collect();
        text + &chronicle.end()
    }

    fn started() -> Event {
        run(Fact::RunStarted { name: "words".into(), tasks: 2 })
    }

    fn ended() -> Event {
        run(Fact::RunFinished { status: RunStatus::Succeeded, duration_ms: 5.0 })
    }

    #[test]
    fn a_run_of_two_hosts_begins_once_and_ends_once() {
        let events = [
            ("h1", started()),
            ("h2", started()),
            ("h1", task("a", finished())),
            ("h2", task("b", finished())),
            ("h2", ended()),
            ("h1", ended()),
        ];
        let text = told(&events);
        let words: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(words, ["run", "finished", "finished", "succeeded"], "{text}");
        assert!(text.contains("2 done"), "{text}");
    }

    #[test]
    fn a_host_that_was_killed_does_not_keep_the_end_back() {
        let text =
            told(&[("h1", started()), ("h2", started()), ("h1", task("a", finished())), ("h1", ended())]);
        assert_eq!(text.lines().last().map(|line| line.starts_with("succeeded")), Some(true), "{text}");
    }

    #[test]
    fn a_run_that_goes_on_is_counted_anew() {
        let resumed = run(Fact::RunResumed { name: "words".into(), tasks: 2, kept: 1 });
        let text = told(&[
            ("h1", started()),
            ("h1", task("a", finished())),
            ("h2", resumed),
            ("h2", task("a", Fact::TaskStored)),
            ("h3", started()),
            ("h3", task("a", Fact::TaskStored)),
            ("h3", task("b", finished())),
            ("h3", ended()),
            ("h2", ended()),
        ]);
        assert_eq!(text.matches("stored     a").count(), 1, "{text}");
        assert!(text.lines().last().is_some_and(|line| line.contains("1 done, 1 stored")), "{text}");
    }
}
