//! Reads Rust source as far as the rules need: code without comments and strings, words, imports.
//! Macros are not expanded, since this is no parser. The rules are in `main.rs`.

use std::collections::BTreeSet;

/// Returns the first name after each `crate::`, except macros, which are at the root whatever module defines them, and
/// `$crate::port`, by which macros name what is public.
pub(crate) fn imports(code: &str) -> BTreeSet<String> {
    let is_public = |at: usize| code[..at].ends_with('$') && code[at..].starts_with("crate::port::");
    let after = code.match_indices("crate::").filter(|(at, _)| begins_word(code, *at) && !is_public(*at));
    let rests = after.map(|(at, found)| &code[at + found.len()..]);
    let names = rests.map(|rest| (word_at(rest), &rest[word_at(rest).len()..]));
    names
        .filter(|(name, next)| !name.is_empty() && !next.starts_with('!'))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// Returns whether a word may begin at a byte.
pub(crate) fn begins_word(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Returns the identifier at the beginning of `text`.
pub(crate) fn word_at(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Removes comments and the content of strings.
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

/// Returns the length of the string literal at the beginning of `text`, quotes included.
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

/// Returns the length of the raw string literal at the beginning of `text`; zero if there is none.
fn raw_string_len(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    if text.as_bytes().get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let start = 2 + hashes;
    let end = format!("\"{}", "#".repeat(hashes));
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// Returns the length of the character literal at the beginning of `text`; zero for a lifetime.
fn char_len(text: &str) -> usize {
    match text.char_indices().nth(1) {
        Some((_, '\\')) => text.get(3..).and_then(|rest| rest.find('\'')).map_or(0, |at| at + 4),
        Some((at, c)) if text[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => 0,
    }
}
