//! A writer of JSON lines that escapes control characters if a terminal reads them.
//! `events` formats the lines. Programs get them unchanged.

use crate::cli::print::escape_control_json;
use crate::cli::process::Reader;
use std::io;
use std::io::Write;

/// Writes JSON, whole lines at a time.
pub(crate) struct EscapedJson<W> {
    reader: Reader,
    out: W,
}

impl<W> EscapedJson<W> {
    /// Creates a writer to `out` for this kind of reader.
    pub(crate) const fn new(reader: Reader, out: W) -> Self {
        Self { reader, out }
    }
}

impl<W: Write> Write for EscapedJson<W> {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        match self.reader {
            Reader::Program => self.out.write(json),
            Reader::Person => self.out.write_all(&escape_control_json(json)).map(|()| json.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_get_escaped_json_and_programs_get_it_unchanged() {
        let json = "{\"text\":\"\u{9b}31m\"}\n".as_bytes();
        let written = |reader| {
            let mut out = EscapedJson::new(reader, Vec::new());
            out.write_all(json).unwrap();
            out.out
        };
        assert_eq!(written(Reader::Program), json);
        assert_eq!(written(Reader::Person), b"{\"text\":\"\\u009b31m\"}\n");
    }
}
