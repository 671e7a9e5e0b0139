//! Responsible for CSV text: reading and writing it through the crate `csv`.
//! Leaves what is done with a table to the other files.

use crate::columns;
use crate::{Error, Table};
use csv::{ReaderBuilder, Terminator, WriterBuilder};

/// Reads a table.
pub fn parse(text: &str, separator: char) -> Result<Table, Error> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader =
        ReaderBuilder::new().delimiter(byte(separator)?).has_headers(false).from_reader(text.as_bytes());
    let mut records = reader.records().map(|record| match record {
        Ok(record) => Ok(record.iter().map(str::to_owned).collect::<Vec<_>>()),
        Err(error) => Err(malformed(&error)),
    });
    let columns = records
        .next()
        .ok_or_else(|| Error::Malformed("the text is empty: not even a header".to_owned()))??;
    let table = Table { columns, rows: records.collect::<Result<_, _>>()? };
    columns::check(&table)?;
    Ok(table)
}

/// Writes a table.
pub fn write(table: &Table, separator: char) -> Result<String, Error> {
    let mut writer = WriterBuilder::new()
        .delimiter(byte(separator)?)
        .terminator(Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    for row in std::iter::once(&table.columns).chain(&table.rows) {
        writer.write_record(row).map_err(|error| malformed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::Malformed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| Error::Malformed(error.to_string()))
}

/// A separator as the crate takes it.
fn byte(separator: char) -> Result<u8, Error> {
    match u8::try_from(separator) {
        Ok(byte) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(byte),
        _ => Err(Error::Malformed(format!(
            "{separator:?} cannot separate cells; take one of `,`, `;`, `|` or a tab"
        ))),
    }
}

fn malformed(error: &csv::Error) -> Error {
    let line = error.position().map(csv::Position::line);
    let message = match (error.kind(), line) {
        (csv::ErrorKind::UnequalLengths { expected_len, len, .. }, Some(line)) => {
            format!("line {line}: the row has {len} cells, and the header has {expected_len}")
        }
        (_, Some(line)) => format!("line {line}: {error}"),
        (_, None) => error.to_string(),
    };
    Error::Malformed(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_separators_and_line_ends_in_cells() {
        let text = "a,b\n\"1,2\",\"x\"\"y\"\n\"two\nlines\",\n";
        let table = parse(text, ',').unwrap();
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(table.rows, [["1,2", "x\"y"], ["two\nlines", ""]]);
        assert_eq!(write(&table, ',').unwrap(), text);
    }

    #[test]
    fn other_separators_line_ends_and_a_byte_order_mark() {
        let table = parse("\u{feff}a;b\r\n1;2\r\n", ';').unwrap();
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(write(&table, '\t').unwrap(), "a\tb\n1\t2\n");
        assert!(matches!(parse("a", 'é'), Err(Error::Malformed(_))));
    }

    #[test]
    fn whatever_is_no_table_is_an_error() {
        assert!(matches!(parse("", ','), Err(Error::Malformed(_))));
        assert!(matches!(parse("a,a\n", ','), Err(Error::RepeatedColumn(name)) if name == "a"));
        let Err(Error::Malformed(message)) = parse("a,b\n1,2\n3\n", ',') else { panic!("an error") };
        assert_eq!(message, "line 3: the row has 1 cells, and the header has 2");
    }

    #[test]
    fn hostile_text_is_read_or_refused() {
        for text in [
            "\"",
            "\"\"\"",
            "a\"b,c\n",
            "\0\n\0",
            ",,,\n",
            "\"a\nb",
            &"\"".repeat(9_999),
            &"a,".repeat(9_999),
        ] {
            if let Ok(table) = parse(text, ',') {
                let again = parse(&write(&table, ',').unwrap(), ',').unwrap();
                assert!(again == table, "{text}");
            }
        }
    }
}
