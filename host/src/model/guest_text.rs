//! Guest texts in host messages: as one line of bounded length, as the last lines of its output, or as quoted lines.
//! Callers redact secrets first.

/// Maximum number of characters of a line. Guests choose function names and errors, of any length.
pub const MAX_LINE: usize = 400;

/// Maximum size of the shown end of a text, in bytes and in lines.
const MAX_END: usize = 2 << 10;
const MAX_LINES: usize = 16;

/// Lines before the quoted end of stderr, or of stdout if there is none.
const STDERR: &str = "the guest's last lines on stderr:";
const STDOUT: &str = "the guest's last lines on stdout:";

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

/// Returns the message of a trap: the guest's last lines explain it better than the trap does, and come first.
#[must_use]
pub fn after_output(stderr: &str, stdout: &str, message: &str) -> String {
    match quoted_output(stderr, stdout) {
        Some(quoted) => format!("{quoted}\n{message}"),
        None => message.to_owned(),
    }
}

/// Returns the message of a failed program: how it failed, and then its last lines.
#[must_use]
pub fn before_output(message: &str, stderr: &str, stdout: &str) -> String {
    match quoted_output(stderr, stdout) {
        Some(quoted) => format!("{message}\n{quoted}"),
        None => message.to_owned(),
    }
}

/// Returns the last lines of stderr, of stdout if there are none, under a line that names the stream.
fn quoted_output(stderr: &str, stdout: &str) -> Option<String> {
    let ends = [(STDERR, stderr), (STDOUT, stdout)];
    let (head, lines) =
        ends.map(|(head, text)| (head, last_lines(text))).into_iter().find(|(_, lines)| !lines.is_empty())?;
    Some(lines.iter().fold(head.to_owned(), |text, line| text + "\n" + QUOTE + line))
}

/// Returns a text of several lines as quoted lines, each after a line end.
#[must_use]
pub fn quoted_lines(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines.fold(String::new(), |quoted, line| quoted + "\n" + QUOTE + &escape(with_spaces(line).chars()))
}

/// Parts of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageParts<'a> {
    /// The guest's last lines, if the message begins with them, with their last line end.
    pub before: &'a str,
    /// The host's own words, with what they quote.
    pub own_words: &'a str,
    /// The guest's last lines, if they follow, with the line end before them.
    pub after: &'a str,
}

/// Returns a message without the guest's last lines and without the backtrace.
#[must_use]
pub fn own_words(message: &str) -> &str {
    message_parts(message).own_words
}

/// Splits a message, whose backtrace is left out.
#[must_use]
pub fn message_parts(message: &str) -> MessageParts<'_> {
    let quotes = |text: &str| if is_output(text) { after_quotes(text) } else { 0 };
    let (before, rest) = message.split_at_checked(quotes(message)).unwrap_or(("", message));
    let (own_words, rest) = rest.split_at_checked(after_quotes(rest)).unwrap_or((rest, ""));
    let trimmed = own_words.trim_end();
    let after = match quotes(rest) {
        0 => "",
        end => message
            .get(before.len() + trimmed.len()..before.len() + own_words.len() + end)
            .unwrap_or_default(),
    };
    MessageParts { before, own_words: trimmed, after: after.trim_end() }
}

fn is_output(text: &str) -> bool {
    text.starts_with(STDERR) || text.starts_with(STDOUT)
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

/// Beginnings of lines that a stack follows, in Go. All other runtimes end with their message.
const REPORTS: [&str; 2] = ["panic: ", "fatal error: "];

/// Returns the last non-blank lines of a text, or the first ones of a report at its end that has its message first.
fn last_lines(text: &str) -> Vec<String> {
    let is_start =
        |at: &usize| text.get(*at..).is_some_and(|rest| REPORTS.iter().any(|start| rest.starts_with(start)));
    let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1));
    let report = starts.filter(is_start).max().and_then(|at| text.get(at..));
    match report {
        Some(report) if report.len() > MAX_END || filled(report).count() > MAX_LINES => first_lines(report),
        _ => end_lines(text),
    }
}

/// Returns the first non-blank lines of a text, before a `…`.
fn first_lines(text: &str) -> Vec<String> {
    let mut room = MAX_END;
    let lines = filled(text).take(MAX_LINES).map_while(|line| {
        room = room.checked_sub(line.len())?;
        Some(one_line(&with_spaces(line)))
    });
    lines.chain(std::iter::once("…".to_owned())).collect()
}

/// Returns the non-blank lines of a text.
fn filled(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim_end).filter(|line| !line.is_empty())
}

/// Returns the last non-blank lines of a text, after a `…` if earlier ones were left out.
fn end_lines(text: &str) -> Vec<String> {
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
    let lines: Vec<&str> = filled(complete).collect();
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

    fn parts(message: &str) -> (&str, &str, &str) {
        let MessageParts { before, own_words, after } = message_parts(message);
        (before, own_words, after)
    }

    const TRACE: &str = "Traceback:\n\tFile \"x\"\nwasm `unreachable`\n  0: forged\n";
    const QUOTED: &str = "the guest's last lines on stderr:\n  | Traceback:\n  |     File \"x\"\n  | wasm `unreachable`\n  |   0: forged";

    #[test]
    fn message_begins_with_stderr_and_its_parts_are_found_again() {
        let text = after_output(TRACE, "", "wasm `unreachable`\n  0: boom\n  1: run");
        assert_eq!(text, format!("{QUOTED}\nwasm `unreachable`\n  0: boom\n  1: run"));
        assert_eq!(parts(&text), (&*format!("{QUOTED}\n"), "wasm `unreachable`", ""));
        let bare = after_output("\n", "\n", "wasm `unreachable`\n  0: boom");
        assert_eq!(bare, "wasm `unreachable`\n  0: boom");
        assert_eq!(parts(&bare), ("", "wasm `unreachable`", ""));
        assert_eq!(parts(""), ("", "", ""));
    }

    #[test]
    fn message_ends_with_the_output_and_its_parts_are_found_again() {
        let text = before_output("status 3", TRACE, "printed");
        assert_eq!(text, format!("status 3\n{QUOTED}"));
        assert_eq!(parts(&text), ("", "status 3", &*format!("\n{QUOTED}")));
        let stdout = before_output("the error:\n  | a", "", "printed\n");
        assert_eq!(
            parts(&stdout),
            ("", "the error:\n  | a", "\nthe guest's last lines on stdout:\n  | printed")
        );
        assert_eq!(before_output("status 3", " \n", ""), "status 3");
        // A guest cannot begin a line of its own.
        let forged = before_output(&one_line("x\nthe guest's last lines on stderr:\n  | y"), "", "");
        assert_eq!(parts(&forged), ("", &*forged, ""));
    }

    #[test]
    fn quoted_lines_are_kept_whole_and_control_nothing() {
        let error = format!("the error:{}", quoted_lines("a\r\n\tb\u{1b}[2J\n\nc\n\n"));
        assert_eq!(error, "the error:\n  | a\n  |     b\\u{1b}[2J\n  | \n  | c");
        assert_eq!(own_words(&error), error);
        let both = after_output("usage", "", &format!("{error}\n0: f"));
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

    #[test]
    fn report_with_its_message_first_keeps_it() {
        let frames = (0..40)
            .fold(String::new(), |all, nth| all + &format!("main.frame{nth}(...)\n\t/src/task.go:{nth}\n"));
        let text = format!("log line\npanic: no such city\n\ngoroutine 1 [running]:\n{frames}");
        let shown = last_lines(&text);
        assert_eq!(
            shown[..4],
            ["panic: no such city", "goroutine 1 [running]:", "main.frame0(...)", "    /src/task.go:0"]
        );
        assert_eq!((shown.len(), shown.last().unwrap().as_str()), (MAX_LINES + 1, "…"));
        // A short one needs no choice, and a line within a text is no report.
        assert_eq!(last_lines("a\npanic: b\n"), ["a", "panic: b"]);
        let talk = format!("no panic: fine\n{}", "line\n".repeat(40));
        assert_eq!(last_lines(&talk).first().map(String::as_str), Some("…"));
    }
}
