//! Faults of a text that a user wrote, each with its place, collected so that all are shown at once.
//! How a fault looks on a terminal is for the command line to decide.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A range of bytes in a source text.
pub type Span = Range<usize>;

/// A text with the name that people know it by. The text may hold secrets: `Debug` shows the name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as the user gave it.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// Line and column of a byte, both from one, the column in characters.
    #[must_use]
    pub fn line_column(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(&self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(start..).map_or(0, |text| text.chars().count()) + 1;
        (line, column)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A value and where it stands in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The bytes that say so.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value that stands at `span`.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned::new(change(self.value), self.span)
    }
}

/// A place in the source and what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Which bytes.
    pub span: Span,
    /// A few words beside the marker; may be empty.
    pub label: String,
}

/// One mistake: what is wrong, where, and what would help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, a lowercase sentence without a full stop.
    pub message: String,
    /// Where; none for a fault of the whole file.
    pub place: Option<Place>,
    /// Other places that belong to it, as the first definition of what is defined twice.
    pub related: Vec<Place>,
    /// Facts that explain it, as the two types of a mistyped edge.
    pub notes: Vec<String>,
    /// What to do.
    pub helps: Vec<String>,
    /// Whether the source line must not be shown: it holds a secret.
    pub is_secret: bool,
}

impl Fault {
    /// A fault at `span`.
    pub fn spanned(span: Span, message: impl Into<String>) -> Self {
        Self { place: Some(Place { span, label: String::new() }), ..Self::of_file(message) }
    }

    /// A fault that has no place of its own.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            related: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
            is_secret: false,
        }
    }

    /// Keeps the source line from being shown: it holds a secret.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Puts a few words beside the marker.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(place) = &mut self.place {
            place.label = label.into();
        }
        self
    }

    /// Points at another place that belongs to the fault.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        let label = label.into();
        self.related.push(Place { span, label });
        self
    }

    /// Adds a fact that explains the fault.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.helps.push(help.into());
        self
    }

    /// Adds `did you mean …?` where one of `known` resembles `written`.
    #[must_use]
    pub fn suggest<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(written, known) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// Most candidates that a message lists.
pub const MOST_LISTED: usize = 8;

/// How much a known word resembles what was written, up to 1: most letters in the same order, or one slip of the fingers
/// in a short word.
#[must_use]
pub fn resemblance(written: &str, known: &str) -> f64 {
    let is_slip = written.len() > 2 && known.len() > 2 && strsim::osa_distance(written, known) == 1;
    strsim::jaro_winkler(written, known).max(if is_slip { 0.9 } else { 0.0 })
}

/// The known word that resembles `written` most, if any resembles it. Of those that do so equally it is the first.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (resemblance(written, name), name))
        .filter(|(score, _)| *score > 0.8)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, name)| name)
}

/// A list of what could have been written in place of `written`: everything in its own order where that is little,
/// else what resembles it most, best first, and how many more there are.
pub fn shortlist<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    shortlist_by(known.into_iter().map(|name| (resemblance(written, name), name)))
}

/// The same of candidates that were compared already.
pub fn shortlist_by<T: AsRef<str>>(scored: impl IntoIterator<Item = (f64, T)>) -> String {
    let mut scored: Vec<(f64, T)> = scored.into_iter().collect();
    let more = scored.len().saturating_sub(MOST_LISTED);
    if more > 0 {
        scored.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        scored.truncate(MOST_LISTED);
    }
    let listed: Vec<&str> = scored.iter().map(|(_, name)| name.as_ref()).collect();
    let listed = listed.join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

/// All the faults of one source, in the order they are to be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults {
    /// The text they are about.
    pub source: Source,
    /// The faults, by place.
    pub list: Vec<Fault>,
}

impl Faults {
    /// No faults yet.
    #[must_use]
    pub const fn none(source: Source) -> Self {
        Self { source, list: Vec::new() }
    }

    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        self.list.push(fault);
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts the faults in the order of the text; those of the whole file come first.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|fault| fault.place.as_ref().map(|place| place.span.start));
    }
}

/// One line a fault, `file:line:column: message`, for logs and tests.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.list.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.source.name)?;
            if let Some(place) = &fault.place {
                let (line, column) = self.source.line_column(place.span.start);
                write!(f, ":{line}:{column}")?;
            }
            write!(f, ": {}", fault.message)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let source = Source { name: "m.toml".into(), text: "a = 1\nß = 2\n".into() };
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(9), (2, 3));
    }

    #[test]
    fn suggests_only_what_resembles() {
        let helps = |written| Fault::of_file("x").suggest(written, ["split", "count"]).helps;
        assert_eq!(helps("splt"), ["did you mean `split`?"]);
        assert!(helps("zebra").is_empty());
        assert_eq!(Fault::of_file("x").suggest("gup", ["gpu", "cpu"]).helps, ["did you mean `gpu`?"]);
    }

    #[test]
    fn long_lists_begin_with_what_resembles() {
        let known: Vec<String> = (0..20).map(|number| format!("other-{number}")).collect();
        let known = || known.iter().map(String::as_str).chain(["split"]);
        assert_eq!(shortlist("splt", ["zebra", "split"]), "zebra, split");
        let listed = shortlist("splt", known());
        assert!(listed.starts_with("split, other-") && listed.ends_with(" and 13 more"), "{listed}");
        assert_eq!(nearest("other-1", known()), Some("other-1"));
    }
}
