//! Explains TOML syntax errors: toml's message and span, with help if the cause is known.
//! Duplicate keys are explained in `duplicate_key`; the content is read by the other files.

use crate::manifest::lines::line_of;
use crate::manifest::reader::Completeness;
use crate::manifest::{LeftOut, duplicate_key, recovery};
use crate::model::{Fault, Span};
use std::ops::Range;

/// Maximum number of syntax errors reported: a text that is not TOML has one on every line.
const MAX_FAULTS: usize = 100;

/// The syntax errors of a text.
#[derive(Debug)]
pub(crate) struct Syntax {
    /// The faults, in the order of the text.
    pub(crate) faults: Vec<Fault>,
    /// The definitions that lost lines or have duplicate keys.
    pub(crate) broken: LeftOut,
    /// Whether any line was lost.
    pub(crate) completeness: Completeness,
}

/// An error reported by toml.
struct Error {
    span: Span,
    message: String,
}

impl Syntax {
    /// Returns the syntax of a text without errors.
    pub(crate) fn valid() -> Self {
        Self { faults: Vec::new(), broken: LeftOut::default(), completeness: Completeness::Complete }
    }

    /// Returns the syntax of a text that cannot be read at all.
    pub(crate) fn unreadable(fault: Fault) -> Self {
        Self { faults: vec![fault], completeness: Completeness::Partial, ..Self::valid() }
    }

    /// Explains toml's `errors`. Also returns the text with the faulty lines blanked, so that the rest can be read;
    /// every byte keeps its position.
    pub(crate) fn recovered(text: &str, errors: Vec<toml::de::Error>) -> (Self, String) {
        let mut syntax = Self::valid();
        let (duplicates, errors): (Vec<Error>, Vec<Error>) =
            sorted(errors).partition(|error| is_duplicate(&error.message));
        syntax.explain_duplicates(text, &duplicates);
        let mut readable = text.to_owned();
        let (errors, open) = recovery::cut_at_unclosed(errors, |error| error.span.start, text, has_unclosed);
        if let Some(open) = open {
            syntax.add(text, recovery::unclosed_fault(&open));
            blank(&mut readable, open.lost);
        }
        // One fault per line: further errors on the same line usually follow from the first.
        let mut last_line = None;
        for error in errors.iter().take(MAX_FAULTS) {
            let line = line_of(text, error.span.start);
            if last_line.as_ref() != Some(&line) {
                syntax.add(text, explain(text, error));
                blank(&mut readable, lost_with(text, line.clone()));
                last_line = Some(line);
            }
        }
        (syntax, readable)
    }

    /// Explains the errors that toml reports once the faulty lines are gone.
    pub(crate) fn add_later(&mut self, text: &str, errors: Vec<toml::de::Error>) {
        // Skip lines with a fault: their remains cause errors of their own.
        let reported: Vec<Range<usize>> = self
            .faults
            .iter()
            .filter_map(|fault| Some(line_of(text, fault.location.as_ref()?.span.start)))
            .collect();
        let is_new = |error: &Error| !reported.contains(&line_of(text, error.span.start));
        let later = sorted(errors).take(MAX_FAULTS).filter(is_new);
        let (duplicates, errors): (Vec<Error>, Vec<Error>) =
            later.partition(|error| is_duplicate(&error.message));
        self.explain_duplicates(text, &duplicates);
        for error in &errors {
            self.add(text, explain(text, error));
        }
    }

    fn add(&mut self, text: &str, fault: Fault) {
        if let Some(location) = &fault.location {
            self.mark_broken(text, location.span.start);
        }
        self.completeness = Completeness::Partial;
        self.faults.push(fault);
    }

    fn explain_duplicates(&mut self, text: &str, duplicates: &[Error]) {
        let offsets: Vec<usize> = duplicates.iter().take(MAX_FAULTS).map(|error| error.span.start).collect();
        if offsets.is_empty() {
            return;
        }
        for duplicate in duplicate_key::find_duplicate_keys(text, &offsets) {
            self.mark_broken(text, duplicate.span().start);
            self.faults.push(duplicate.fault());
        }
    }

    fn mark_broken(&mut self, text: &str, offset: usize) {
        let Some((section, name)) = definition_at(text, offset) else { return };
        match section.as_str() {
            "params" => self.broken.params.insert(name),
            "resources" => self.broken.resources.insert(name),
            "components" => self.broken.components.insert(name),
            "tasks" | "finally" => self.broken.tasks.insert(name),
            _ => false, // no other section defines names
        };
    }

    /// Hides source lines that contain a password or possibly a secret. A param with syntax errors counts as secret,
    /// since its `secret` key may be unreadable. The text begins at the offset `start`.
    pub(crate) fn hide_secrets(&self, faults: &mut [Fault], (text, start): (&str, usize)) {
        let may_be_secret = !self.broken.params.is_empty() && text.contains("secret");
        let mut known = (0..0, false); // the last line, often that of the next fault too
        for fault in faults {
            let locations = fault.location.iter().chain(&fault.related);
            for offset in locations.map(|location| location.span.start.saturating_sub(start)) {
                if !known.0.contains(&offset) {
                    let line = line_of(text, offset);
                    let is_secret =
                        has_password(text, &line) || (may_be_secret && self.is_broken_param(text, offset));
                    known = (line, is_secret);
                }
                fault.is_secret |= known.1;
            }
        }
    }

    fn is_broken_param(&self, text: &str, offset: usize) -> bool {
        definition_at(text, offset)
            .is_some_and(|(section, name)| section == "params" && self.broken.params.contains(&name))
    }
}

fn has_password(text: &str, line: &Range<usize>) -> bool {
    text.get(line.clone()).is_some_and(|line| line.contains("://") && line.contains('@'))
}

fn sorted(errors: Vec<toml::de::Error>) -> impl Iterator<Item = Error> {
    let mut errors: Vec<Error> = errors
        .into_iter()
        .map(|error| Error { span: error.span().unwrap_or_default(), message: error.message().to_owned() })
        .collect();
    errors.sort_by_key(|error| error.span.start);
    errors.into_iter()
}

fn is_duplicate(message: &str) -> bool {
    message == "duplicate key" || message.starts_with("cannot extend value")
}

fn has_unclosed(error: &Error) -> bool {
    error.message.starts_with("unclosed array,") || error.message.starts_with("unclosed inline table")
}

/// Converts toml's error, with help added.
fn explain(text: &str, error: &Error) -> Fault {
    let written = text.get(error.span.clone()).unwrap_or_default();
    let (message, help) = match error.message.as_str() {
        message if is_unquoted(message, written) => unquoted(text, error.span.start),
        message if message.starts_with("invalid unquoted key") && written == ":" => {
            ("a key is followed by `=`, not by `:`", Some("write `key = value`".to_owned()))
        }
        message => match hint(message) {
            Some((message, help)) => (message, Some(help.to_owned())),
            None => (message, None),
        },
    };
    let fault = Fault::spanned(error.span.clone(), message);
    match help {
        Some(help) => fault.help(help),
        None => fault,
    }
}

fn is_unquoted(message: &str, written: &str) -> bool {
    let is_word = |word: &str| written.eq_ignore_ascii_case(word);
    message.starts_with("string values must be quoted")
        || (message.starts_with("invalid boolean") && !is_word("true") && !is_word("false"))
}

/// Returns message and help for an unquoted value. A possible secret is not quoted.
fn unquoted<'m>(text: &str, offset: usize) -> (&'m str, Option<String>) {
    let line = line_of(text, offset);
    let rest = text.get(offset..line.end).unwrap_or_default();
    let written = rest.split(" #").next().unwrap_or_default().trim_end();
    if written.is_empty() || written.starts_with('#') {
        return ("a value is missing after `=`", None);
    }
    if written.starts_with(['“', '”', '„', '‘', '’']) {
        return ("TOML does not accept these quotes", Some("write straight quotes: `\"…\"`".to_owned()));
    }
    let section = definition_at(text, offset).map(|(section, _)| section);
    let may_be_secret =
        section.is_some_and(|section| matches!(section.as_str(), "params" | "state" | "cache"));
    let is_part = written.contains([',', ']', '}', '"', '\'']);
    let help = if may_be_secret || is_part || written.contains("://") {
        "write quotes around it".to_owned()
    } else {
        format!("write `\"{written}\"`")
    };
    ("a string needs quotes", Some(help))
}

/// Returns a clearer message and help for a message of toml, looked up by its beginning.
fn hint(original: &str) -> Option<(&'static str, &'static str)> {
    const ESCAPE: &str = "in `\"…\"` a backslash begins an escape; write `'…'` for the text as it is";
    const HINTS: [(&str, &str, &str); 18] = [
        ("invalid boolean", "this is not a boolean", "write `true` or `false`, in lower case"),
        ("key with no value", "this key has no value", "write `key = value`; a key with spaces needs quotes"),
        ("missing value for key", "this key has no value", "write `key = value`"),
        ("unquoted keys cannot be empty", "a key is missing", "write `key = value`"),
        ("invalid key-value pair", "a key is missing", "write `key = value`"),
        ("extra `=`", "more than one `=`", "write `key = value`"),
        ("missing comma between array", "a comma is missing", "write `,` between the elements"),
        (
            "missing comma between key-value",
            "a comma is missing",
            "write `,` between the keys of a table in braces",
        ),
        ("missing assignment", "this key has no value", "write `key = value`"),
        ("unclosed table", "this header is never closed", "write `]` after its name"),
        (
            "unclosed array table",
            "this header is never closed",
            "write a header in single brackets: `[tasks.NAME]`",
        ),
        ("unexpected key or value", "unexpected text after the value", "write one key on a line"),
        (
            "unexpected leading zero",
            "a number cannot start with a zero",
            "remove the zero, or write a string in quotes",
        ),
        ("too few unicode value digits", "invalid escape", ESCAPE),
        ("missing escaped value", "invalid escape", ESCAPE),
        (
            "invalid basic string, expected `\"`",
            "this string is never closed",
            "write `\"` at its end; several lines need `\"\"\"`",
        ),
        (
            "invalid literal string, expected `'`",
            "this string is never closed",
            "write `'` at its end; several lines need `'''`",
        ),
        ("cannot recurse further", "values are nested too deeply", "write at most 64 levels"),
    ];
    let (_, message, help) = HINTS.iter().find(|(start, _, _)| original.starts_with(start))?;
    Some((message, help))
}

/// Returns the lines lost with `line`: below a faulty header, all lines up to the next header.
fn lost_with(text: &str, line: Range<usize>) -> Range<usize> {
    let is_header = |line: &str| line.trim_start().starts_with('[');
    if !text.get(line.clone()).is_some_and(is_header) {
        return line;
    }
    let mut end = line.end;
    for below in text.get(line.end..).unwrap_or_default().split_inclusive('\n').skip(1) {
        if is_header(below) {
            break;
        }
        end += below.len();
    }
    line.start..end
}

/// Replaces `lost` with spaces but keeps newlines, so that every other byte keeps its position.
fn blank(text: &mut String, lost: Range<usize>) {
    let Some(lines) = text.get(lost.clone()) else { return };
    let spaces: String = lines.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(lost, &spaces);
}

/// Guesses from the lines alone to which definition, by section and name, the byte at `offset` belongs.
fn definition_at(text: &str, offset: usize) -> Option<(String, String)> {
    let line = line_of(text, offset);
    let above = text.get(..line.end)?;
    let header = above.lines().rev().map(str::trim_start).find(|line| line.starts_with('['));
    let key = text.get(line)?.trim_start();
    let mut parts = Vec::new();
    if let Some(header) = header {
        parts.extend(key_parts(header.trim_start_matches('[').split(']').next()?));
    }
    if !key.starts_with('[') {
        parts.extend(key_parts(key.split('=').next()?));
    }
    let mut parts = parts.into_iter();
    Some((parts.next()?, parts.next()?))
}

fn key_parts(key: &str) -> Vec<String> {
    key.split('.')
        .map(|part| part.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}
