//! The stored form of guest logs: pieces of lines in MessagePack, with gap marks for missing output.
//! `journal.rs` sets how much is kept; the command line shows it.

use crate::model::Timestamp;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Version of the stored form. Pieces of a later version are read as gaps.
const VERSION: u32 = 1;

/// Prefix of a piece: MessagePack's marker of binary data with a length of four bytes.
const BIN: u8 = 0xc6;

/// Gap mark: MessagePack's nil.
const NIL: u8 = 0xc0;

/// Maximum size of the text in a piece. When a log grows too long, whole pieces are dropped.
const MAX_PIECE: usize = 16 << 10;

/// Maximum length of a line in bytes. Only the end of a longer line is kept.
const MAX_LINE: usize = 1 << 20;

/// A line of guest output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Time of writing.
    pub at: Timestamp,
    /// The attempt that wrote the line.
    pub attempt: u32,
    /// `stdout`, `stderr` or `log`.
    pub stream: String,
    /// The line without its newline.
    pub text: String,
}

/// One part of a stored log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPart {
    /// A line.
    Line(LogLine),
    /// Output is missing here: it exceeded a limit, or cannot be read.
    Gap,
}

/// Some lines of a log in their stored form: an array of the version and the lines, each `[ms, attempt, stream, text]`.
/// The array is wrapped as binary data, so that a script can skip it without parsing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece(Bytes);

type Wire = (u32, Vec<WireLine>);
type WireLine = (i64, u32, String, String);

/// A borrowed `WireLine`.
#[derive(Serialize)]
struct Line<'a>(i64, u32, &'a str, &'a str);

/// The version; other fields are ignored.
#[derive(Deserialize)]
struct Head(u32, serde::de::IgnoredAny);

impl Piece {
    /// Encodes `parts`.
    #[must_use]
    pub fn new(parts: &[LogPart]) -> Self {
        let mut bytes = Vec::new();
        let (mut lines, mut size) = (Vec::new(), 0);
        for part in parts {
            let text = match part {
                LogPart::Line(line) => truncated(&line.text),
                LogPart::Gap => "",
            };
            let is_complete = matches!(part, LogPart::Line(line) if line.text.len() == text.len());
            if !is_complete || size > MAX_PIECE {
                put(&mut bytes, &std::mem::take(&mut lines));
                size = 0;
            }
            if !is_complete {
                bytes.push(NIL);
            }
            if let LogPart::Line(line) = part {
                size += text.len();
                lines.push(Line(line.at.as_millis(), line.attempt, &line.stream, text));
            }
        }
        put(&mut bytes, &lines);
        Self(bytes.into())
    }

    /// Returns the bytes to append to the stored log.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Appends the piece to a node's log, and drops whole pieces from the front until at most `max` bytes are left.
    /// Dropped pieces leave one gap.
    #[must_use]
    pub fn append_to(&self, log: &[u8], max: usize) -> Vec<u8> {
        let mut log = [log, &self.0].concat();
        let mut front = 0;
        while log.len() - front > max {
            let rest = log.get(front..).unwrap_or_default();
            match rest.first() {
                Some(&NIL) => front += 1,
                _ => front += piece_len(rest).unwrap_or(rest.len()).min(rest.len()), // a piece, or foreign bytes to the end
            }
        }
        if front > 0 {
            log.splice(..front, [NIL]);
        }
        log
    }

    /// Marks the end of a node's log with a gap, unless it already has one there.
    #[must_use]
    pub fn end(log: &[u8]) -> Vec<u8> {
        let is_marked = matches!(LogPart::read(log).last(), Some(LogPart::Gap));
        if is_marked { log.to_vec() } else { [log, &[NIL]].concat() }
    }
}

impl LogPart {
    /// Decodes a stored log. Damaged pieces and those of a later version become gaps.
    #[must_use]
    pub fn read(mut bytes: &[u8]) -> Vec<Self> {
        let mut parts = Vec::new();
        while let Some((mark, rest)) = bytes.split_first() {
            match (*mark, piece_len(bytes)) {
                (NIL, _) => {
                    put_gap(&mut parts);
                    bytes = rest;
                }
                (_, Some(len)) => {
                    let (piece, rest) = bytes.split_at_checked(len).unwrap_or((bytes, &[]));
                    match piece.get(5..).and_then(lines) {
                        Some(lines) => parts.extend(lines),
                        None => put_gap(&mut parts),
                    }
                    bytes = rest;
                }
                (_, None) => {
                    put_gap(&mut parts);
                    return parts;
                }
            }
        }
        parts
    }
}

/// Returns the last [`MAX_LINE`] bytes of a text, from a character boundary.
fn truncated(text: &str) -> &str {
    let surplus = text.len().saturating_sub(MAX_LINE);
    text.get(text.ceil_char_boundary(surplus)..).unwrap_or_default()
}

fn put(bytes: &mut Vec<u8>, lines: &[Line<'_>]) {
    if lines.is_empty() {
        return;
    }
    let content = rmp_serde::to_vec(&(VERSION, lines)).unwrap_or_default();
    bytes.push(BIN);
    bytes.extend(u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(content);
}

fn put_gap(parts: &mut Vec<LogPart>) {
    if parts.last() != Some(&LogPart::Gap) {
        parts.push(LogPart::Gap);
    }
}

fn lines(content: &[u8]) -> Option<impl Iterator<Item = LogPart>> {
    let Head(version, _) = rmp_serde::from_slice(content).ok()?;
    if version > VERSION {
        return None;
    }
    let (_, lines): Wire = rmp_serde::from_slice(content).ok()?;
    Some(lines.into_iter().map(|(at, attempt, stream, text)| {
        LogPart::Line(LogLine { at: Timestamp::from_millis(at), attempt, stream, text })
    }))
}

/// Returns the length of the first piece in `bytes`, its prefix included.
fn piece_len(bytes: &[u8]) -> Option<usize> {
    match *bytes {
        [BIN, a, b, c, d, ..] => usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?.checked_add(5),
        _ => None, // not written by this host
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, size};

    fn line(text: &str) -> LogPart {
        let at = Timestamp::from_millis(7);
        LogPart::Line(LogLine { at, attempt: 1, stream: "stdout".into(), text: text.into() })
    }

    #[test]
    fn encoded_log_round_trips() {
        let parts = [line("a"), LogPart::Gap, line("b"), line("ß\n")];
        let log = Piece::new(&parts).append_to(&[], 999);
        assert_eq!(LogPart::read(&log), parts);
        assert_eq!(LogPart::read(&[]), []);
    }

    #[test]
    fn large_piece_loses_only_its_oldest_part() {
        let parts: Vec<_> = (0..4_000).map(|number| line(&format!("{number} {}", "x".repeat(100)))).collect();
        let max = 256 << 10;
        let kept = LogPart::read(&Piece::new(&parts).append_to(&[], max));
        let (first, rest) = kept.split_first().unwrap();
        assert_eq!(*first, LogPart::Gap);
        assert_eq!(rest, &parts[4_000 - rest.len()..], "the newest part is kept");
        assert!(rest.len() > 1_500, "{} lines of 100 bytes", rest.len());
    }

    #[test]
    fn overlong_line_keeps_its_end_and_its_neighbours() {
        let long = format!("{}ß{}", "a".repeat(99), "b".repeat(MAX_LINE - 1));
        let kept = LogPart::read(&Piece::new(&[line("a"), line(&long), line("c")]).append_to(&[], 4 << 20));
        assert_eq!(kept, [line("a"), LogPart::Gap, line(&"b".repeat(MAX_LINE - 1)), line("c")]);
        let longest = "b".repeat(MAX_LINE);
        assert_eq!(LogPart::read(Piece::new(&[line(&longest)]).as_bytes()), [line(&longest)]);
    }

    #[test]
    fn the_oldest_pieces_are_dropped_and_marked() {
        let piece = |text| Piece::new(&[line(text)]);
        let size = piece("a").as_bytes().len();
        let mut log = Vec::new();
        for text in ["a", "b", "c", "d"] {
            log = piece(text).append_to(&log, 2 * size + 1);
        }
        assert_eq!(LogPart::read(&log), [LogPart::Gap, line("c"), line("d")]);
        assert!(log.len() <= 2 * size + 1);
        assert_eq!(LogPart::read(&piece("a").append_to(&[], 3)), [LogPart::Gap]);
    }

    #[test]
    fn end_of_log_is_marked_once() {
        let log = Piece::end(&Piece::end(&Piece::new(&[line("a")]).append_to(&[], 999)));
        assert_eq!(LogPart::read(&log), [line("a"), LogPart::Gap]);
        assert_eq!(log.split(|byte| *byte == NIL).count(), 2);
    }

    #[test]
    fn unreadable_pieces_become_gaps() {
        let mut log = Piece::new(&[line("a")]).append_to(&[], 999);
        let later = rmp_serde::to_vec(&(VERSION + 1, "anything")).unwrap();
        log.push(BIN);
        log.extend(u32::try_from(later.len()).unwrap().to_be_bytes());
        log.extend(later);
        assert_eq!(LogPart::read(&log), [line("a"), LogPart::Gap]);
        for cut in 1..log.len() {
            assert!(!LogPart::read(&log[..cut]).is_empty(), "{cut}");
        }
        assert_eq!(LogPart::read(b"nonsense"), [LogPart::Gap]);
    }

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        Page::of("limits").section("Logs and errors").line("a line of a log").cell(1).says(&size(MAX_LINE));
    }
}
