//! The texts of a manifest and of those that it includes, numbered as if they were one text.
//! A span of `fault` says by its offsets alone which text it belongs to.

use crate::model::{Source, Span};
use std::fmt;
use std::sync::Arc;

/// Texts in the order in which they were added, the outermost first; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Sources(Arc<Vec<Text>>);

/// A text and its place among the offsets.
#[derive(Clone, PartialEq, Eq)]
struct Text {
    /// Offset of its first byte.
    start: usize,
    source: Source,
    inclusion: Option<Inclusion>,
}

/// Where a text is included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The first place, in another text.
    pub span: Span,
    /// Number of further places.
    pub others: usize,
}

/// A span in the text that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<'a> {
    /// Position of the text among the sources.
    pub index: usize,
    /// The text.
    pub source: &'a Source,
    /// The bytes in this text.
    pub span: Span,
    /// Where the text is included; none for the outermost.
    pub inclusion: Option<&'a Inclusion>,
}

impl Sources {
    /// Adds a text that is included at `span`, and returns the offset of its first byte.
    pub fn add(&mut self, source: Source, span: Span) -> usize {
        let start = self.next_start();
        let inclusion = Some(Inclusion { span, others: 0 });
        Arc::make_mut(&mut self.0).push(Text { start, source, inclusion });
        start
    }

    /// Counts a further place that includes the text with this offset.
    pub fn included_again(&mut self, start: usize) {
        let texts = Arc::make_mut(&mut self.0);
        let text = texts.partition_point(|text| text.start < start);
        if let Some(inclusion) = texts.get_mut(text).and_then(|text| text.inclusion.as_mut()) {
            inclusion.others += 1;
        }
    }

    /// Returns the texts, the outermost first.
    pub fn texts(&self) -> impl Iterator<Item = &Source> {
        self.0.iter().map(|text| &text.source)
    }

    /// Returns the name of the outermost text.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.first().map_or("", |text| &text.source.name)
    }

    /// Returns the offset of the first byte of the text at a position.
    #[must_use]
    pub fn start(&self, position: usize) -> Option<usize> {
        self.0.get(position).map(|text| text.start)
    }

    /// Finds the text of a span.
    #[must_use]
    pub fn locate(&self, span: &Span) -> Option<Located<'_>> {
        let index = self.0.partition_point(|text| text.start <= span.start).checked_sub(1)?;
        let text = self.0.get(index)?;
        let local = |offset: usize| offset.saturating_sub(text.start).min(text.source.text.len());
        Some(Located {
            index,
            source: &text.source,
            span: local(span.start)..local(span.end),
            inclusion: text.inclusion.as_ref(),
        })
    }

    /// A text ends at an offset of its own, where a missing key is reported.
    fn next_start(&self) -> usize {
        self.0.last().map_or(0, |text| text.start + text.source.text.len() + 1)
    }
}

/// Shows the names only: a text may hold secrets.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl From<Source> for Sources {
    fn from(source: Source) -> Self {
        Self(Arc::new(vec![Text { start: 0, source, inclusion: None }]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: &str, text: &str) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    #[test]
    fn offsets_lead_back_to_their_text() {
        let mut sources = Sources::from(source("a", "xyz"));
        let start = sources.add(source("b", "12"), 1..2);
        sources.included_again(start);
        let last = sources.add(source("c", ""), start..start + 1);
        let located = |span: Span| {
            let Located { source, span, .. } = sources.locate(&span).unwrap();
            (source.name.clone(), span)
        };
        assert_eq!(located(1..3), ("a".to_owned(), 1..3));
        assert_eq!(located(3..3), ("a".to_owned(), 3..3), "the end of a text belongs to it");
        assert_eq!(located(start + 1..start + 2), ("b".to_owned(), 1..2));
        assert_eq!(located(last..last), ("c".to_owned(), 0..0));
        let inclusion = sources.locate(&(start..start)).unwrap().inclusion;
        assert_eq!(inclusion, Some(&Inclusion { span: 1..2, others: 1 }));
        assert_eq!(sources.locate(&(0..0)).unwrap().inclusion, None);
    }
}
