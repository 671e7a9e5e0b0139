//! Byte order marks, which some editors write: the encoding that a mark declares, and the text without the mark.
//! The caller decides whether a mark belongs to the text; in data it does.

/// The byte order mark.
const MARK: char = '\u{feff}';

/// The unsupported encodings and their byte order marks, longer marks first.
const MARKED: [(&[u8], &str); 4] = [
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

/// Returns the encoding other than UTF-8 that the byte order mark declares.
#[must_use]
pub fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    MARKED.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, name)| *name)
}

/// Strips the byte order mark from a UTF-8 text.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_order_marks_are_recognized_and_stripped() {
        assert_eq!(other_encoding(b"\xff\xfea\0"), Some("UTF-16"));
        assert_eq!(other_encoding(b"\xfe\xff\0a"), Some("UTF-16"));
        assert_eq!(other_encoding(b"\xff\xfe\0\0a\0\0\0"), Some("UTF-32"));
        assert_eq!(other_encoding("\u{feff}a".as_bytes()), None);
        assert_eq!(without_mark("\u{feff}a"), "a");
        assert_eq!(without_mark("a\u{feff}"), "a\u{feff}");
    }
}
