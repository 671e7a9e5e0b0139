//! Invisible characters that get into a text from files and variables: finds and describes them.
//! The text itself may be a password and is never repeated.

/// The first control character of a text, and white space at either end, in words: `character 8 is a line end (`\n`)`.
#[cfg(feature = "redis")]
pub(crate) fn find_invisible(text: &str) -> Option<String> {
    let last = text.chars().count().saturating_sub(1);
    let is_invisible =
        |idx: usize, c: char| c.is_control() || (c.is_whitespace() && (idx == 0 || idx == last));
    let found = text.chars().enumerate().find(|(idx, c)| is_invisible(*idx, *c));
    found.map(|(idx, c)| format!("character {} is {}", idx + 1, describe(c)))
}

/// Describes the first control character of a text.
pub(crate) fn find_control(text: &str) -> Option<String> {
    let found = text.chars().enumerate().find(|(_, c)| c.is_control());
    found.map(|(idx, c)| format!("character {} is {}", idx + 1, describe(c)))
}

/// Describes an invisible character.
pub(crate) fn describe(c: char) -> String {
    match c {
        '\n' | '\r' => format!("a line end (`{}`)", c.escape_default()),
        '\t' => "a tab (`\\t`)".to_owned(),
        ' ' => "a space".to_owned(),
        _ => format!("the character U+{:04X}", u32::from(c)), // the notation of Unicode tables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_described_with_their_positions() {
        for (text, found) in [
            ("hunter2\n", Some("character 8 is a line end (`\\n`)")),
            ("hunter2\r\n", Some("character 8 is a line end (`\\r`)")),
            (" hunter2", Some("character 1 is a space")),
            ("hunter2 ", Some("character 8 is a space")),
            ("h\u{7}unter2", Some("character 2 is the character U+0007")),
            ("hün\tter2", Some("character 4 is a tab (`\\t`)")),
            ("\u{a0}x", Some("character 1 is the character U+00A0")),
            ("hun ter2", None),
            ("", None),
        ] {
            assert_eq!(find_invisible(text).as_deref(), found, "{text:?}");
        }
        assert_eq!(find_control(" x "), None);
        assert_eq!(find_control(" x\n").as_deref(), Some("character 3 is a line end (`\\n`)"));
    }
}
