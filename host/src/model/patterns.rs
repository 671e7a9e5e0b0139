//! Multi-pattern search: finds many texts in one pass over another text.
//! `secrets` chooses the patterns and replaces the matches.

use std::ops::Range;

/// Minimum chunk size in bytes. Longer patterns are split into chunks, each searched for alone: that bounds the cost of
/// a match to two chunks, and finds the complete chunks of a pattern that is shown in part.
const CHUNK: usize = 256;

/// The patterns of a search.
#[derive(Default)]
pub(crate) struct Patterns {
    /// Sorted and distinct.
    sorted: Vec<Pattern>,
    /// By byte: whether a pattern starts with it. Rules out most positions of a text at once.
    starts: Vec<bool>,
}

struct Pattern {
    text: Box<str>,
    /// The index of the longest other pattern that is a prefix of this one.
    prefix: Option<usize>,
}

impl Patterns {
    /// Creates a search for these texts. An empty text matches nothing.
    pub(crate) fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().flat_map(chunks).filter(|text| !text.is_empty());
        let mut texts: Vec<Box<str>> = texts.collect();
        texts.sort_unstable();
        texts.dedup();
        let mut starts = vec![false; 256];
        let mut sorted: Vec<Pattern> = Vec::with_capacity(texts.len());
        // The last pattern and those that are prefixes of it, the shortest first.
        let mut open: Vec<usize> = Vec::new();
        for text in texts {
            let is_prefix =
                |index: usize| sorted.get(index).is_some_and(|pattern| text.starts_with(&*pattern.text));
            while open.last().is_some_and(|index| !is_prefix(*index)) {
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

    /// Returns the number of patterns.
    pub(crate) fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Returns the matches as byte ranges in order, which may overlap.
    pub(crate) fn find<'t>(&'t self, text: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
        text.bytes().enumerate().filter(|(_, byte)| self.is_start(*byte)).filter_map(|(start, _)| {
            let len = self.longest(text.as_bytes().get(start..)?)?;
            Some(start..start + len)
        })
    }

    /// Returns the start of the longest suffix of a text, of at least `min` characters, that is a prefix of a pattern.
    pub(crate) fn find_prefix_at_end(&self, text: &str, min: usize) -> Option<usize> {
        let first = text.len().saturating_sub(2 * CHUNK);
        let starts = text.char_indices().rev().map(|(start, _)| start).take_while(|start| *start >= first);
        let suffixes = starts.skip(min.saturating_sub(1));
        suffixes.filter(|start| text.get(*start..).is_some_and(|suffix| self.has_prefix(suffix))).min()
    }

    fn is_start(&self, byte: u8) -> bool {
        self.starts.get(usize::from(byte)).is_some_and(|is_start| *is_start)
    }

    fn has_prefix(&self, text: &str) -> bool {
        let index = self.sorted.partition_point(|pattern| *pattern.text < *text);
        self.sorted.get(index).is_some_and(|pattern| pattern.text.starts_with(text))
    }

    /// Returns the length of the longest pattern that is a prefix of the text. Candidates are the last pattern that
    /// sorts no later than the text, and the prefixes of that pattern.
    fn longest(&self, text: &[u8]) -> Option<usize> {
        let after = self.sorted.partition_point(|pattern| pattern.text.as_bytes() <= text);
        let mut index = after.checked_sub(1)?;
        loop {
            let pattern = self.sorted.get(index)?;
            if text.starts_with(pattern.text.as_bytes()) {
                return Some(pattern.text.len());
            }
            index = pattern.prefix?;
        }
    }
}

/// Splits a text into chunks; the last one includes the remainder.
fn chunks(text: String) -> Vec<Box<str>> {
    if text.len() < 2 * CHUNK {
        return vec![text.into()];
    }
    let mut chunks = Vec::with_capacity(text.len() / CHUNK);
    let mut rest = text.as_str();
    while rest.len() >= 2 * CHUNK {
        let (chunk, after) = rest.split_at(rest.ceil_char_boundary(CHUNK));
        chunks.push(chunk.into());
        rest = after;
    }
    chunks.push(rest.into());
    chunks
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
    fn longest_pattern_is_found_at_each_position() {
        assert_eq!(found(&["ab", "abca", "b"], "abcb abca"), ["ab", "b", "b", "abca", "b"]);
        assert_eq!(found(&["a", "aa", "aaa"], "aab"), ["aa", "a"]);
        assert_eq!(found(&["ß", ""], "aß"), ["ß"]);
        assert!(found(&[], "abc").is_empty());
    }

    #[test]
    fn long_patterns_are_found_completely_and_in_part() {
        let long = (0..1000).map(|number| format!("{number}ä")).collect::<Vec<_>>().concat();
        let covered = |text: &str| found(&[&long], text).concat().len();
        assert_eq!(covered(&format!("<{long}>")), long.len());
        let half = long.get(..long.floor_char_boundary(long.len() / 2)).unwrap();
        assert!(covered(half) > half.len() - 2 * CHUNK);
        let patterns = Patterns::new([long.clone()]);
        let rest = half.len() - covered(half);
        assert_eq!(patterns.find_prefix_at_end(half, 4), Some(half.len() - rest));
    }

    proptest! {
        #[test]
        fn matches_equal_a_naive_search(
            patterns in prop::collection::vec("[ab]{0,4}", 0..6), text in "[ab]{0,12}"
        ) {
            let longest = |start: usize| {
                let matching = patterns.iter().filter(|pattern| text[start..].starts_with(pattern.as_str()));
                matching.map(String::len).max().filter(|len| *len > 0)
            };
            let expected: Vec<Range<usize>> =
                (0..text.len()).filter_map(|start| Some(start..start + longest(start)?)).collect();
            let found: Vec<Range<usize>> = Patterns::new(patterns.clone()).find(&text).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn longest_prefix_at_the_end_is_found(
            patterns in prop::collection::vec("[ab]{1,4}", 0..6), text in "[ab]{0,12}"
        ) {
            let is_prefix = |start: &usize| patterns.iter().any(|pattern| pattern.starts_with(&text[*start..]));
            let expected = (0..text.len()).filter(|start| text.len() - start >= 2).find(is_prefix);
            prop_assert_eq!(Patterns::new(patterns.clone()).find_prefix_at_end(&text, 2), expected);
        }
    }
}
