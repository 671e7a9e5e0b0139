//! Texts that are shown nowhere, and the one way to take them out of what is shown.
//! Which texts are secret is for whoever reads them; finding them is for `patterns`.

use crate::model::excerpt::CUT;
use crate::model::patterns::Patterns;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Minimum length of a redacted text. Shorter ones, such as `1` or `no`, reveal nothing, and redacting them would
/// make lines unreadable.
const LEAST: usize = 4;

/// Shorter lines of a text of many lines are not looked for: they may be a bracket, or an empty comment.
const LEAST_OF_LINE: usize = 8;

/// Texts of so few lines, such as a name and a password, have no such lines.
const FEW_LINES: usize = 8;

/// Most marks of one text that are looked at; the host cuts a text once.
const MOST_CUTS: usize = 8;

/// Texts that are shown nowhere. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Patterns>);

impl Secrets {
    /// Hides these values in every form in which they are shown:
    ///
    /// - as text without the white space around it; bytes as the text that they are, or as base64;
    /// - of a text of several lines each line that is long enough: what guests write is told by lines;
    /// - all of that as JSON writes it.
    pub fn new<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Self {
        let texts = values.into_iter().flat_map(|value| forms(value.as_ref()));
        Self(Arc::new(Patterns::new(texts.filter(|text| is_at_least(text, LEAST)))))
    }

    /// Whether a value is long enough to be looked for, if the least is so many characters.
    #[must_use]
    pub fn has_at_least(value: &str, characters: usize) -> bool {
        is_at_least(core(value), characters)
    }

    /// The text with `***` in place of every secret in it, and of the beginning of one before a `…`.
    #[must_use]
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.len() == 0 {
            return Cow::Borrowed(text);
        }
        let mut found: Vec<Range<usize>> = self.0.find(text).collect();
        found.extend(self.cut(text));
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable_by_key(|range| range.start);
        let mut shown = String::with_capacity(text.len());
        let mut end = 0;
        for (nth, range) in found.into_iter().enumerate() {
            // Secrets that overlap or touch are one mark.
            if nth == 0 || range.start > end {
                shown.push_str(text.get(end..range.start).unwrap_or_default());
                shown.push_str("***");
            }
            end = end.max(range.end);
        }
        shown.push_str(text.get(end..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Beginnings of secrets that stand before the mark of a cut.
    fn cut(&self, text: &str) -> Vec<Range<usize>> {
        let marks = text.rmatch_indices(CUT).take(MOST_CUTS);
        let begun = marks.filter_map(|(at, _)| Some(self.0.find_begun(text.get(..at)?, LEAST)?..at));
        begun.collect()
    }
}

/// The forms in which a value may be shown.
fn forms(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    let core = core(&text);
    let mut forms = vec![STANDARD.encode(value)];
    if core.len() < text.len() {
        forms.push(STANDARD.encode(core));
    }
    let lines: Vec<&str> = core.split(is_line_end).map(self::core).filter(|line| !line.is_empty()).collect();
    let least = if lines.len() > FEW_LINES { LEAST_OF_LINE } else { LEAST };
    let lines = if lines.len() > 1 { lines } else { Vec::new() };
    // White space counts where there is next to nothing else.
    let whole = if is_at_least(core, LEAST) { core } else { &text };
    for shown in lines.into_iter().filter(|line| is_at_least(line, least)).chain([whole]) {
        forms.extend(in_json(shown));
        forms.push(shown.to_owned());
    }
    forms
}

/// A text without what nobody sees around it: white space, line ends, a byte order mark.
fn core(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'))
}

const fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_at_least(text: &str, characters: usize) -> bool {
    characters == 0 || text.chars().nth(characters - 1).is_some()
}

/// A text as JSON writes it, if that is another one.
fn in_json(text: &str) -> Option<String> {
    let json = serde_json::to_string(text).ok()?;
    let json = json.strip_prefix('"')?.strip_suffix('"')?;
    (json != text).then(|| json.to_owned())
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(secret: &[u8], text: &str) -> String {
        Secrets::new([secret]).hide(text).into_owned()
    }

    #[test]
    fn secrets_are_replaced_wherever_they_stand_and_short_texts_are_not() {
        let secrets = Secrets::new(["hunter2", "hunter2hunter", "no"]);
        assert_eq!(secrets.hide("hunter2hunter, hunter2; no"), "***, ***; no");
        assert_eq!(secrets.hide("hunter2hunter2hunter"), "***");
        assert!(matches!(secrets.hide("nothing"), Cow::Borrowed("nothing")));
        let shown = format!("{secrets:?}");
        assert!(shown.starts_with("Secrets(") && !shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn white_space_around_a_secret_does_not_show_it() {
        for around in ["\n", "\r\n", "  ", "\t", "\u{feff}", "\0", "\n\n", "\u{a0}", "\u{2028}"] {
            for secret in [format!("s3cr{around}"), format!("{around}s3cr"), format!("{around}s3cr{around}")]
            {
                assert_eq!(hidden(secret.as_bytes(), "it is s3cr!"), "it is ***!", "{secret:?}");
            }
        }
        assert_eq!(hidden(b"abc\n", "abc"), "abc");
        assert!(Secrets::has_at_least(" hunter2 \n", 7) && !Secrets::has_at_least(" hunter2 \n", 8));
    }

    #[test]
    fn forms_of_a_secret_are_replaced_too() {
        let secrets = Secrets::new(["pass\"word"]);
        assert_eq!(secrets.hide(r#"{"err":"pass\"word"}, pass"word"#), r#"{"err":"***"}, ***"#);
        assert_eq!(hidden(b"hunter2\n", "aHVudGVyMgo= and aHVudGVyMg=="), "*** and ***");
    }

    #[test]
    fn lines_of_a_secret_are_replaced_one_by_one() {
        let key = format!("-----BEGIN-----\n{}}}\n-----END-----\n", "MIIEvQIBADAN\r\nab\n".repeat(9));
        assert_eq!(hidden(key.as_bytes(), "read MIIEvQIBADAN and ab }"), "read *** and ab }");
        assert_eq!(hidden(key.as_bytes(), &format!("<{}>", in_json(&key).unwrap())), "<***\\n>");
        for login in ["user\nhunter2\n", "user\r\nhunter2", "user\rhunter2", "user\u{2028}\u{2028}hunter2"] {
            assert_eq!(hidden(login.as_bytes(), "as user by hunter2"), "as *** by ***", "{login:?}");
        }
    }

    #[test]
    fn bytes_are_hidden_as_the_text_that_is_shown_of_them() {
        let bytes = b"caf\xe9-hunter2\n";
        assert_eq!(hidden(bytes, &format!("got {}", String::from_utf8_lossy(bytes))), "got ***\n");
    }

    #[test]
    fn what_is_left_of_a_secret_by_a_cut_is_hidden() {
        let long = "0123456789".repeat(1000);
        for at in [4, 255, 256, 300, 5000] {
            assert_eq!(hidden(long.as_bytes(), &format!("the error \"{}…", &long[..at])), "the error \"***…");
        }
        assert_eq!(hidden(b"hunter2", "hunt and hun… and hunte… more"), "hunt and hun… and ***… more");
    }
}
