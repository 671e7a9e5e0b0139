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

/// Sanitizes a text: every character that could steer a terminal is written as `\u{…}`. Keeps tabs and newlines.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Sanitizes a text within a line, newlines included.
pub(crate) fn harmless_name(text: &str) -> Cow<'_, str> {
    match harmless(text) {
        shown if !shown.contains(['\n', '\t']) => shown,
        shown => Cow::Owned(shown.replace('\n', "\\u{a}").replace('\t', "\\u{9}")),
    }
}

/// JSON with every such character escaped as JSON does it, so that it is the same value: in JSON they stand within strings.
pub(crate) fn harmless_json(json: &[u8]) -> Cow<'_, [u8]> {
    // What is stored by others may be no JSON, and no text.
    match String::from_utf8_lossy(json) {
        Cow::Borrowed(text) if !text.chars().any(steers) => Cow::Borrowed(json),
        text => {
            let mut shown = String::with_capacity(text.len() + 16);
            for c in text.chars() {
                if steers(c) {
                    shown.push_str(&format!("\\u{:04x}", u32::from(c)));
                } else {
                    shown.push(c);
                }
            }
            Cow::Owned(shown.into_bytes())
        }
    }
}

/// Text that is marked by escape sequences of our own, with all other characters written out that could steer a terminal.
pub(crate) fn harmless_marked(text: &str) -> Cow<'_, str> {
    let mut parts = text.split('\u{1b}').map(harmless).peekable();
    match parts.next() {
        Some(Cow::Borrowed(_)) if parts.peek().is_none() => Cow::Borrowed(text),
        Some(first) => {
            let rest = parts.map(|part| format!("\u{1b}{part}"));
            Cow::Owned(std::iter::once(first.into_owned()).chain(rest).collect())
        }
        None => Cow::Borrowed(text), // a text has a first part
    }
}

/// Whether a terminal does more with a character than show it; those count that turn the direction of writing, and those
/// that end a line without being its end.
fn steers(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends = matches!(c, '\u{2028}' | '\u{2029}');
    turns || ends || (c.is_control() && !matches!(c, '\t' | '\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paints_only_where_colour_is_wanted() {
        assert_eq!(Style::Plain.paint(Ink::Bad, "failed"), "failed");
        assert_eq!(Style::Coloured.paint(Ink::Good, "done"), "\u{1b}[32mdone\u{1b}[0m");
    }

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        for (text, shown) in [
            ("plain ß\tx\n", "plain ß\tx\n"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("\u{9b}31m\r", "\\u{9b}31m\\u{d}"),
            ("\u{202e}txt", "\\u{202e}txt"),
            ("\u{61c}\u{200f}\u{2028}", "\\u{61c}\\u{200f}\\u{2028}"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({ "a\u{9b}": ["\u{202e}txt\u{7f}", "ß\n\u{1b}", 1] });
        let json = serde_json::to_vec_pretty(&value).unwrap();
        let shown = String::from_utf8(harmless_json(&json).into_owned()).unwrap();
        assert!(shown.contains(r#""a\u009b""#) && shown.contains(r#""\u202etxt\u007f""#), "{shown}");
        assert!(!shown.chars().any(steers), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        assert!(matches!(harmless_json(b"{\n}"), Cow::Borrowed(b"{\n}")));
        assert_eq!(*harmless_json(b"\xff\x1b"), *"\u{fffd}\\u001b".as_bytes());
    }

    #[test]
    fn marks_of_our_own_stay() {
        let marked = Style::Coloured.paint(Ink::Bad, "a\u{9b}b");
        assert_eq!(harmless_marked(&marked), marked.replace('\u{9b}', "\\u{9b}"));
        assert!(matches!(harmless_marked("plain\n"), Cow::Borrowed("plain\n")));
    }
}
