//! Finds the line of a text around a byte.
//! `cli/print/diagnostic` chooses the lines to show.

use std::ops::Range;

/// Returns the byte range of the line around `offset`, without its newline.
pub(crate) fn line_of(text: &str, offset: usize) -> Range<usize> {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end =
        text.get(offset..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| offset + newline);
    start..end
}
