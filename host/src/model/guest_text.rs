//! Guest texts in host messages: as one line of bounded length, as the last lines of stderr, or as quoted lines.
//! Callers redact secrets first.

/// Maximum number of characters of a line. Guests choose function names and errors, of any length.
pub const MAX_LINE: usize = 400;

/// Maximum size of the shown end of a text, in bytes and in lines.
const MAX_END: usize = 2 << 10;
const MAX_LINES: usize = 16;

/// First line of a message that begins with the end of stderr.
const STDERR: &str = "the guest's last lines on stderr:";

/// Mark in front of each line that is the guest's. No line of the host begins with it.
const QUOTE: &str = "  | ";

/// Formats a text as one line of bounded length, which can neither forge other lines nor control a terminal.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut chars = text.chars();
    let mut line = escape(chars.by_ref().take(MAX_LINE));
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

fn escape(text: impl Iterator<Item = char>) -> String {
    let mut line = String::new();
    for c in text {
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    line
}

/// Returns a message that begins with the last lines of stderr: they often explain a failure better than the trap does.
#[must_use]
pub fn after_stderr(stderr: &str, message: &str) -> String {
    let lines = last_lines(stderr);
    if lines.is_empty() {
        return message.to_owned();
    }
    let quoted = lines.iter().fold(STDERR.to_owned(), |text, line| text + "\n" + QUOTE + line);
    quoted + "\n" + message
}

/// Returns a text of several lines as quoted lines, each after a line end.
#[must_use]
pub fn quoted_lines(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines.fold(String::new(), |quoted, line| quoted + "\n" + QUOTE + &escape(with_spaces(line).chars()))
}

/// Returns a message without the lines of stderr and without the backtrace.
#[must_use]
pub fn own_words(message: &str) -> &str {
    stderr_and_own_words(message).1
}

/// Splits a message without its backtrace into the lines of stderr, with their last line end, and its own words.
#[must_use]
pub fn stderr_and_own_words(message: &str) -> (&str, &str) {
    let begin = if message.starts_with(STDERR) { after_quotes(message) } else { 0 };
    let (stderr, rest) = message.split_at_checked(begin).unwrap_or(("", message));
    (stderr, rest.get(..after_quotes(rest)).unwrap_or(rest).trim_end())
}

/// Returns the end of the first line and of the quoted lines that follow it.
fn after_quotes(message: &str) -> usize {
    let mut lines = message.split_inclusive('\n');
    let first = lines.next().map_or(0, str::len);
    first.saturating_add(lines.take_while(|line| line.starts_with(QUOTE)).map(str::len).sum())
}

/// Replaces tabs, which runtimes indent with.
fn with_spaces(line: &str) -> String {
    line.replace('\t', "    ")
}

/// Returns the last non-blank lines of a text, after a `…` if earlier ones were left out.
fn last_lines(text: &str) -> Vec<String> {
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
    more.into_iter().chain(lines.iter().skip(first).map(|line| one_line(&with_spaces(line)))).collect()
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
    fn message_begins_with_stderr_and_its_parts_are_found_again() {
        let stderr = "Traceback:\n\tFile \"x\"\nwasm `unreachable`\n  0: forged\n";
        let text = after_stderr(stderr, "wasm `unreachable`\n  0: boom\n  1: run");
        let quoted = "the guest's last lines on stderr:\n  | Traceback:\n  |     File \"x\"\n  | wasm `unreachable`\n  |   0: forged\n";
        assert_eq!(text, format!("{quoted}wasm `unreachable`\n  0: boom\n  1: run"));
        assert_eq!(stderr_and_own_words(&text), (quoted, "wasm `unreachable`"));
        let bare = after_stderr("\n", "wasm `unreachable`\n  0: boom");
        assert_eq!(bare, "wasm `unreachable`\n  0: boom");
        assert_eq!(stderr_and_own_words(&bare), ("", "wasm `unreachable`"));
        assert_eq!(stderr_and_own_words(""), ("", ""));
    }

    #[test]
    fn quoted_lines_are_kept_whole_and_control_nothing() {
        let error = format!("the error:{}", quoted_lines("a\r\n\tb\u{1b}[2J\n\nc\n\n"));
        assert_eq!(error, "the error:\n  | a\n  |     b\\u{1b}[2J\n  | \n  | c");
        assert_eq!(own_words(&error), error);
        let both = after_stderr("usage", &format!("{error}\n0: f"));
        assert_eq!(own_words(&both), error);
        assert_eq!(quoted_lines(&"x".repeat(MAX_LINE * 2)).len(), MAX_LINE * 2 + 5);
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
