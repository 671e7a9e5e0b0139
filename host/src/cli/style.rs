//! How words are marked by colour, and how the text of strangers is made harmless for a terminal.
//! Whether a terminal wants colour is for `terminal` to find out.

use anstyle::AnsiColor;
use std::borrow::Cow;

/// Whether words are marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Text alone.
    Plain,
    /// Marked by escape sequences.
    Coloured,
}

/// What a word is, from which its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// It went wrong.
    Bad,
    /// It may go wrong.
    Warn,
    /// It went well.
    Good,
    /// It went well without work: a result that was there already.
    Calm,
    /// It matters less than what stands around it.
    Faint,
    /// A heading.
    Title,
}

impl Ink {
    const fn look(self) -> anstyle::Style {
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
    /// The text, marked for what it is.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => {
                let look = ink.look();
                format!("{look}{text}{look:#}")
            }
        }
    }
}

/// The text with every character that could steer a terminal written as `\u{…}`. Keeps tabs and line ends.
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

/// The same for what stands within a line: it may not begin another.
pub(crate) fn harmless_name(text: &str) -> Cow<'_, str> {
    match harmless(text) {
        shown if !shown.contains(['\n', '\t']) => shown,
        shown => Cow::Owned(shown.replace('\n', "\\u{a}").replace('\t', "\\u{9}")),
    }
}

/// Whether a terminal does more with a character than show it; those that turn the direction of writing count.
fn steers(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && !matches!(c, '\t' | '\n'))
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
        ] {
            assert_eq!(harmless(text), shown);
        }
    }
}
