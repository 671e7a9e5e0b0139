//! The records of a CSV text, strictly by RFC 4180: a quote is around a whole cell, or doubled inside of one.
//! `csv` types the cells.

use crate::builtin::budget::{Budget, Stop};

/// Reader of the records of a text.
pub(crate) struct Records<'t> {
    rest: &'t str,
    line: usize,
}

/// A record.
pub(crate) struct Record {
    /// Line that it begins in, from one.
    pub(crate) line: usize,
    /// Its cells, without quotes.
    pub(crate) cells: Vec<String>,
}

/// End of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// A comma: the next cell follows.
    Cell,
    /// A line end, or the end of the text.
    Record,
}

impl<'t> Records<'t> {
    /// Begins with the first record. A byte order mark before it is skipped.
    pub(crate) fn new(text: &'t str) -> Self {
        Self { rest: text.strip_prefix('\u{feff}').unwrap_or(text), line: 1 }
    }

    /// Reads the next record; empty lines are none.
    pub(crate) fn next(&mut self, budget: &Budget<'_>) -> Result<Option<Record>, Stop> {
        while let Some(rest) = self.rest.strip_prefix(['\r', '\n']) {
            self.line += usize::from(self.rest.starts_with('\n'));
            self.rest = rest;
            budget.step(0)?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (line, mut cells, mut size) = (self.line, Vec::new(), 0_usize);
        loop {
            let (cell, end) = if self.rest.starts_with('"') { self.quoted()? } else { self.plain()? };
            budget.step(cell.len())?;
            // What is read of a record is held beside the result.
            size = size.saturating_add(cell.len()).saturating_add(2 * size_of::<String>());
            budget.count(size)?;
            cells.push(cell);
            if end == End::Record {
                return Ok(Some(Record { line, cells }));
            }
        }
    }

    fn plain(&mut self) -> Result<(String, End), Stop> {
        let len = self.rest.find([',', '\r', '\n']).unwrap_or(self.rest.len());
        let (cell, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        if cell.contains('"') {
            return Err(self.fault("has a quote inside of a cell without quotes"));
        }
        self.rest = rest;
        Ok((cell.to_owned(), self.end()))
    }

    fn quoted(&mut self) -> Result<(String, End), Stop> {
        let mut cell = String::new();
        let mut rest = self.rest.strip_prefix('"').unwrap_or_default();
        loop {
            let Some((piece, after)) = rest.split_once('"') else {
                return Err(self.fault("opens a quote that is never closed"));
            };
            cell.push_str(piece);
            match after.strip_prefix('"') {
                Some(after) => {
                    cell.push('"');
                    rest = after;
                }
                None => {
                    self.line += cell.bytes().filter(|byte| *byte == b'\n').count();
                    self.rest = after;
                    break;
                }
            }
        }
        if self.rest.is_empty() || self.rest.starts_with([',', '\r', '\n']) {
            return Ok((cell, self.end()));
        }
        Err(self.fault("has text after a closing quote"))
    }

    /// Reads what follows a cell.
    fn end(&mut self) -> End {
        if let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            return End::Cell;
        }
        let rest = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix(['\r', '\n']));
        self.line += usize::from(self.rest.starts_with('\n') || self.rest.starts_with("\r\n"));
        self.rest = rest.unwrap_or_default();
        End::Record
    }

    fn fault(&self, what: &str) -> Stop {
        Stop::Input(format!("line {} of the CSV {what}", self.line))
    }
}
