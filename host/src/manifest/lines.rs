//! Lines of a text by byte position.
//! Which lines are shown for a fault is for the command line.

use std::ops::Range;

/// The bytes of the line around `at`, without its end.
pub(crate) fn line_of(text: &str, at: usize) -> Range<usize> {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| at + newline);
    start..end
}
