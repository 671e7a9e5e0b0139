//! A stream of JSON lines for whoever reads it: a terminal is not steered by them, programs get them as they are.
//! What is in the lines is for `events`.

use crate::cli::print::harmless_json;
use crate::cli::process::Reader;
use std::io;
use std::io::Write;

/// Writes JSON, whole lines at a time.
pub(crate) struct Tame<W> {
    reader: Reader,
    out: W,
}

impl<W> Tame<W> {
    /// For somebody who reads `out`.
    pub(crate) const fn new(reader: Reader, out: W) -> Self {
        Self { reader, out }
    }
}

impl<W: Write> Write for Tame<W> {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        match self.reader {
            Reader::Program => self.out.write(json),
            Reader::Person => self.out.write_all(&harmless_json(json)).map(|()| json.len()),
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
    fn a_terminal_gets_escapes_and_a_program_the_text() {
        let json = "{\"text\":\"\u{9b}31m\"}\n".as_bytes();
        let written = |reader| {
            let mut out = Tame::new(reader, Vec::new());
            out.write_all(json).unwrap();
            out.out
        };
        assert_eq!(written(Reader::Program), json);
        assert_eq!(written(Reader::Person), b"{\"text\":\"\\u009b31m\"}\n");
    }
}
