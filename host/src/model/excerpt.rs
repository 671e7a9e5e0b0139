//! The beginning of a text that may be long, with a mark where it was cut.
//! Callers choose the length.

use std::borrow::Cow;

/// The mark of a cut. `Secrets` looks for the rest of a secret before it.
pub(crate) const CUT: char = '…';

/// Returns the first `max` characters of a text, followed by `…` if there are more.
#[must_use]
pub fn excerpt(text: &str, max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max).and_then(|(end, _)| text.get(..end)) {
        Some(beginning) => Cow::Owned(format!("{beginning}{CUT}")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_texts_are_cut_and_marked() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöü", 2), "äö…");
        assert_eq!(excerpt("", 0), "");
    }
}
