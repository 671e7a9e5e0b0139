//! Messages on stderr outside the log: text for people, lines of the event format for programs.
//! `exit` formats errors; `log` reports the progress of a run.

use crate::app::Error;
use crate::cli::print::{JsonError, escape_control};
use crate::cli::process::{Exit, exit, print_stderr, print_stderr_bytes};
use crate::config::LogFormat;
use crate::model::{Clock as _, RunId, SystemClock};
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A message in its form for programs. Only `warning` is an event of runs too, with the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event")]
pub(crate) enum Message {
    /// The reason why a command failed; a manifest has one error per fault.
    #[serde(rename = "error")]
    Error(JsonError),
    /// A problem that is no failure.
    #[serde(rename = "warning")]
    Warning { code: &'static str, message: String },
    /// An action of the command, or work that it did not finish.
    #[serde(rename = "note")]
    Note { code: &'static str, message: String },
    /// A line of a build command.
    #[serde(rename = "build.output")]
    BuildOutput { text: String },
}

/// A line for programs: the common keys, and the message.
#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(flatten)]
    message: &'a Message,
}

/// Prints messages in the chosen format. Cheap to clone; all clones share the format.
#[derive(Clone, Default)]
pub(crate) struct Console(Arc<ConsoleState>);

#[derive(Default)]
struct ConsoleState {
    is_json: AtomicBool,
    // A mutex, because the signal thread prints too; each section is a copy.
    names: Mutex<Option<(RunId, String)>>,
    /// Lines that stay in place at the bottom of a terminal.
    bars: MultiProgress,
}

impl Console {
    /// Switches to JSON.
    pub(crate) fn use_json(&self) {
        self.0.is_json.store(true, Ordering::Relaxed);
    }

    /// Returns the format.
    pub(crate) fn format(&self) -> LogFormat {
        if self.0.is_json.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Human }
    }

    /// Returns the lines at the bottom of the terminal. Messages are printed above them.
    pub(crate) fn bars(&self) -> &MultiProgress {
        &self.0.bars
    }

    /// Adds the run and the host to all later lines for programs.
    pub(crate) fn set_names(&self, run: &RunId, host: &str) {
        *self.names() = Some((run.clone(), host.to_owned()));
    }

    /// Prints a note: an action of the command, or unfinished work. `code` is for programs.
    pub(crate) fn note(&self, code: &'static str, message: &str) {
        self.0.bars.suspend(|| print_stderr_bytes(&self.format_note(code, message)));
    }

    /// Prints a note after which the process ends, or begins to end: nothing stays below it.
    pub(crate) fn last_note(&self, code: &'static str, message: &str) {
        // A terminal that is gone cannot be cleared.
        drop(self.0.bars.clear());
        self.0.bars.set_draw_target(ProgressDrawTarget::hidden());
        self.note(code, message);
    }

    /// Formats a note as whole lines.
    pub(crate) fn format_note(&self, code: &'static str, message: &str) -> Vec<u8> {
        let message = message.trim_end_matches('\n');
        match self.format() {
            LogFormat::Human => format!("{}\n", escape_control(message)).into_bytes(),
            LogFormat::Json => self.line(&Message::Note { code, message: message.to_owned() }),
        }
    }

    /// Prints a warning: a problem that is no failure.
    pub(crate) fn warn(&self, code: &'static str, message: &str) {
        self.0.bars.suspend(|| match self.format() {
            LogFormat::Human => print_stderr(&format!("warning: {}\n", escape_control(message))),
            LogFormat::Json => {
                print_stderr_bytes(&self.line(&Message::Warning { code, message: message.to_owned() }));
            }
        });
    }

    /// Prints the reason why a command failed.
    pub(crate) fn print_error(&self, error: &Error) {
        match self.format() {
            LogFormat::Human => print_stderr(&exit::render_error(error)),
            LogFormat::Json => {
                exit::json_errors(error).into_iter().for_each(|error| self.print_json_error(error));
            }
        }
    }

    /// Prints an error for programs.
    pub(crate) fn print_json_error(&self, error: JsonError) {
        print_stderr_bytes(&self.line(&Message::Error(error)));
    }

    /// Returns a writer for the output of a build command.
    pub(crate) fn build_echo(&self) -> BuildEcho {
        BuildEcho { console: self.clone(), line: Vec::new() }
    }

    /// Installs a panic hook that reports bugs in the chosen format.
    pub(crate) fn report_panics(&self) {
        let default_hook = panic::take_hook();
        let console = self.clone();
        panic::set_hook(Box::new(move |bug| match console.format() {
            LogFormat::Human => default_hook(bug),
            LogFormat::Json => console.print_json_error(JsonError {
                message: format!("a bug in the host: {bug}"),
                help: vec!["please report it, with what you did".to_owned()],
                ..JsonError::default()
            }),
        }));
    }

    fn names(&self) -> MutexGuard<'_, Option<(RunId, String)>> {
        self.0.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn line(&self, message: &Message) -> Vec<u8> {
        let names = self.names().clone();
        let names = names.as_ref();
        let line = Line {
            v: 1,
            ts: SystemClock.now().to_string(),
            run: names.map(|(run, _)| run.as_str()),
            host: names.map(|(_, host)| host.as_str()),
            message,
        };
        let mut text = serde_json::to_vec(&line).unwrap_or_default(); // JSON can express all of it
        text.push(b'\n');
        text
    }
}

/// Prints an error, and returns the exit code for it.
pub(crate) fn report(error: &Error, console: &Console) -> Exit {
    console.print_error(error);
    exit::exit_of(error)
}

/// Maximum length of a build command's line; longer ones are split.
const MAX_LINE: usize = 64 << 10;

/// Passes on the output of a build command. Dropping it prints an unfinished last line.
pub(crate) struct BuildEcho {
    console: Console,
    /// The unfinished line, if the readers are programs.
    line: Vec<u8>,
}

impl BuildEcho {
    /// Passes on a chunk: unchanged to people, line by line to programs.
    pub(crate) fn print(&mut self, chunk: &[u8]) {
        if self.console.format() == LogFormat::Human {
            return print_stderr_bytes(chunk);
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.ends_with(b"\n") || self.line.len() > MAX_LINE {
                self.print_line();
            }
        }
    }

    fn print_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        print_stderr_bytes(&self.console.line(&Message::BuildOutput { text }));
    }
}

impl Drop for BuildEcho {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.print_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(console: &Console, message: &Message) -> serde_json::Value {
        let line = String::from_utf8(console.line(message)).unwrap();
        assert_eq!(line.lines().count(), 1);
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn lines_have_the_event_keys_once_run_and_host_are_known() {
        let console = Console::default();
        console.use_json();
        let note = Message::Note { code: "stopping", message: "a\nb".to_owned() };
        let line = json(&console, &note);
        assert_eq!(
            (&line["v"], &line["event"], &line["code"]),
            (&1.into(), &"note".into(), &"stopping".into())
        );
        assert!(line["ts"].as_str().unwrap().ends_with('Z') && line.get("run").is_none());
        console.set_names(&RunId::new("r1").unwrap(), "h1");
        assert_eq!(json(&console, &note)["run"], "r1");
        assert_eq!(json(&console.clone(), &note)["host"], "h1");
    }

    #[test]
    fn json_error_has_position_and_help() {
        let error =
            JsonError { message: "m".into(), help: vec!["h".into()], line: Some(3), ..JsonError::default() };
        let line = json(&Console::default(), &Message::Error(error));
        assert_eq!(
            (&line["event"], &line["message"], &line["line"]),
            (&"error".into(), &"m".into(), &3.into())
        );
        assert_eq!(line["help"], serde_json::json!(["h"]));
        assert!(line.get("notes").is_none() && line.get("file").is_none());
    }

    #[test]
    fn text_for_people_has_control_characters_escaped() {
        assert_eq!(Console::default().format_note("x", "building \u{1b}[2J\n"), b"building \\u{1b}[2J\n");
    }
}
