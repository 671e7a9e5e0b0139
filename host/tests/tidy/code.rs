//! Reads Rust as far as the rules need: code without comments and strings, words, imports.
//! No parser: what macros make is not seen.

use std::collections::BTreeSet;

/// The first name after each `crate::`, but for macros, which stand at the root whatever module they are of.
pub(crate) fn imports(code: &str) -> BTreeSet<String> {
    let after = code.match_indices("crate::").filter(|(at, _)| begins_word(code, *at));
    let rests = after.map(|(at, found)| &code[at + found.len()..]);
    let names = rests.map(|rest| (word_at(rest), &rest[word_at(rest).len()..]));
    names
        .filter(|(name, next)| !name.is_empty() && !next.starts_with('!'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Whether no word goes on at a byte.
pub(crate) fn begins_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The identifier that `text` begins with.
pub(crate) fn word_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Rust without its comments and without what stands in strings.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' => string_len(rest),
            'r' if begins_word(&code, code.len()) => raw_string_len(rest),
            '\'' => char_len(rest),
            _ => 0,
        };
        if skipped == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            rest = &rest[skipped..];
        }
    }
    code
}

/// The length of the string that `text` begins with, quotes counted.
fn string_len(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of the raw string that `text` begins with; zero if it begins otherwise.
fn raw_string_len(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    if text.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let start = 2 + hashes;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// The length of the character that `text` begins with; zero for a lifetime.
fn char_len(text: &str) -> usize {
    match text.char_indices().nth(1) {
        Some((_, '\\')) => text.get(3..).and_then(|rest| rest.find('\'')).map_or(0, |at| at + 4),
        Some((at, c)) if text[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 0,
    }
}
