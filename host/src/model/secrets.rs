//! Redaction: replaces secret values in text that is about to be shown.
//! Callers decide which values are secret; `patterns` finds them.

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
const MIN_LEN: usize = 4;

/// Minimum length of a redacted line of a secret with many lines; a shorter one may be a bracket or an empty comment.
const MIN_LINE_LEN: usize = 8;

/// Maximum number of lines of a short secret, such as a name and a password, where `MIN_LINE_LEN` does not apply.
const MAX_SHORT_LINES: usize = 8;

/// Maximum number of cut marks that are checked in one text; the host cuts a text once.
const MAX_CUTS: usize = 8;

/// Secret values, to be redacted wherever text is shown. Cheap to clone.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Patterns>);

impl Secrets {
    /// Registers these values in every form in which they may be shown:
    ///
    /// - as text without the white space around it, with bytes decoded as UTF-8, and as base64;
    /// - for a text of several lines, each line that is long enough, since guest output is logged by lines;
    /// - each of these escaped as in JSON.
    pub fn new<V: AsRef<[u8]>>(values: impl IntoIterator<Item = V>) -> Self {
        let texts = values.into_iter().flat_map(|value| forms(value.as_ref()));
        Self(Arc::new(Patterns::new(texts.filter(|text| is_at_least(text, MIN_LEN)))))
    }

    /// Returns whether a value, without the white space around it, has at least this many characters.
    #[must_use]
    pub fn has_at_least(value: &str, characters: usize) -> bool {
        is_at_least(trimmed(value), characters)
    }

    /// Returns the text with `***` for every secret in it, and for the beginning of a secret before a `…`.
    #[must_use]
    pub fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.0.len() == 0 {
            return Cow::Borrowed(text);
        }
        let mut found: Vec<Range<usize>> = self.0.find(text).collect();
        found.extend(self.cut_secrets(text));
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_unstable_by_key(|range| range.start);
        let mut shown = String::with_capacity(text.len());
        let mut end = 0;
        for (nth, range) in found.into_iter().enumerate() {
            // Secrets that overlap or touch become one `***`.
            if nth == 0 || range.start > end {
                shown.push_str(text.get(end..range.start).unwrap_or_default());
                shown.push_str("***");
            }
            end = end.max(range.end);
        }
        shown.push_str(text.get(end..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Finds the beginnings of secrets directly before the mark of a cut.
    fn cut_secrets(&self, text: &str) -> Vec<Range<usize>> {
        let marks = text.rmatch_indices(CUT).take(MAX_CUTS);
        let cut =
            marks.filter_map(|(mark, _)| Some(self.0.find_prefix_at_end(text.get(..mark)?, MIN_LEN)?..mark));
        cut.collect()
    }
}

/// Returns the forms in which a value may be shown.
fn forms(value: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(value);
    let trimmed = trimmed(&text);
    let mut forms = vec![STANDARD.encode(value)];
    if trimmed.len() < text.len() {
        forms.push(STANDARD.encode(trimmed));
    }
    let lines: Vec<&str> =
        trimmed.split(is_line_end).map(self::trimmed).filter(|line| !line.is_empty()).collect();
    let min_len = if lines.len() > MAX_SHORT_LINES { MIN_LINE_LEN } else { MIN_LEN };
    let lines = if lines.len() > 1 { lines } else { Vec::new() };
    // The white space is part of a secret that is too short without it.
    let complete = if is_at_least(trimmed, MIN_LEN) { trimmed } else { &text };
    for shown in lines.into_iter().filter(|line| is_at_least(line, min_len)).chain([complete]) {
        forms.extend(escaped_for_json(shown));
        forms.push(shown.to_owned());
    }
    forms
}

/// Trims invisible characters: white space, line ends, a byte order mark.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'))
}

const fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_at_least(text: &str, characters: usize) -> bool {
    characters == 0 || text.chars().nth(characters - 1).is_some()
}

/// Escapes a text as JSON does; `None` if that changes nothing.
fn escaped_for_json(text: &str) -> Option<String> {
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
    fn secrets_are_redacted_everywhere_except_short_ones() {
        let secrets = Secrets::new(["hunter2", "hunter2hunter", "no"]);
        assert_eq!(secrets.hide("hunter2hunter, hunter2; no"), "***, ***; no");
        assert_eq!(secrets.hide("hunter2hunter2hunter"), "***");
        assert!(matches!(secrets.hide("nothing"), Cow::Borrowed("nothing")));
        let shown = format!("{secrets:?}");
        assert!(shown.starts_with("Secrets(") && !shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn white_space_around_a_secret_is_ignored() {
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
    fn encoded_forms_of_a_secret_are_redacted() {
        let secrets = Secrets::new(["pass\"word"]);
        assert_eq!(secrets.hide(r#"{"err":"pass\"word"}, pass"word"#), r#"{"err":"***"}, ***"#);
        assert_eq!(hidden(b"hunter2\n", "aHVudGVyMgo= and aHVudGVyMg=="), "*** and ***");
    }

    #[test]
    fn lines_of_a_secret_are_redacted_separately() {
        let key = format!("-----BEGIN-----\n{}}}\n-----END-----\n", "MIIEvQIBADAN\r\nab\n".repeat(9));
        assert_eq!(hidden(key.as_bytes(), "read MIIEvQIBADAN and ab }"), "read *** and ab }");
        assert_eq!(hidden(key.as_bytes(), &format!("<{}>", escaped_for_json(&key).unwrap())), "<***\\n>");
        for login in ["user\nhunter2\n", "user\r\nhunter2", "user\rhunter2", "user\u{2028}\u{2028}hunter2"] {
            assert_eq!(hidden(login.as_bytes(), "as user by hunter2"), "as *** by ***", "{login:?}");
        }
    }

    #[test]
    fn invalid_utf8_is_redacted_in_its_lossy_form() {
        let bytes = b"caf\xe9-hunter2\n";
        assert_eq!(hidden(bytes, &format!("got {}", String::from_utf8_lossy(bytes))), "got ***\n");
    }

    #[test]
    fn beginning_of_a_secret_before_a_cut_is_redacted() {
        let long = "0123456789".repeat(1000);
        for at in [4, 255, 256, 300, 5000] {
            assert_eq!(hidden(long.as_bytes(), &format!("the error \"{}…", &long[..at])), "the error \"***…");
        }
        assert_eq!(hidden(b"hunter2", "hunt and hun… and hunte… more"), "hunt and hun… and ***… more");
    }
}
