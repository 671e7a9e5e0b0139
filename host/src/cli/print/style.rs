//! Colours for terminals, and sanitizing of untrusted text.
//! `process/terminal` detects whether a terminal wants colour.

use anstyle::AnsiColor;
use std::borrow::Cow;

/// The choice between plain and coloured text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Plain text.
    Plain,
    /// Text with escape sequences.
    Coloured,
}

/// The meaning of a word, which decides its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// A failure.
    Bad,
    /// A warning.
    Warn,
    /// A success.
    Good,
    /// A success without work, such as a result that existed already.
    Calm,
    /// A detail that matters less than its surroundings.
    Faint,
    /// A heading.
    Title,
}

impl Ink {
    const fn ansi_style(self) -> anstyle::Style {
        match self {
            Self::Bad => AnsiColor::BrightRed.on_default().bold(),
            Self::Warn => AnsiColor::Yellow.on_default().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Calm => AnsiColor::Cyan.on_default(),
            Self::Faint => anstyle::Style::new().dimmed(),
            Self::Title => anstyle::Style::new().bold(),
        }
    }
}

impl Style {
    /// Colours the text by its meaning.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => {
                let look = ink.ansi_style();
                format!("{look}{text}{look:#}")
            }
        }
    }
}

/// Escapes control characters, and others that a terminal interprets, as `\u{…}`. Keeps tabs and newlines.
pub(crate) fn escape_control(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Escapes control characters in a text within a line, tabs and newlines included.
pub(crate) fn escape_control_line(text: &str) -> Cow<'_, str> {
    match escape_control(text) {
        shown if !shown.contains(['\n', '\t']) => shown,
        shown => Cow::Owned(shown.replace('\n', "\\u{a}").replace('\t', "\\u{9}")),
    }
}

/// Escapes control characters by the rules of JSON, so that the value stays the same: they occur only within strings.
pub(crate) fn escape_control_json(json: &[u8]) -> Cow<'_, [u8]> {
    // Other programs may have stored bytes that are no JSON and no text.
    match String::from_utf8_lossy(json) {
        Cow::Borrowed(text) if !text.chars().any(is_unsafe) => Cow::Borrowed(json),
        text => {
            let mut shown = String::with_capacity(text.len() + 16);
            for c in text.chars() {
                if is_unsafe(c) {
                    shown.push_str(&format!("\\u{:04x}", u32::from(c)));
                } else {
                    shown.push(c);
                }
            }
            Cow::Owned(shown.into_bytes())
        }
    }
}

/// Escapes control characters in a styled text, but keeps the escape sequences of its style.
pub(crate) fn escape_control_styled(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('\u{1b}').map(escape_control).peekable();
    match parts.next() {
        Some(Cow::Borrowed(_)) if parts.peek().is_none() => Cow::Borrowed(text),
        Some(first) => {
            let rest = parts.map(|part| format!("\u{1b}{part}"));
            Cow::Owned(std::iter::once(first.into_owned()).chain(rest).collect())
        }
        None => Cow::Borrowed(text), // a text has a first part
    }
}

/// Returns whether a terminal interprets a character: control characters, bidirectional marks, and Unicode line
/// separators.
fn is_unsafe(c: char) -> bool {
    let is_bidirectional =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_separator = matches!(c, '\u{2028}' | '\u{2029}');
    is_bidirectional || is_separator || (c.is_control() && !matches!(c, '\t' | '\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_style_adds_no_colour() {
        assert_eq!(Style::Plain.paint(Ink::Bad, "failed"), "failed");
        assert_eq!(Style::Coloured.paint(Ink::Good, "done"), "\u{1b}[32mdone\u{1b}[0m");
    }

    #[test]
    fn control_characters_are_escaped() {
        for (text, shown) in [
            ("plain ß\tx\n", "plain ß\tx\n"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("\u{9b}31m\r", "\\u{9b}31m\\u{d}"),
            ("\u{202e}txt", "\\u{202e}txt"),
            ("\u{61c}\u{200f}\u{2028}", "\\u{61c}\\u{200f}\\u{2028}"),
        ] {
            assert_eq!(escape_control(text), shown);
        }
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = serde_json::json!({ "a\u{9b}": ["\u{202e}txt\u{7f}", "ß\n\u{1b}", 1] });
        let json = serde_json::to_vec_pretty(&value).unwrap();
        let shown = String::from_utf8(escape_control_json(&json).into_owned()).unwrap();
        assert!(shown.contains(r#""a\u009b""#) && shown.contains(r#""\u202etxt\u007f""#), "{shown}");
        assert!(!shown.chars().any(is_unsafe), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(matches!(escape_control_json(b"{\n}"), Cow::Borrowed(b"{\n}")));
        assert_eq!(*escape_control_json(b"\xff\x1b"), *"\u{fffd}\\u001b".as_bytes());
    }

    #[test]
    fn escape_sequences_of_the_style_are_kept() {
        let marked = Style::Coloured.paint(Ink::Bad, "a\u{9b}b");
        assert_eq!(escape_control_styled(&marked), marked.replace('\u{9b}', "\\u{9b}"));
        assert!(matches!(escape_control_styled("plain\n"), Cow::Borrowed("plain\n")));
    }
}
