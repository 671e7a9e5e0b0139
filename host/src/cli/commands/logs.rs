//! `logs`: prints the output of a task's guest.
//! The state backend decides how much of it is kept.

use crate::app;
use crate::app::{Backends, Error, Refusal};
use crate::cli::args::LogsArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::escape_control;
use crate::cli::process::{Exit, Reader, stdout_reader, wait_for};
use crate::manifest::BackendSection;
use crate::state::LogPart;
use serde::Serialize;

/// Prints the stored log of a task.
pub(crate) fn logs(ctx: &Context, arguments: &LogsArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let log = wait_for(
        &ctx.console,
        state.backend.as_ref(),
        app::read_log(state.backend.as_ref(), &arguments.run, &arguments.task),
    )?;
    if let Some(note) = &log.note {
        ctx.console.note("no-log", &format!("`{}` has no log: {note}", arguments.task));
    }
    let parts = log.parts;
    if arguments.json {
        let text =
            json(&parts).map_err(|error| Refusal::new("cannot write the log as JSON").caused_by(error))?;
        return print_json(&text);
    }
    if parts.contains(&LogPart::Gap) {
        ctx.console.note("incomplete", "parts of the log are missing: `--json` shows where");
    }
    print(text(&parts, stdout_reader()).as_bytes())
}

/// Joins the lines. For a terminal, control characters are escaped.
fn text(parts: &[LogPart], reader: Reader) -> String {
    let mut text = String::new();
    for part in parts {
        if let LogPart::Line(line) = part {
            match reader {
                Reader::Person => text.push_str(&escape_control(&line.text)),
                Reader::Program => text.push_str(&line.text),
            }
            text.push('\n');
        }
    }
    text
}

/// A part of the log as a line of JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Line { ts: String, attempt: u32, stream: &'a str, text: &'a str },
    Gap { gap: bool },
}

fn json(parts: &[LogPart]) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    for part in parts {
        let line = match part {
            LogPart::Line(line) => Line::Line {
                ts: line.at.to_string(),
                attempt: line.attempt,
                stream: &line.stream,
                text: &line.text,
            },
            LogPart::Gap => Line::Gap { gap: true },
        };
        serde_json::to_writer(&mut text, &line)?;
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::state::LogLine;

    fn parts() -> Vec<LogPart> {
        let at = Timestamp::from_millis(0);
        let line = |text: &str| LogLine { at, attempt: 2, stream: "stderr".into(), text: text.into() };
        vec![LogPart::Line(line("a\u{1b}[2J")), LogPart::Gap, LogPart::Line(line("b"))]
    }

    #[test]
    fn terminals_get_escaped_text_and_programs_get_it_unchanged() {
        assert_eq!(text(&parts(), Reader::Program), "a\u{1b}[2J\nb\n");
        assert_eq!(text(&parts(), Reader::Person), "a\\u{1b}[2J\nb\n");
    }

    #[test]
    fn json_lines_mark_gaps() {
        let shown = String::from_utf8(json(&parts()).unwrap()).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"ts":"1970-01-01T00:00:00.000Z","attempt":2,"stream":"stderr","text":"a\u001b[2J"}"#
        );
        assert_eq!(lines[1], r#"{"gap":true}"#);
        assert_eq!(lines.len(), 3);
    }
}
