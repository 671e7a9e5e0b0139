//! Merges the events of several hosts into one log of a run, for `watch`.
//! `human` formats each line.

use crate::cli::log::human::line;
use crate::cli::log::level::level_of;
use crate::cli::log::run_counts::RunCounts;
use crate::cli::print::Style;
use crate::config::LogLevel;
use crate::events::{Event, Fact, ReceivedEvent, Subject, from_json_line};
use std::collections::HashSet;

/// The merged log of a run: one start and one end, however many hosts work on it.
pub(crate) struct MergedLog {
    level: LogLevel,
    style: Style,
    counts: RunCounts,
    /// The host that started the current session.
    first_host: String,
    active_hosts: HashSet<String>,
    /// An end event held back because other hosts were still working.
    held_end: Option<Event>,
}

impl MergedLog {
    /// Creates a log of all facts up to `level`.
    pub(crate) fn new(level: LogLevel, style: Style) -> Self {
        let (first_host, active_hosts) = (String::new(), HashSet::new());
        Self { level, style, counts: RunCounts::default(), first_host, active_hosts, held_end: None }
    }

    /// Formats an event given in its stored form; returns an empty text if the event is not logged.
    pub(crate) fn format(&mut self, event: &[u8]) -> String {
        let Some(ReceivedEvent { host, event }) = from_json_line(event) else {
            return String::new();
        };
        match &event.fact {
            Fact::RunResumed { .. } => {
                // Only a run without hosts can be resumed, so earlier hosts are gone.
                self.active_hosts.clear();
                self.start_session(host);
            }
            Fact::RunStarted { .. } if self.active_hosts.is_empty() => self.start_session(host),
            Fact::RunStarted { .. } => {
                self.active_hosts.insert(host);
                return String::new();
            }
            Fact::RunFinished { .. } => {
                self.active_hosts.remove(&host);
                if !self.active_hosts.is_empty() {
                    self.held_end = Some(event);
                    return String::new();
                }
                self.held_end = None;
            }
            // Each host reports the stored results of tasks when it joins; log them once. Those of elements are reported
            // by the host that has compared them.
            Fact::TaskStored if host != self.first_host && !is_part(&event) => return String::new(),
            _ => {} // all other facts occur once
        }
        self.line(&event)
    }

    /// Returns the end event that was held back, if hosts died without reporting theirs.
    pub(crate) fn end(&mut self) -> String {
        self.held_end.take().map(|event| self.line(&event)).unwrap_or_default()
    }

    fn start_session(&mut self, host: String) {
        self.counts = RunCounts::default();
        self.held_end = None;
        self.first_host.clone_from(&host);
        self.active_hosts.insert(host);
    }

    fn line(&mut self, event: &Event) -> String {
        self.counts.record(event);
        if level_of(event) > self.level {
            return String::new();
        }
        line(event, &self.counts, self.style)
    }
}

/// Returns whether an event is about an element or an iteration.
fn is_part(event: &Event) -> bool {
    event.subject.as_ref().is_some_and(Subject::is_part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::{element, finished, run, task};
    use crate::events::to_json_line;
    use crate::model::{RunId, RunStatus};

    fn merged(events: &[(&str, Event)]) -> String {
        merged_up_to(LogLevel::Info, events)
    }

    fn merged_up_to(level: LogLevel, events: &[(&str, Event)]) -> String {
        let mut merged_log = MergedLog::new(level, Style::Plain);
        let id = RunId::new("r1").unwrap();
        let lines = events.iter().map(|(host, event)| to_json_line(&id, host, event));
        let text: String = lines.map(|line| merged_log.format(&line)).collect();
        text + &merged_log.end()
    }

    fn started() -> Event {
        run(Fact::RunStarted { name: "words".into(), tasks: 2 })
    }

    fn ended() -> Event {
        run(Fact::RunFinished { status: RunStatus::Succeeded, duration_ms: 5.0 })
    }

    #[test]
    fn run_of_two_hosts_has_one_start_and_one_end() {
        let events = [
            ("h1", started()),
            ("h2", started()),
            ("h1", task("a", finished())),
            ("h2", task("b", finished())),
            ("h2", ended()),
            ("h1", ended()),
        ];
        let text = merged(&events);
        let words: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(words, ["run", "finished", "finished", "succeeded"], "{text}");
        assert!(text.contains("2 done"), "{text}");
    }

    #[test]
    fn stored_elements_are_logged_whichever_host_reports_them() {
        let stored = |item| element("b", item, Fact::TaskStored);
        let text = merged_up_to(LogLevel::Debug, &[("h1", started()), ("h1", stored(0)), ("h2", stored(1))]);
        assert!(text.contains("b[0]") && text.contains("b[1]"), "{text}");
    }

    #[test]
    fn killed_host_does_not_hide_the_end() {
        let text =
            merged(&[("h1", started()), ("h2", started()), ("h1", task("a", finished())), ("h1", ended())]);
        assert_eq!(text.lines().last().map(|line| line.starts_with("succeeded")), Some(true), "{text}");
    }

    #[test]
    fn resumed_run_is_counted_from_zero() {
        let resumed = run(Fact::RunResumed { name: "words".into(), tasks: 2, kept: 1 });
        let text = merged(&[
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
