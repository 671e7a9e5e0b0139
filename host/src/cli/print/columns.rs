//! Columns of text for terminals: padding and wrapping, measured in characters.
//! The tables supply the content.

/// Maximum width of a table, about that of terminals placed side by side.
pub(crate) const WIDTH: usize = 100;

/// Appends `first` padded to `indent`, then `text` wrapped between words with a hanging indent.
pub(crate) fn hang(out: &mut String, first: &str, indent: usize, text: &str) {
    let mut line = first.to_owned();
    let mut width = first.chars().count();
    let mut has_word = false;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if has_word && width + 1 + len > WIDTH {
            put_line(out, 0, line.trim_end());
            line.clear();
            (width, has_word) = (0, false);
        }
        let gap = if has_word { 1 } else { indent.saturating_sub(width) };
        line.extend(std::iter::repeat_n(' ', gap));
        line.push_str(word);
        width += gap + len;
        has_word = true;
    }
    put_line(out, 0, line.trim_end());
}

/// Appends `text` as one indented line, unwrapped.
pub(crate) fn put_line(out: &mut String, indent: usize, text: &str) {
    out.extend(std::iter::repeat_n(' ', indent));
    out.push_str(text);
    out.push('\n');
}

/// Returns the width of a column that fits all of `texts`, capped at `max_width`.
pub(crate) fn column<'a>(texts: impl Iterator<Item = &'a str>, max_width: usize) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or_default().min(max_width)
}

/// Pads `text` to `width` characters; longer texts are kept whole.
pub(crate) fn pad(text: &str, width: usize) -> String {
    format!("{text:width$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hung(first: &str, indent: usize, text: &str) -> String {
        let mut out = String::new();
        hang(&mut out, first, indent, text);
        out
    }

    #[test]
    fn wrapped_text_has_a_hanging_indent() {
        assert_eq!(hung("  a", 6, "b c"), "  a   b c\n");
        assert_eq!(hung("  a", 6, ""), "  a\n");
        assert_eq!(hung("", 2, &"word ".repeat(21)), format!("  {}\n  word word\n", ["word"; 19].join(" ")));
    }

    #[test]
    fn overlong_words_are_not_broken() {
        let long = "x".repeat(150);
        assert_eq!(hung("", 2, &format!("a {long} b")), format!("  a\n  {long}\n  b\n"));
    }
}
