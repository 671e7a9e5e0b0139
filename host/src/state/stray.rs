//! Characters that nobody sees and that get into a text from files and variables: what and where they are.
//! The text itself may be a password and is never repeated.

/// The first control character of a text, and white space at either end, in words: `character 8 is a line end (`\n`)`.
#[cfg(feature = "redis")]
pub(crate) fn stray(text: &str) -> Option<String> {
    let last = text.chars().count().saturating_sub(1);
    let is_stray = |at: usize, c: char| c.is_control() || (c.is_whitespace() && (at == 0 || at == last));
    let found = text.chars().enumerate().find(|(at, c)| is_stray(*at, *c));
    found.map(|(at, c)| format!("character {} is {}", at + 1, name(c)))
}

/// The first control character of a text, in words.
pub(crate) fn control(text: &str) -> Option<String> {
    let found = text.chars().enumerate().find(|(_, c)| c.is_control());
    found.map(|(at, c)| format!("character {} is {}", at + 1, name(c)))
}

/// A character that nobody sees, in words.
pub(crate) fn name(c: char) -> String {
    match c {
        '\n' | '\r' => format!("a line end (`{}`)", c.escape_default()),
        '\t' => "a tab (`\\t`)".to_owned(),
        ' ' => "a space".to_owned(),
        _ => format!("the character U+{:04X}", u32::from(c)), // as people look it up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_named_with_its_place_and_nothing_else_is() {
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
            assert_eq!(stray(text).as_deref(), found, "{text:?}");
        }
        assert_eq!(control(" x "), None);
        assert_eq!(control(" x\n").as_deref(), Some("character 3 is a line end (`\\n`)"));
    }
}
