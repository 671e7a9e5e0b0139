//! A set of texts that is looked for in one pass over another text.
//! Which texts are worth looking for, and what becomes of those that are found, is decided elsewhere.

use std::ops::Range;

/// Longer texts are cut into pieces of at least this many bytes, each looked for alone: a look-up costs no more than two
/// of them, however long a text is, and of one that is shown in part the whole pieces are found.
const PIECE: usize = 256;

/// Texts that are looked for.
#[derive(Default)]
pub(crate) struct Patterns {
    /// In order, each once.
    sorted: Vec<Pattern>,
    /// By byte: whether a pattern begins with it. Most places of a text need no other look.
    starts: Vec<bool>,
}

struct Pattern {
    text: Box<str>,
    /// The longest other pattern that this one begins with.
    prefix: Option<usize>,
}

impl Patterns {
    /// Patterns for these texts. An empty text matches nothing.
    pub(crate) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().flat_map(pieces).filter(|text| !text.is_empty());
        let mut texts: Vec<Box<str>> = texts.collect();
        texts.sort_unstable();
        texts.dedup();
        let mut starts = vec![false; 256];
        let mut sorted: Vec<Pattern> = Vec::with_capacity(texts.len());
        // Those that the last one begins with, and itself: the shortest first.
        let mut open: Vec<usize> = Vec::new();
        for text in texts {
            let is_prefix =
                |at: usize| sorted.get(at).is_some_and(|pattern| text.starts_with(&*pattern.text));
            while open.last().is_some_and(|at| !is_prefix(*at)) {
                open.pop();
            }
            let first = text.bytes().next().and_then(|byte| starts.get_mut(usize::from(byte)));
            first.into_iter().for_each(|slot| *slot = true);
            let prefix = open.last().copied();
            open.push(sorted.len());
            sorted.push(Pattern { text, prefix });
        }
        Self { sorted, starts }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// What the patterns cover of a text: ranges of bytes in order, which may overlap.
    pub(crate) fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        text.bytes().enumerate().filter(|(_, byte)| self.is_start(*byte)).filter_map(|(at, _)| {
            let len = self.longest(text.as_bytes().get(at..)?)?;
            Some(at..at + len)
        })
    }

    /// The longest end of a text, of at least so many characters, with which a pattern begins: where it starts.
    pub(crate) fn find_begun(&self, text: &str, least: usize) -> Option<usize> {
        let first = text.len().saturating_sub(2 * PIECE);
        let ends = text.char_indices().rev().take_while(|(at, _)| *at >= first).skip(least.saturating_sub(1));
        let begun = ends.filter(|(at, _)| text.get(*at..).is_some_and(|end| self.is_begun(end)));
        begun.map(|(at, _)| at).min()
    }

    fn is_start(&self, byte: u8) -> bool {
        self.starts.get(usize::from(byte)).is_some_and(|is_start| *is_start)
    }

    fn is_begun(&self, end: &str) -> bool {
        let at = self.sorted.partition_point(|pattern| *pattern.text < *end);
        self.sorted.get(at).is_some_and(|pattern| pattern.text.starts_with(end))
    }

    /// The length of the longest pattern that a text begins with. Every such pattern is the last one in order that does not
    /// come after the text, or one that this begins with.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        let after = self.sorted.partition_point(|pattern| pattern.text.as_bytes() <= text);
        let mut at = after.checked_sub(1)?;
        loop {
            let pattern = self.sorted.get(at)?;
            if text.starts_with(pattern.text.as_bytes()) {
                return Some(pattern.text.len());
            }
            at = pattern.prefix?;
        }
    }
}

/// A text in pieces; the last one has what is left, too.
fn pieces(text: String) -> Vec<Box<str>> {
    if text.len() < 2 * PIECE {
        return vec![text.into()];
    }
    let mut pieces = Vec::with_capacity(text.len() / PIECE);
    let mut rest = text.as_str();
    while rest.len() >= 2 * PIECE {
        let (piece, more) = rest.split_at(rest.ceil_char_boundary(PIECE));
        pieces.push(piece.into());
        rest = more;
    }
    pieces.push(rest.into());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(patterns: &[&str], text: &str) -> Vec<String> {
        let patterns = Patterns::new(patterns.iter().map(|text| (*text).to_owned()));
        patterns.find(text).map(|range| text[range].to_owned()).collect()
    }

    #[test]
    fn the_longest_pattern_is_found_at_each_place() {
        assert_eq!(found(&["ab", "abca", "b"], "abcb abca"), ["ab", "b", "b", "abca", "b"]);
        assert_eq!(found(&["a", "aa", "aaa"], "aab"), ["aa", "a"]);
        assert_eq!(found(&["ß", ""], "aß"), ["ß"]);
        assert!(found(&[], "abc").is_empty());
    }

    #[test]
    fn long_texts_are_found_whole_and_in_part() {
        let long = (0..1000).map(|number| format!("{number}ä")).collect::<Vec<_>>().concat();
        let covered = |text: &str| found(&[&long], text).concat().len();
        assert_eq!(covered(&format!("<{long}>")), long.len());
        let half = long.get(..long.floor_char_boundary(long.len() / 2)).unwrap();
        assert!(covered(half) > half.len() - 2 * PIECE);
        let patterns = Patterns::new([long.clone()]);
        let rest = half.len() - covered(half);
        assert_eq!(patterns.find_begun(half, 4), Some(half.len() - rest));
    }

    proptest! {
        #[test]
        fn all_and_only_what_is_there_is_found(
            patterns in prop::collection::vec("[ab]{0,4}", 0..6), text in "[ab]{0,12}"
        ) {
            let longest = |at: usize| {
                let there = patterns.iter().filter(|pattern| text[at..].starts_with(pattern.as_str()));
                there.map(String::len).max().filter(|len| *len > 0)
            };
            let expected: Vec<Range<usize>> =
                (0..text.len()).filter_map(|at| Some(at..at + longest(at)?)).collect();
            let found: Vec<Range<usize>> = Patterns::new(patterns.clone()).find(&text).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn the_longest_begun_pattern_is_found(
            patterns in prop::collection::vec("[ab]{1,4}", 0..6), text in "[ab]{0,12}"
        ) {
            let is_begun = |at: &usize| patterns.iter().any(|pattern| pattern.starts_with(&text[*at..]));
            let expected = (0..text.len()).filter(|at| text.len() - at >= 2).find(is_begun);
            prop_assert_eq!(Patterns::new(patterns.clone()).find_begun(&text, 2), expected);
        }
    }
}
