//! Guest texts in host messages: as one line of bounded length, or as the last lines of a long text.
//! Callers redact secrets first.

/// Maximum number of characters of a line. Guests choose function names and errors, of any length.
pub const MAX_LINE: usize = 400;

/// Maximum size of the shown end of a text, in bytes and in lines.
const MAX_END: usize = 2 << 10;
const MAX_LINES: usize = 16;

/// Formats a text as one line of bounded length, which can neither forge other lines nor control a terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(MAX_LINE) {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// Returns the last non-blank lines of a text, after a `…` if earlier ones were left out.
#[must_use]
pub fn last_lines(text: &str) -> Vec<String> {
    let end = text.get(text.ceil_char_boundary(text.len().saturating_sub(MAX_END))..).unwrap_or_default();
    let is_cut = end.len() < text.len();
    // The cut may fall within a line: drop that rest of a line, unless it is the only line.
    let complete = end.split_once('\n').map_or(end, |(half, rest)| {
        if is_cut && !rest.trim().is_empty() {
            rest
        } else if is_cut {
            half
        } else {
            end
        }
    });
    let lines: Vec<&str> = complete.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let first = lines.len().saturating_sub(MAX_LINES);
    let more = (is_cut || first > 0).then(|| "…".to_owned());
    more.into_iter().chain(lines.iter().skip(first).map(|line| one_line(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_escapes_control_characters_and_is_bounded() {
        assert_eq!(one_line("a\n  1: 0x2 - forged\r\u{1b}[2J"), "a\\n  1: 0x2 - forged\\r\\u{1b}[2J");
        assert_eq!(one_line(&"x".repeat(MAX_LINE)).len(), MAX_LINE);
        assert!(one_line(&"x".repeat(MAX_LINE + 1)).ends_with("x…"));
    }

    #[test]
    fn last_lines_are_bounded_and_mark_the_cut() {
        assert_eq!(last_lines(""), Vec::<String>::new());
        assert_eq!(last_lines("\n\n"), Vec::<String>::new());
        assert_eq!(last_lines("a\r\n\n  b\u{1b}[2J\nc"), ["a", "  b\\u{1b}[2J", "c"]);
        let numbered: Vec<String> = (0..1_000).map(|nth| format!("line {nth}")).collect();
        let numbered = numbered.join("\n");
        let shown = last_lines(&numbered);
        assert_eq!((shown.len(), &*shown[0], &*shown[1]), (MAX_LINES + 1, "…", "line 984"));
        assert_eq!(shown.last().map(String::as_str), Some("line 999"));
        let long = last_lines(&format!("before\n{}", "ß".repeat(100_000)));
        assert!(long.len() == 2 && long[1].chars().count() == MAX_LINE + 1, "{long:?}");
        let lines = last_lines(&format!("{}\n", "x".repeat(150)).repeat(100));
        assert!(lines.concat().len() < MAX_END && lines[1].len() == 150, "{lines:?}");
    }
}
