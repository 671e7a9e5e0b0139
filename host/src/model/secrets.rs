//! Texts that are shown nowhere, and the one way to take them out of what is shown.
//! Which texts are secret is for whoever reads them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Shorter texts are not looked for: nothing of `1` or `no` is given away by a line that has it, and hiding them would
/// make lines unreadable.
const LEAST: usize = 4;

/// Texts that are shown nowhere. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// Hides these texts.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let mut texts: Vec<String> = texts.into_iter().filter(|text| text.chars().count() >= LEAST).collect();
        // Longer ones first: one that is part of another must not leave the rest of it.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        Self(texts.into())
    }

    /// The text with `***` in place of every secret in it.
    #[must_use]
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut shown = Cow::Borrowed(text);
        for secret in &*self.0 {
            if shown.contains(secret.as_str()) {
                shown = Cow::Owned(shown.replace(secret.as_str(), "***"));
            }
        }
        shown
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced_wherever_they_stand_and_short_texts_are_not() {
        let secrets = Secrets::new(["hunter2", "hunter2hunter", "no"].map(str::to_owned));
        assert_eq!(secrets.hide("hunter2hunter, hunter2; no"), "***, ***; no");
        assert!(matches!(secrets.hide("nothing"), Cow::Borrowed("nothing")));
        assert_eq!(format!("{secrets:?}"), "Secrets(2)");
    }
}
