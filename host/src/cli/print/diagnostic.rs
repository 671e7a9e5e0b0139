//! Renders the faults of a manifest with their source lines, in the style of rustc.
//! The faults bring their messages and help; this file reads only the lines that it shows.

use crate::cli::print::json_error::JsonError;
use crate::cli::print::style::{Ink, Style, escape_control, escape_control_line, escape_control_styled};
use crate::model::{Fault, Faults, Location, Source, Sources, Span};
use annotate_snippets::AnnotationKind;
use annotate_snippets::Group;
use annotate_snippets::Level;
use annotate_snippets::Origin;
use annotate_snippets::Renderer;
use annotate_snippets::Snippet;

/// Maximum distance in lines of marks that share a snippet.
const MAX_GAP: usize = 60;

/// Maximum length of a source line that is shown, in bytes. Bounds rendering time, which grows with the line.
const MAX_LINE: usize = 4096;

/// Renders all faults, followed by their number.
pub(crate) fn render(faults: &Faults, style: Style) -> String {
    let renderer = match style {
        Style::Plain => Renderer::plain(),
        Style::Coloured => Renderer::styled(),
    };
    let names: Vec<String> =
        faults.sources.texts().map(|text| escape_control_line(&text.name).into_owned()).collect();
    let texts = Texts::new(&faults.sources, names.iter().map(String::as_str));
    let mut shown = String::new();
    for fault in &faults.list {
        let inclusions = inclusions(fault, &faults.sources);
        // The renderer escapes some control characters, but not all.
        shown.push_str(&escape_control_styled(&renderer.render(&[group(fault, &inclusions, &texts)])));
        shown.push_str("\n\n");
    }
    let count = match faults.list.len() {
        1 => "1 fault".to_owned(),
        many => format!("{many} faults"),
    };
    let name = escape_control_line(faults.sources.name());
    let rest = if names.len() > 1 { " and the manifests that it includes" } else { "" };
    shown + &format!("{}: {count} in {name}{rest}; nothing was run\n", style.paint(Ink::Bad, "error"))
}

/// Converts all faults to their form for programs, with positions and without source lines.
pub(crate) fn json_errors(faults: &Faults) -> Vec<JsonError> {
    let texts = Texts::new(&faults.sources, faults.sources.texts().map(|text| text.name.as_str()));
    let json_error = |fault: &Fault| {
        let mark = fault.location.as_ref().and_then(|location| texts.mark(Kind::Primary, location));
        let position = mark.as_ref().map(|mark| mark.lines.line_column(mark));
        let file = mark.as_ref().map_or(faults.sources.name(), |mark| mark.lines.name);
        let label =
            fault.location.iter().map(|location| location.label.clone()).filter(|label| !label.is_empty());
        let inclusions = inclusions(fault, &faults.sources);
        let related = fault.related.iter().chain(&inclusions).filter_map(|location| {
            let mark = texts.mark(Kind::Related, location)?;
            Some(format!("{}: {}", mark.place(file), location.label))
        });
        let related: Vec<String> = related.collect();
        JsonError {
            message: fault.message.clone(),
            notes: label.chain(related).chain(fault.notes.iter().cloned()).collect(),
            help: fault.helps.clone(),
            file: Some(file.to_owned()),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
        }
    };
    faults.list.iter().map(json_error).collect()
}

/// Returns the places that include the text of a fault, the innermost first.
fn inclusions(fault: &Fault, sources: &Sources) -> Vec<Location> {
    let mut found = Vec::new();
    let mut span = fault.location.as_ref().map(|location| location.span.clone());
    while let Some(inclusion) = span.and_then(|span| sources.locate(&span)?.inclusion) {
        let label = match inclusion.others {
            0 => "included here".to_owned(),
            1 => "included here, and at another place".to_owned(),
            others => format!("included here, and at {others} other places"),
        };
        // A cycle of inclusions ends at the outermost text.
        found.push(Location { span: inclusion.span.clone(), label });
        span = Some(inclusion.span.clone());
    }
    found
}

/// Converts one fault to the input of annotate-snippets.
fn group<'a>(fault: &'a Fault, inclusions: &'a [Location], texts: &'a Texts<'a>) -> Group<'a> {
    let mut group = Group::with_title(Level::ERROR.primary_title(fault.message.as_str()));
    let marks = marks(fault, inclusions, texts);
    let hides_source = fault.is_secret || marks.iter().any(Mark::is_long);
    let pieces = pieces(marks.clone());
    let may_hold_secret = |piece: &Vec<Mark<'_>>| {
        lines_of(piece).is_some_and(|lines| may_hold_secret(lines.slice(&extent(piece, lines))))
    };
    if hides_source || pieces.iter().any(may_hold_secret) {
        group = without_source(group, &marks);
    } else {
        for piece in pieces {
            if let Some(lines) = lines_of(&piece) {
                group = group.element(snippet(&piece, lines));
            }
        }
    }
    if fault.location.is_none() {
        group = group.element(Origin::path(texts.name()));
    }
    let notes = fault.notes.iter().map(|note| Level::NOTE.message(escape_control(note)));
    let helps = fault.helps.iter().map(|help| Level::HELP.message(escape_control(help)));
    group.elements(notes).elements(helps)
}

/// Adds locations with their labels but without source lines.
fn without_source<'a>(group: Group<'a>, marks: &[Mark<'a>]) -> Group<'a> {
    let file = marks.first().map_or("", |mark| mark.lines.name);
    marks.iter().fold(group, |group, mark| {
        let (line, column) = mark.lines.line_column(mark);
        match (mark.kind, mark.label) {
            (Kind::Primary, label) => {
                let group = group.element(Origin::path(mark.lines.name).line(line).char_column(column));
                if label.is_empty() {
                    group
                } else {
                    group.element(Level::NOTE.message(escape_control(label)))
                }
            }
            (Kind::Related, label) => {
                group.element(Level::NOTE.message(format!("{}: {}", mark.place(file), escape_control(label))))
            }
        }
    })
}

/// A location, cut to one line.
#[derive(Clone)]
struct Mark<'a> {
    kind: Kind,
    lines: &'a Lines<'a>,
    /// The line's index, from zero.
    line: usize,
    /// The bytes in the text of the lines.
    span: Span,
    label: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Primary,
    Related,
}

impl Mark<'_> {
    fn is_long(&self) -> bool {
        self.lines.range(self.line, self.line).len() > MAX_LINE
    }

    /// Returns the position, with the file if it is not the one of the fault.
    fn place(&self, file: &str) -> String {
        let (line, column) = self.lines.line_column(self);
        if self.lines.name == file {
            return format!("{line}:{column}");
        }
        format!("{}:{line}:{column}", self.lines.name)
    }
}

/// Returns the locations of a fault, its own first.
fn marks<'a>(fault: &'a Fault, inclusions: &'a [Location], texts: &'a Texts<'a>) -> Vec<Mark<'a>> {
    let own = fault.location.iter().map(|location| (Kind::Primary, location));
    let related = fault.related.iter().chain(inclusions).map(|location| (Kind::Related, location));
    own.chain(related).filter_map(|(kind, location)| texts.mark(kind, location)).collect()
}

/// Groups marks that are near each other; the group with the fault's own location comes first.
fn pieces(marks: Vec<Mark<'_>>) -> Vec<Vec<Mark<'_>>> {
    let mut pieces: Vec<Vec<Mark<'_>>> = Vec::new();
    for mark in marks {
        let is_near = |other: &Mark<'_>| {
            std::ptr::eq(other.lines, mark.lines) && other.line.abs_diff(mark.line) <= MAX_GAP
        };
        match pieces.iter_mut().find(|piece| piece.iter().all(is_near)) {
            Some(piece) => piece.push(mark),
            None => pieces.push(vec![mark]),
        }
    }
    pieces
}

/// Returns the text of a piece.
fn lines_of<'a>(piece: &[Mark<'a>]) -> Option<&'a Lines<'a>> {
    piece.first().map(|mark| mark.lines)
}

/// Returns whether a text may contain a secret, which must not be shown with the fault: a variable with its value, as
/// in `env` grants (`"TOKEN=…"`), a URI with a password, or a secret param.
fn may_hold_secret(text: &str) -> bool {
    let has_password = text.lines().any(|line| line.contains("://") && line.contains('@'));
    let has_param = text.contains("secret = true") || text.contains("secret=true");
    let has_variable = text.split(['"', '\'']).skip(1).any(|quoted| {
        // A malformed name may be followed by a secret too.
        let is_name_char = |c: char| c.is_ascii_alphanumeric() || "_.-${}".contains(c);
        let is_name = |name: &str| {
            let name = name.trim_end_matches(' ');
            !name.is_empty() && name.chars().all(is_name_char)
        };
        quoted.split_once('=').is_some_and(|(name, value)| is_name(name) && !value.is_empty())
    });
    has_password || has_param || has_variable
}

/// Returns the byte range of the lines from the first mark to the last.
fn extent(piece: &[Mark<'_>], lines: &Lines<'_>) -> Span {
    let first = piece.iter().map(|mark| mark.line).min().unwrap_or_default();
    let last = piece.iter().map(|mark| mark.line).max().unwrap_or_default();
    lines.range(first, last)
}

/// Builds a snippet of the lines from the first mark to the last, with the marks.
fn snippet<'a>(piece: &[Mark<'a>], lines: &Lines<'a>) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let first = piece.iter().map(|mark| mark.line).min().unwrap_or_default();
    let range = extent(piece, lines);
    let annotations = piece.iter().map(|mark| {
        let kind = match mark.kind {
            Kind::Primary => AnnotationKind::Primary,
            Kind::Related => AnnotationKind::Context,
        };
        let span = mark.span.start - range.start..mark.span.end - range.start;
        kind.span(span).label((!mark.label.is_empty()).then_some(mark.label))
    });
    Snippet::source(lines.slice(&range)).line_start(first + 1).path(lines.name).annotations(annotations)
}

/// The texts of all sources.
struct Texts<'a> {
    sources: &'a Sources,
    list: Vec<Lines<'a>>,
}

impl<'a> Texts<'a> {
    fn new(sources: &'a Sources, names: impl Iterator<Item = &'a str>) -> Self {
        let list = sources.texts().zip(names).map(|(source, name)| Lines::of(source, name)).collect();
        Self { sources, list }
    }

    /// Returns the name of the outermost text.
    fn name(&self) -> &'a str {
        self.list.first().map_or("", |lines| lines.name)
    }

    /// Cuts a location to the line in which it begins, at character boundaries.
    fn mark(&'a self, kind: Kind, location: &'a Location) -> Option<Mark<'a>> {
        let located = self.sources.locate(&location.span)?;
        let lines = self.list.get(located.index)?;
        let start = lines.char_boundary(located.span.start);
        let line = lines.starts.partition_point(|offset| *offset <= start).saturating_sub(1);
        let end = lines.char_boundary(located.span.end).min(lines.range(line, line).end);
        Some(Mark { kind, lines, line, span: start..end.max(start), label: &location.label })
    }
}

/// An index of line starts, so that many faults do not rescan a large file.
struct Lines<'a> {
    name: &'a str,
    text: &'a str,
    /// Byte offsets in ascending order; the first is zero.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(source: &'a Source, name: &'a str) -> Self {
        let text: &str = &source.text;
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { name, text, starts }
    }

    /// Returns the bytes of the lines `first..=last`, without the last newline.
    fn range(&self, first: usize, last: usize) -> Span {
        let start = self.starts.get(first).copied().unwrap_or(self.text.len());
        let end = self.starts.get(last + 1).map_or(self.text.len(), |next| next - 1);
        start..end.max(start)
    }

    fn slice(&self, range: &Span) -> &'a str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Returns line and column of a mark, both counted from one, the column in characters.
    fn line_column(&self, mark: &Mark<'_>) -> (usize, usize) {
        let start = self.range(mark.line, mark.line).start;
        let column = self.slice(&(start..mark.span.start)).chars().count() + 1;
        (mark.line + 1, column)
    }

    /// Returns the nearest character boundary at or before a byte.
    fn char_boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Effort;

    const TEXT: &str = "\
cascade = 1
name = \"wordcount\"

[params.key]
type = \"string\"
default = \"hunter2\"

[tasks.split]
call = \"words.splt\"

[tasks.ßplit]
args.text = { parm = \"text\" }
";

    fn span(text: &str) -> Span {
        let start = TEXT.find(text).unwrap();
        start..start + text.len()
    }

    fn rendered(list: Vec<Fault>) -> String {
        let source = Source { name: "wordcount.toml".into(), text: TEXT.into() };
        render(&Faults { sources: source.into(), list }, Style::Plain)
    }

    #[test]
    fn fault_has_source_line_marker_and_help() {
        let fault = Fault::spanned(span("\"words.splt\""), "component `words` exports no function `splt`")
            .label("no such function")
            .note("it exports words.split, words.count")
            .help("did you mean `split`?");
        assert_eq!(rendered(vec![fault]), include_str!("testdata/one_fault.txt"));
    }

    #[test]
    fn all_faults_have_their_related_spans() {
        let twice = Fault::spanned(span("[tasks.ßplit]"), "task `split` is defined twice")
            .related(span("[tasks.split]"), "first defined here");
        let unknown = Fault::spanned(span("parm"), "unknown key `parm`").help("did you mean `param`?");
        let missing = Fault::of_file("the manifest has no [outputs]");
        assert_eq!(rendered(vec![missing, twice, unknown]), include_str!("testdata/three_faults.txt"));
    }

    #[test]
    fn secret_is_not_shown() {
        let fault = Fault::spanned(span("\"hunter2\""), "the default of param `key` does not fit its type")
            .label("expected u8")
            .secret();
        let shown = rendered(vec![fault.related(span("type = \"string\""), "its type")]);
        assert!(!shown.contains("hunter2"));
        assert_eq!(shown, include_str!("testdata/secret.txt"));
    }

    #[test]
    fn invalid_spans_do_not_panic() {
        for span in [
            0..0,
            9000..9001,
            TEXT.len()..TEXT.len(),
            3..TEXT.len(),
            span("ß").start + 1..span("ß").start + 1,
        ] {
            assert!(rendered(vec![Fault::spanned(span, "odd")]).contains("error: odd"));
        }
    }

    #[test]
    fn overlong_line_is_not_shown() {
        let source =
            Source { name: "m.toml".into(), text: format!("x = \"{}\"", "y".repeat(1 << 20)).into() };
        let list = vec![Fault::spanned(4..9000, "too long").label("here")];
        let shown = render(&Faults { sources: source.into(), list }, Style::Plain);
        assert!(shown.len() < 200, "{shown}");
        assert!(shown.contains("m.toml:1:5"));
    }

    #[test]
    fn thousand_faults_of_a_large_manifest_render_fast() {
        let text = "[tasks.t]\ncall = \"words.splt\"\n\n".repeat(100_000);
        let starts: Vec<usize> = text.match_indices("\"words").map(|(at, _)| at).step_by(100).collect();
        let list: Vec<Fault> = starts
            .iter()
            .map(|at| {
                Fault::spanned(*at..at + 12, "no such function")
                    .related(0..10, "the first")
                    .help("write `split`")
            })
            .collect();
        let source = Source { name: "m.toml".into(), text: text.into() };
        let effort = Effort::begin();
        let shown = render(&Faults { sources: source.into(), list }, Style::Plain);
        assert!(shown.ends_with("error: 1000 faults in m.toml; nothing was run\n"));
        // The usual time is a tenth of a second; counting lines from the top for each fault would take a minute.
        assert!(effort.spent().as_secs() < 10, "{:?}", effort.spent());
    }
}
