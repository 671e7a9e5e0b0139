//! `logs`: prints the output of a task's guest, of the guests of all its elements, or of all guests of a run by time.
//! The state backend decides how much of it is kept.

use crate::app;
use crate::app::{Backends, Error, NodeLog, Refusal};
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::print::escape_control;
use crate::cli::process::{Exit, Reader, stdout_reader, wait_for};
use crate::cli::stored_arguments::LogsArguments;
use crate::manifest::BackendSection;
use crate::state::LogPart;
use serde::Serialize;

/// Prints the stored log of a task, or of all tasks.
pub(crate) fn logs(ctx: &Context, arguments: &LogsArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let backend = state.backend.as_ref();
    let (logs, naming) = match &arguments.task {
        Some(task) => {
            let log = wait_for(&ctx.console, backend, async {
                app::read_log(backend, &app::find_run(backend, &arguments.run).await?, task).await
            })?;
            if let Some(note) = &log.note {
                ctx.console.note("no-log", &format!("`{task}` has no log: {note}"));
            }
            if let Some(left_out) = &log.left_out {
                ctx.console.note("incomplete", left_out);
            }
            (log.logs, if log.is_of_elements { Naming::EachLine } else { Naming::None })
        }
        None => {
            let logs = wait_for(&ctx.console, backend, async {
                app::read_all_logs(backend, &app::find_run(backend, &arguments.run).await?).await
            })?;
            if logs.is_empty() {
                ctx.console.note("no-log", "no guest of the run has written anything");
            }
            (logs, Naming::EachLine)
        }
    };
    if arguments.json {
        let text = json(&logs, naming);
        let text = text.map_err(|error| Refusal::new("cannot write the log as JSON").caused_by(error))?;
        return print_json(&text);
    }
    if logs.iter().any(|log| log.parts.contains(&LogPart::Gap)) {
        ctx.console.note("incomplete", "parts of the log are missing: `--json` shows where");
    }
    print(text(&logs, naming, stdout_reader()).as_bytes())
}

/// Whether lines name the nodes that wrote them.
#[derive(Clone, Copy)]
enum Naming {
    /// The log is of one node.
    None,
    /// The logs are of elements.
    EachLine,
}

/// Joins the lines. For a terminal, control characters are escaped.
fn text(logs: &[NodeLog], naming: Naming, reader: Reader) -> String {
    let mut text = String::new();
    for (log, part) in logs.iter().flat_map(|log| log.parts.iter().map(move |part| (log, part))) {
        if let LogPart::Line(line) = part {
            if let Naming::EachLine = naming {
                text.push_str(&format!("{} | ", log.name));
            }
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
    Line {
        ts: String,
        attempt: u32,
        stream: &'a str,
        text: &'a str,
        #[serde(flatten)]
        node: Option<Node<'a>>,
    },
    Gap {
        gap: bool,
        #[serde(flatten)]
        node: Option<Node<'a>>,
    },
}

/// The element that wrote a line, as in events.
#[derive(Serialize)]
struct Node<'a> {
    task: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<u32>,
}

impl<'a> Node<'a> {
    /// Splits the name of a node: `clean[3]/count[7]` is the element 7 of the task `clean[3]/count`.
    fn of(name: &'a str) -> Self {
        let parts = name.strip_suffix(']').and_then(|front| front.rsplit_once('['));
        match parts.and_then(|(task, item)| Some((task, item.parse().ok()?))) {
            Some((task, item)) => Self { task, item: Some(item) },
            None => Self { task: name, item: None },
        }
    }
}

fn json(logs: &[NodeLog], naming: Naming) -> serde_json::Result<Vec<u8>> {
    let mut text = Vec::new();
    for (log, part) in logs.iter().flat_map(|log| log.parts.iter().map(move |part| (log, part))) {
        let node = match naming {
            Naming::None => None,
            Naming::EachLine => Some(Node::of(&log.name)),
        };
        let line = match part {
            LogPart::Line(line) => Line::Line {
                ts: line.at.to_string(),
                attempt: line.attempt,
                stream: &line.stream,
                text: &line.text,
                node,
            },
            LogPart::Gap => Line::Gap { gap: true, node },
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

    fn logs(name: &str) -> Vec<NodeLog> {
        let at = Timestamp::from_millis(0);
        let line = |text: &str| LogLine { at, attempt: 2, stream: "stderr".into(), text: text.into() };
        let parts = vec![LogPart::Line(line("a\u{1b}[2J")), LogPart::Gap, LogPart::Line(line("b"))];
        vec![NodeLog { name: name.into(), parts }]
    }

    #[test]
    fn terminals_get_escaped_text_and_programs_get_it_unchanged() {
        let logs = logs("t");
        assert_eq!(text(&logs, Naming::None, Reader::Program), "a\u{1b}[2J\nb\n");
        assert_eq!(text(&logs, Naming::None, Reader::Person), "a\\u{1b}[2J\nb\n");
    }

    #[test]
    fn lines_of_elements_name_them() {
        let logs = [logs("clean[3]/say"), logs("clean[4]/say[7]")].concat();
        let shown = text(&logs, Naming::EachLine, Reader::Program);
        assert_eq!(shown.lines().nth(1), Some("clean[3]/say | b"));
        assert_eq!(shown.lines().nth(3), Some("clean[4]/say[7] | b"));
        let shown = String::from_utf8(json(&logs, Naming::EachLine).unwrap()).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], r#"{"gap":true,"task":"clean[3]/say"}"#);
        assert!(lines[5].ends_with(r#""text":"b","task":"clean[4]/say","item":7}"#), "{}", lines[5]);
    }

    #[test]
    fn json_lines_mark_gaps() {
        let shown = String::from_utf8(json(&logs("t"), Naming::None).unwrap()).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[0],
            r#"{"ts":"1970-01-01T00:00:00.000Z","attempt":2,"stream":"stderr","text":"a\u001b[2J"}"#
        );
        assert_eq!(lines[1], r#"{"gap":true}"#);
        assert_eq!(lines.len(), 3);
    }
}
