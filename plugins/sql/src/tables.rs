//! Responsible for the tables of the database: their columns, and which of them are numeric.
//! Leaves the query to `query`.

use crate::{Content, Error, Source, Table};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// Maximum number of columns of a table.
const MAX_COLUMNS: usize = 2_000;

/// Returns a database in memory that has the tables.
pub fn load(sources: Vec<Source>) -> Result<Connection, Error> {
    let database = Connection::open_in_memory().map_err(|error| Error::Query(error.to_string()))?;
    for source in sources {
        let (columns, rows) = match source.content {
            Content::Table(table) => typed(&source.name, table)?,
            Content::Json(text) => objects(&source.name, &text)?,
        };
        create(&database, &source.name, &columns, rows)?;
    }
    Ok(database)
}

/// A name as SQL has it, whatever is in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn create(database: &Connection, name: &str, columns: &[String], rows: Vec<Vec<Value>>) -> Result<(), Error> {
    let malformed = |error: rusqlite::Error| Error::Malformed(format!("table `{name}`: {error}"));
    if columns.is_empty() || columns.len() > MAX_COLUMNS {
        let count = columns.len();
        return Err(Error::Malformed(format!(
            "table `{name}`: {count} columns; it takes 1 to {MAX_COLUMNS}"
        )));
    }
    // Columns without a type store each value as it is.
    let list = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ");
    database.execute(&format!("CREATE TABLE {} ({list})", quoted(name)), []).map_err(malformed)?;
    let places = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO {} VALUES ({places})", quoted(name));
    database.execute_batch("BEGIN").map_err(malformed)?;
    let mut statement = database.prepare(&insert).map_err(malformed)?;
    for row in rows {
        statement.execute(params_from_iter(row)).map_err(malformed)?;
    }
    database.execute_batch("COMMIT").map_err(malformed)
}

type Rows = (Vec<String>, Vec<Vec<Value>>);

/// Returns the rows of a table of text, with numbers in numeric columns.
fn typed(name: &str, table: Table) -> Result<Rows, Error> {
    let width = table.columns.len();
    if let Some((number, row)) = (1..).zip(&table.rows).find(|(_, row)| row.len() != width) {
        let found = row.len();
        let message =
            format!("table `{name}`: row {number} has {found} cells, and there are {width} columns");
        return Err(Error::Malformed(message));
    }
    let is_numeric: Vec<bool> = (0..width).map(|column| is_numeric(&table.rows, column)).collect();
    let rows = table.rows.into_iter().map(|row| {
        let cells = row.into_iter().zip(&is_numeric);
        cells.map(
            |(cell, is_numeric)| {
                if *is_numeric { number(&cell).unwrap_or(Value::Null) } else { Value::Text(cell) }
            },
        )
    });
    let rows = rows.map(Iterator::collect).collect();
    Ok((table.columns, rows))
}

/// Returns whether all cells of a column that are not empty are numbers, and at least one is.
fn is_numeric(rows: &[Vec<String>], column: usize) -> bool {
    let mut cells = rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty()).peekable();
    cells.peek().is_some() && cells.all(|cell| number(cell).is_some())
}

/// Returns the number that a text is, if nothing of the text is lost: `1`, `-2.50`, `1e3`, but not `007`, `+1`, ` 1`.
fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let begins_well = digits.starts_with(|first: char| first.is_ascii_digit());
    let has_zeros = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if !begins_well || has_zeros {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().map(Value::Integer);
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Real)
}

/// Returns the rows of a JSON array of objects.
fn objects(name: &str, text: &str) -> Result<Rows, Error> {
    let wrong = |reason: &str| Error::Json(format!("table `{name}`: {reason}"));
    let objects: Vec<Map<String, Json>> =
        serde_json::from_str(text).map_err(|error| wrong(&format!("no JSON array of objects: {error}")))?;
    let columns: Vec<String> =
        objects.iter().flat_map(Map::keys).collect::<BTreeSet<_>>().into_iter().cloned().collect();
    if columns.is_empty() {
        return Err(wrong("no object has a key, so that there are no columns"));
    }
    let row = |object: &Map<String, Json>| columns.iter().map(|column| value(object.get(column))).collect();
    let rows = objects.iter().map(row).collect();
    Ok((columns, rows))
}

/// Returns a JSON value as the database stores it.
pub fn value(json: Option<&Json>) -> Value {
    match json {
        None | Some(Json::Null) => Value::Null,
        Some(Json::Bool(truth)) => Value::Integer(i64::from(*truth)),
        Some(Json::Number(number)) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => number.as_f64().map_or(Value::Null, Value::Real),
        },
        Some(Json::String(text)) => Value::Text(text.clone()),
        Some(nested @ (Json::Array(_) | Json::Object(_))) => Value::Text(nested.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_numbers() {
        for (text, expected) in [("0", 0), ("-12", -12), ("9223372036854775807", i64::MAX)] {
            assert_eq!(number(text), Some(Value::Integer(expected)), "{text}");
        }
        for (text, expected) in [("0.5", 0.5), ("-2.50", -2.5), ("1e3", 1_000.0)] {
            assert_eq!(number(text), Some(Value::Real(expected)), "{text}");
        }
        for text in
            ["", "-", "007", "+1", " 1", "1 ", ".5", "1e999", "nan", "inf", "0x10", "9223372036854775808"]
        {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
