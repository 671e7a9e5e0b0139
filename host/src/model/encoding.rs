//! Byte order marks, which editors put before a text: what they say of its encoding, and the text without.
//! Whether a mark belongs to the text is for whoever reads it: in data it does.

/// The byte order mark.
const MARK: char = '\u{feff}';

/// The encodings that are recognized by their byte order marks and not read, longer marks first.
const MARKED: [(&[u8], &str); 4] = [
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
];

/// The encoding that a text has instead of UTF-8, if its byte order mark says so.
#[must_use]
pub fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    MARKED.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, name)| *name)
}

/// A text in UTF-8 without its byte order mark.
#[must_use]
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_name_an_encoding_or_are_left_out() {
        assert_eq!(other_encoding(b"\xff\xfea\0"), Some("UTF-16"));
        assert_eq!(other_encoding(b"\xfe\xff\0a"), Some("UTF-16"));
        assert_eq!(other_encoding(b"\xff\xfe\0\0a\0\0\0"), Some("UTF-32"));
        assert_eq!(other_encoding("\u{feff}a".as_bytes()), None);
        assert_eq!(without_mark("\u{feff}a"), "a");
        assert_eq!(without_mark("a\u{feff}"), "a\u{feff}");
    }
}
