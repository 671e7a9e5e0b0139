//! Finds the line of a text around a byte.
//! `cli/print/diagnostic` chooses the lines to show.

use std::ops::Range;

/// Returns the bytes of the line around `at`, without its newline.
pub(crate) fn line_of(text: &str, at: usize) -> Range<usize> {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| at + newline);
    start..end
}
