//! Tests faults as data: each `*.txt` holds cases of a text with the faults expected for it.
//! `BLESS=1 cargo test` rewrites the expectations; review them as code.

mod golden;
mod manual;
mod sound;

use crate::manifest::{Parsed, parse};
use crate::model::{Fault, Faults, Source};
use std::fmt::Write as _;
use std::path::Path;

/// Prepended to every case without its own header; line numbers count from the line after it.
const HEAD: &str = "cascade = 1\nname = \"test\"\n";

fn parsed(text: &str) -> Parsed {
    parse(Source { name: "m.toml".into(), text: text.into() }, Path::new("/m"))
}

/// Formats faults as `line:column message`, with labels, notes and helps below.
fn show(faults: &Faults, skipped: usize) -> String {
    let mut shown = String::new();
    for fault in &faults.list {
        let at = |start| {
            let located = faults.sources.locate(&(start..start)).unwrap();
            let (line, column) = located.source.line_column(located.span.start);
            format!("{}:{column}", line - skipped)
        };
        let Fault { message, location, related, notes, helps, is_secret } = fault;
        let location = location.as_ref().map_or("-".to_owned(), |location| at(location.span.start));
        let secret = if *is_secret { " (line not shown)" } else { "" };
        writeln!(shown, "{location} {message}{secret}").unwrap();
        for location in related {
            writeln!(shown, "  at {}: {}", at(location.span.start), location.label).unwrap();
        }
        for note in notes {
            writeln!(shown, "  note: {note}").unwrap();
        }
        for help in helps {
            writeln!(shown, "  help: {help}").unwrap();
        }
    }
    shown
}

/// Checks every case of a file: `### title`, a text, `---`, the faults.
fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manifest/tests").join(file);
    let cases = std::fs::read_to_string(&path).unwrap();
    let mut found = String::new();
    for case in cases.split("### ").filter(|case| !case.is_empty()) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, _) = rest.split_once("---\n").unwrap_or((rest, ""));
        let (head, skipped) = if text.contains("cascade") { ("", 0) } else { (HEAD, 2) };
        let faults = parsed(&format!("{head}{text}")).faults;
        assert!(!faults.is_empty(), "{file}: `{title}` is no mistake");
        write!(found, "### {title}\n{text}---\n{}\n", show(&faults, skipped)).unwrap();
    }
    if option_env!("BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&path).unwrap(), "{file}");
}

#[test]
fn syntax_faults_are_explained() {
    check("syntax.txt");
}

#[test]
fn section_faults_are_explained() {
    check("sections.txt");
}

#[test]
fn task_faults_are_explained() {
    check("tasks.txt");
}

#[test]
fn command_faults_are_explained() {
    check("commands.txt");
}

#[test]
fn policy_faults_are_explained() {
    check("policies.txt");
}

#[test]
fn reference_faults_are_explained() {
    check("references.txt");
}

#[test]
fn grant_faults_are_explained() {
    check("grants.txt");
}
