//! What is said on stderr beside the log: text for people, lines of the event format for programs.
//! What errors say stands in `exit`; how a run is told, in the logs.

use crate::app::Error;
use crate::cli::print::{Complaint, harmless};
use crate::cli::process::{Exit, exit, say, say_bytes};
use crate::config::LogFormat;
use crate::model::{Clock as _, RunId, SystemClock};
use serde::Serialize;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Something that is said to programs. Its `event` is none of a run's, but for `warning`, which has the same form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event")]
pub(crate) enum Said {
    /// Why a command could not do what it was asked; one of each fault of a manifest.
    #[serde(rename = "error")]
    Error(Complaint),
    /// Something that is no failure and should be known.
    #[serde(rename = "warning")]
    Warning { code: &'static str, message: String },
    /// What the command does, or leaves undone.
    #[serde(rename = "note")]
    Note { code: &'static str, message: String },
    /// A line of a build command.
    #[serde(rename = "build.output")]
    BuildOutput { text: String },
}

/// A line for programs: keys that all lines have, and what is said.
#[derive(Serialize)]
struct Line<'a> {
    v: u32,
    ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(flatten)]
    said: &'a Said,
}

/// Says something, in the form that was asked for. Cheap to clone; all clones speak alike.
#[derive(Clone, Default)]
pub(crate) struct Voice(Arc<Speech>);

#[derive(Default)]
struct Speech {
    is_json: AtomicBool,
    names: OnceLock<(RunId, String)>,
}

impl Voice {
    /// From now on, speaks to programs.
    pub(crate) fn speak_json(&self) {
        self.0.is_json.store(true, Ordering::Relaxed);
    }

    /// How it speaks.
    pub(crate) fn form(&self) -> LogFormat {
        if self.0.is_json.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Human }
    }

    /// From now on, names the run and the host to programs.
    pub(crate) fn name(&self, run: &RunId, host: &str) {
        self.0.names.get_or_init(|| (run.clone(), host.to_owned()));
    }

    /// Says what the command does, or leaves undone: a sentence, and a word of it for programs.
    pub(crate) fn note(&self, code: &'static str, message: &str) {
        say_bytes(&self.noted(code, message));
    }

    /// The same, for whoever writes it: whole lines.
    pub(crate) fn noted(&self, code: &'static str, message: &str) -> Vec<u8> {
        let message = message.trim_end_matches('\n');
        match self.form() {
            LogFormat::Human => format!("{}\n", harmless(message)).into_bytes(),
            LogFormat::Json => self.line(&Said::Note { code, message: message.to_owned() }),
        }
    }

    /// Says what is no failure and should be known.
    pub(crate) fn warn(&self, code: &'static str, message: &str) {
        match self.form() {
            LogFormat::Human => say(&format!("warning: {}\n", harmless(message))),
            LogFormat::Json => say_bytes(&self.line(&Said::Warning { code, message: message.to_owned() })),
        }
    }

    /// Says why a command could not do what it was asked.
    pub(crate) fn complain(&self, error: &Error) {
        match self.form() {
            LogFormat::Human => say(&exit::shown(error)),
            LogFormat::Json => exit::told(error).into_iter().for_each(|complaint| self.tell(complaint)),
        }
    }

    /// Tells programs of an error.
    pub(crate) fn tell(&self, complaint: Complaint) {
        say_bytes(&self.line(&Said::Error(complaint)));
    }

    /// Says what a build command has printed.
    pub(crate) fn echo(&self) -> Echo {
        Echo { voice: self.clone(), line: Vec::new() }
    }

    /// Has bugs told in the form that was asked for.
    pub(crate) fn tell_panics(&self) {
        let usual = panic::take_hook();
        let voice = self.clone();
        panic::set_hook(Box::new(move |bug| match voice.form() {
            LogFormat::Human => usual(bug),
            LogFormat::Json => voice.tell(Complaint {
                message: format!("a bug in the host: {bug}"),
                help: vec!["please report it, with what you did".to_owned()],
                ..Complaint::default()
            }),
        }));
    }

    fn line(&self, said: &Said) -> Vec<u8> {
        let names = self.0.names.get();
        let line = Line {
            v: 1,
            ts: SystemClock.now().to_string(),
            run: names.map(|(run, _)| run.as_str()),
            host: names.map(|(_, host)| host.as_str()),
            said,
        };
        let mut text = serde_json::to_vec(&line).unwrap_or_default(); // nothing in it is what JSON cannot say
        text.push(b'\n');
        text
    }
}

/// Says what is wrong and tells how the process is to end.
pub(crate) fn report(error: &Error, voice: &Voice) -> Exit {
    voice.complain(error);
    exit::exit_of(error)
}

/// The longest line of a build command that is told as one.
const LONGEST: usize = 64 << 10;

/// Passes on what a build command prints; the last line when dropped.
pub(crate) struct Echo {
    voice: Voice,
    /// What has come of a line for programs.
    line: Vec<u8>,
}

impl Echo {
    /// Passes on a piece of it: as it is to people, line by line to programs.
    pub(crate) fn print(&mut self, printed: &[u8]) {
        if self.voice.form() == LogFormat::Human {
            return say_bytes(printed);
        }
        for part in printed.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if self.line.ends_with(b"\n") || self.line.len() > LONGEST {
                self.tell();
            }
        }
    }

    fn tell(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        say_bytes(&self.voice.line(&Said::BuildOutput { text }));
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(voice: &Voice, said: &Said) -> serde_json::Value {
        let line = String::from_utf8(voice.line(said)).unwrap();
        assert_eq!(line.lines().count(), 1);
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn a_line_has_the_keys_of_the_event_format_once_they_are_known() {
        let voice = Voice::default();
        voice.speak_json();
        let said = Said::Note { code: "stopping", message: "a\nb".to_owned() };
        let line = json(&voice, &said);
        assert_eq!(
            (&line["v"], &line["event"], &line["code"]),
            (&1.into(), &"note".into(), &"stopping".into())
        );
        assert!(line["ts"].as_str().unwrap().ends_with('Z') && line.get("run").is_none());
        voice.name(&RunId::new("r1").unwrap(), "h1");
        assert_eq!(json(&voice, &said)["run"], "r1");
        assert_eq!(json(&voice.clone(), &said)["host"], "h1");
    }

    #[test]
    fn an_error_has_its_place_and_what_helps() {
        let complaint =
            Complaint { message: "m".into(), help: vec!["h".into()], line: Some(3), ..Complaint::default() };
        let line = json(&Voice::default(), &Said::Error(complaint));
        assert_eq!(
            (&line["event"], &line["message"], &line["line"]),
            (&"error".into(), &"m".into(), &3.into())
        );
        assert_eq!(line["help"], serde_json::json!(["h"]));
        assert!(line.get("notes").is_none() && line.get("file").is_none());
    }

    #[test]
    fn people_get_text_that_steers_no_terminal() {
        assert_eq!(Voice::default().noted("x", "building \u{1b}[2J\n"), b"building \\u{1b}[2J\n");
    }
}
