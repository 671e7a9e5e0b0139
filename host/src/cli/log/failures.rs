//! The failures of a run, shown again at its end if the log has gone on since: nobody reads back through a thousand lines.
//! `human` formats each failure.

use crate::cli::print::{Ink, Style};

/// Failures that are shown again.
const MAX_SHOWN: usize = 10;

/// Maximum size of one failure, in bytes: a message and its backtrace.
const MAX_SIZE: usize = 16 << 10;

/// Lines of the log after which a failure is shown again: about a screen.
const SCREEN: usize = 20;

/// The failures so far.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    shown: Vec<String>,
    more: usize,
    /// Lines of the log since the first failure.
    lines: usize,
}

impl Failures {
    /// Counts lines of the log.
    pub(crate) fn count_lines(&mut self, text: &str) {
        if !self.shown.is_empty() {
            self.lines += text.lines().count();
        }
    }

    /// Keeps a failure as it was logged.
    pub(crate) fn keep(&mut self, text: &str) {
        if self.shown.len() >= MAX_SHOWN || text.len() > MAX_SIZE {
            self.more += 1;
        } else {
            self.shown.push(text.to_owned());
        }
    }

    /// Returns the failures again, if the first one has scrolled away. `run` is its id, if it is stored.
    pub(crate) fn again(&self, run: Option<&str>, style: Style) -> Option<String> {
        if self.lines <= SCREEN || self.shown.is_empty() {
            return None;
        }
        let mut text = format!("\n{}\n{}", style.paint(Ink::Title, "failures"), self.shown.concat());
        match run {
            Some(run) => {
                if self.more > 0 {
                    text.push_str(&format!("{} more: cascade-host show {run} --failed\n", self.more));
                }
                text.push_str(&format!("What led to one: cascade-host why {run} TASK\n"));
            }
            None if self.more > 0 => text.push_str(&format!("{} more\n", self.more)),
            None => {}
        }
        Some(text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_shown_again_once_they_have_scrolled_away() {
        let mut failures = Failures::default();
        failures.count_lines(&"line\n".repeat(99));
        for number in 0..12 {
            let text = format!("failed     t{number}  trap: no\n");
            failures.keep(&text);
            failures.count_lines(&text);
        }
        assert_eq!(failures.again(Some("r1"), Style::Plain), None);
        failures.count_lines(&"line\n".repeat(SCREEN));
        let text = failures.again(Some("r1"), Style::Plain).unwrap();
        assert!(text.starts_with("\nfailures\nfailed     t0  trap: no\n"), "{text}");
        let end = "t9  trap: no\n2 more: cascade-host show r1 --failed\nWhat led to one: cascade-host why r1 TASK\n\n";
        assert!(text.ends_with(end), "{text}");
        assert!(failures.again(None, Style::Plain).unwrap().ends_with("t9  trap: no\n2 more\n\n"));
        assert_eq!(Failures::default().again(None, Style::Plain), None);
    }
}
