//! Responsible for words: which there are in a chunk, and how often in all chunks together.
//! Leaves sentences to `prose`.

use std::collections::BTreeMap;

use crate::Summary;
use crate::Tally;

/// Words that every English text is full of, in alphabetical order.
#[rustfmt::skip]
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "an", "and", "any", "are", "as", "at", "be", "because", "been", "before",
    "but", "by", "can", "could", "do", "does", "each", "every", "for", "from", "had", "has", "have", "he", "her", "his",
    "how", "i", "if", "in", "into", "is", "it", "its", "may", "more", "must", "no", "not", "of", "on", "one", "only",
    "or", "other", "our", "out", "over", "same", "she", "so", "some", "such", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "to", "under", "until", "up", "was", "we", "were", "what", "when",
    "where", "which", "while", "who", "why", "will", "with", "would", "you", "your",
];

/// Cuts a document into about `chunks` chunks of whole lines; put together they are the document again.
pub fn split(document: &str, chunks: u32) -> Vec<String> {
    let wanted = usize::try_from(chunks.max(1)).unwrap_or(usize::MAX);
    let target = document.len().div_ceil(wanted);
    let mut parts: Vec<String> = Vec::new();
    for line in document.split_inclusive('\n') {
        match parts.last_mut() {
            Some(part) if part.len() < target => part.push_str(line),
            _ => parts.push(line.to_owned()),
        }
    }
    parts
}

/// Counts the words of a chunk, in alphabetical order.
pub fn count(chunk: &str) -> Vec<Tally> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for word in words(chunk).map(str::to_lowercase).filter(|word| has_meaning(word)) {
        *counts.entry(word).or_default() += 1;
    }
    counts.into_iter().map(|(word, times)| Tally { word, times }).collect()
}

/// Adds up the counts of all chunks and keeps the `limit` most frequent words.
pub fn merge(counts: Vec<Vec<Tally>>, limit: u32) -> Summary {
    let mut sums: BTreeMap<String, u32> = BTreeMap::new();
    for Tally { word, times } in counts.into_iter().flatten() {
        let sum = sums.entry(word).or_default();
        *sum = sum.saturating_add(times);
    }
    let distinct = u32::try_from(sums.len()).unwrap_or(u32::MAX);
    let mut top: Vec<Tally> = sums.into_iter().map(|(word, times)| Tally { word, times }).collect();
    top.sort_by_key(|tally| std::cmp::Reverse(tally.times)); // stable: equals stay in alphabetical order
    top.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Summary { distinct, top }
}

/// The words of a text as they stand there: letters, and apostrophes inside.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphabetic() && letter != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
}

/// A single letter says as little as a stop word.
fn has_meaning(word: &str) -> bool {
    word.chars().nth(1).is_some() && STOP_WORDS.binary_search(&word).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(word: &str, times: u32) -> Tally {
        Tally { word: word.to_owned(), times }
    }

    #[test]
    fn stop_words_are_sorted_so_that_they_are_found() {
        assert!(STOP_WORDS.is_sorted());
    }

    #[test]
    fn chunks_are_whole_lines_and_add_up_to_the_document() {
        let document = "one\ntwo\n\nthree four\nfive, without an end of line";
        for chunks in 0..9 {
            let parts = split(document, chunks);
            assert_eq!(parts.concat(), document);
            assert!(parts.iter().rev().skip(1).all(|part| part.ends_with('\n')));
            assert!(parts.len() <= usize::try_from(chunks.max(1)).unwrap());
        }
    }

    #[test]
    fn an_empty_document_has_no_chunks() {
        assert!(split("", 4).is_empty());
    }

    #[test]
    fn case_stop_words_and_punctuation_do_not_count() {
        assert_eq!(
            count("The host's task, a TASK; x `wasm-task`."),
            [tally("host's", 1), tally("task", 3), tally("wasm", 1),]
        );
    }

    #[test]
    fn merge_keeps_the_most_frequent_words_and_counts_all() {
        let chunks = vec![vec![tally("b", 1), tally("c", 2)], vec![tally("a", 1), tally("c", 3)]];
        assert!(merge(chunks, 2) == Summary { distinct: 3, top: vec![tally("c", 5), tally("a", 1)] });
    }

    #[test]
    fn chunks_do_not_change_the_result() {
        let document = include_str!("../../../wit/deps/cascade-task/task.wit");
        let merged = |chunks| merge(split(document, chunks).iter().map(|chunk| count(chunk)).collect(), 9);
        assert!(merged(1) == merged(7));
    }
}
