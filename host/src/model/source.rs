//! A text of a user with its name, and ranges of bytes in it.
//! `sources` numbers several texts; `fault` says what is wrong with one.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A range of bytes in a source text, or in [`Sources`], which number the bytes of several texts.
pub type Span = Range<usize>;

/// A text with its file name. It may hold secrets: `Debug` shows the name only.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    /// The path as the user wrote it.
    pub name: String,
    /// The whole text.
    pub text: Arc<str>,
}

impl Source {
    /// Returns line and column of the byte at `offset`, both counted from one, the column in characters.
    #[must_use]
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let column = before.get(start..).map_or(0, |text| text.chars().count()) + 1;
        (line, column)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_and_characters() {
        let source = Source { name: "m.toml".into(), text: "a = 1\nß = 2\n".into() };
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(9), (2, 3));
    }
}
