//! Faults of a user's text, each with its span, collected so that all are reported at once.
//! `cli/print/diagnostic` renders them.

use crate::model::{Sources, Span};
use std::collections::HashSet;
use std::fmt;

/// A value with its span in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The value's bytes in the source.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Creates a value at `span`.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// Converts the value and keeps the span.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned::new(change(self.value), self.span)
    }
}

/// A span in the source with its label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The bytes.
    pub span: Span,
    /// A short text beside the marker; may be empty.
    pub label: String,
}

/// A fault with its location, explanation and remedy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fault {
    /// The message, a lowercase sentence without a full stop.
    pub message: String,
    /// The labelled span; `None` for a fault of the whole file.
    pub location: Option<Location>,
    /// Related spans, such as the first definition of a duplicate.
    pub related: Vec<Location>,
    /// Explanatory facts, such as the two types of a mistyped edge.
    pub notes: Vec<String>,
    /// Help texts.
    pub helps: Vec<String>,
    /// Whether the source line holds a secret and must not be shown.
    pub is_secret: bool,
}

impl Fault {
    /// Creates a fault at `span`.
    pub fn spanned(span: Span, message: impl Into<String>) -> Self {
        Self { location: Some(Location { span, label: String::new() }), ..Self::of_file(message) }
    }

    /// Creates a fault of the whole file.
    pub fn of_file(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            location: None,
            related: Vec::new(),
            notes: Vec::new(),
            helps: Vec::new(),
            is_secret: false,
        }
    }

    /// Moves all spans by the offset of their text in its sources.
    #[must_use]
    pub(crate) fn moved(mut self, by: usize) -> Self {
        for location in self.location.iter_mut().chain(&mut self.related) {
            location.span = location.span.start + by..location.span.end + by;
        }
        self
    }

    /// Hides the source line, since it holds a secret.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Sets the text beside the marker.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        if let Some(location) = &mut self.location {
            location.label = label.into();
        }
        self
    }

    /// Adds a related span.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        let label = label.into();
        self.related.push(Location { span, label });
        self
    }

    /// Adds an explanatory fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds a help text.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.helps.push(help.into());
        self
    }

    /// Adds `did you mean …?` if one of `known` resembles `written`.
    #[must_use]
    pub fn suggest<'a>(self, written: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(written, known) {
            Some(name) => self.help(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

/// Maximum number of candidates that a message lists.
pub const MAX_LISTED: usize = 8;

/// Returns the similarity of two words, up to 1: Jaro-Winkler, or 0.9 for a single typo, which that rates too low in
/// short words.
#[must_use]
pub fn resemblance(written: &str, known: &str) -> f64 {
    let is_typo = written.len() > 2 && known.len() > 2 && strsim::osa_distance(written, known) == 1;
    strsim::jaro_winkler(written, known).max(if is_typo { 0.9 } else { 0.0 })
}

/// Returns the known word that is most similar to `written`, if any is similar enough. The first one wins a tie.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (resemblance(written, name), name))
        .filter(|(score, _)| *score > 0.8)
        .reduce(|best, next| if next.0 > best.0 { next } else { best })
        .map(|(_, name)| name)
}

/// Lists the candidates for `written`: all of them in their own order if they are few, else the most similar ones, best
/// first, and the number of the others.
pub fn shortlist<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    shortlist_by(known.into_iter().map(|name| (resemblance(written, name), name)))
}

/// Lists candidates whose similarity is known already, as [`shortlist`] does.
pub fn shortlist_by<T: AsRef<str>>(scored: impl IntoIterator<Item = (f64, T)>) -> String {
    let mut scored: Vec<(f64, T)> = scored.into_iter().collect();
    let more = scored.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        scored.sort_by(|(left, _), (right, _)| right.total_cmp(left));
        scored.truncate(MAX_LISTED);
    }
    let listed: Vec<&str> = scored.iter().map(|(_, name)| name.as_ref()).collect();
    let listed = listed.join(", ");
    if more > 0 { format!("{listed} and {more} more") } else { listed }
}

/// All faults of a manifest and of those that it includes, in the order of display.
#[derive(Clone, PartialEq, Eq)]
pub struct Faults {
    /// The source texts.
    pub sources: Sources,
    /// The faults, ordered by span.
    pub list: Vec<Fault>,
}

impl Faults {
    /// Creates an empty list of faults.
    #[must_use]
    pub fn none(sources: impl Into<Sources>) -> Self {
        Self { sources: sources.into(), list: Vec::new() }
    }

    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        self.list.push(fault);
    }

    /// Returns whether there are no faults.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Sorts the faults by span, which is by text and position; those of the whole manifest come first.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|fault| fault.location.as_ref().map(|location| location.span.start));
    }

    /// Sorts the faults, and keeps one of those that are equal: a pipeline that is included twice has its faults once.
    pub fn sort_and_dedup(&mut self) {
        self.sort();
        let mut seen = HashSet::new();
        self.list.retain(|fault| seen.insert(fault.clone()));
    }
}

/// A line per fault, `file:line:column: message`, for logs and tests.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, fault) in self.list.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            let located = fault.location.as_ref().and_then(|location| self.sources.locate(&location.span));
            match located {
                Some(located) => {
                    let (line, column) = located.source.line_column(located.span.start);
                    write!(f, "{}:{line}:{column}", located.source.name)?;
                }
                None => f.write_str(self.sources.name())?,
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
    fn only_similar_words_are_suggested() {
        let helps = |written| Fault::of_file("x").suggest(written, ["split", "count"]).helps;
        assert_eq!(helps("splt"), ["did you mean `split`?"]);
        assert!(helps("zebra").is_empty());
        assert_eq!(Fault::of_file("x").suggest("gup", ["gpu", "cpu"]).helps, ["did you mean `gpu`?"]);
    }

    #[test]
    fn long_lists_start_with_the_most_similar() {
        let known: Vec<String> = (0..20).map(|number| format!("other-{number}")).collect();
        let known = || known.iter().map(String::as_str).chain(["split"]);
        assert_eq!(shortlist("splt", ["zebra", "split"]), "zebra, split");
        let listed = shortlist("splt", known());
        assert!(listed.starts_with("split, other-") && listed.ends_with(" and 13 more"), "{listed}");
        assert_eq!(nearest("other-1", known()), Some("other-1"));
    }
}
