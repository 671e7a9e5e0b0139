//! The beginning of a text that may be long, with a mark where it was cut.
//! How much is shown is for whoever shows it.

use std::borrow::Cow;

/// The mark of a cut. `Secrets` looks for the rest of a secret before it.
pub(crate) const CUT: char = '…';

/// The first characters of a text, at most so many, and a `…` if there are more.
#[must_use]
pub fn excerpt(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most).and_then(|(end, _)| text.get(..end)) {
        Some(beginning) => Cow::Owned(format!("{beginning}{CUT}")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_longer_is_cut_and_marked() {
        assert_eq!(excerpt("äöü", 3), "äöü");
        assert_eq!(excerpt("äöü", 2), "äö…");
        assert_eq!(excerpt("", 0), "");
    }
}
