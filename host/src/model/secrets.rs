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
    /// Hides these texts, wherever they stand as they are, or as JSON writes them; of those of several lines each long one,
    /// since what guests write is told by lines.
    pub fn new(texts: impl IntoIterator<Item = String>) -> Self {
        let texts = texts.into_iter().flat_map(|text| forms(&text));
        let mut texts: Vec<String> = texts.filter(|text| text.chars().count() >= LEAST).collect();
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

/// Shorter lines of a text of several lines are not looked for: they may be a bracket, or an empty comment.
const LEAST_OF_LINE: usize = 8;

/// The forms in which a text may be shown.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![text.to_owned()];
    if text.contains('\n') {
        let lines = text.lines().map(str::trim).filter(|line| line.chars().count() >= LEAST_OF_LINE);
        forms.extend(lines.map(str::to_owned));
    }
    let escaped = forms.iter().filter_map(|form| serde_json::to_string(form).ok());
    let escaped: Vec<String> = escaped.map(|form| form.trim_matches('"').to_owned()).collect();
    forms.extend(escaped);
    forms
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

    #[test]
    fn forms_of_a_secret_are_replaced_too() {
        let secrets = Secrets::new(["pass\"word", "-----BEGIN-----\nMIIEvQIBADAN\n}\n"].map(str::to_owned));
        assert_eq!(secrets.hide(r#"{"err":"pass\"word"}, pass"word"#), r#"{"err":"***"}, ***"#);
        assert_eq!(secrets.hide("read MIIEvQIBADAN and }"), "read *** and }");
    }
}
