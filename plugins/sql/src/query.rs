//! Responsible for one statement: its parameters, and its result as a table or as JSON.
//! Leaves the tables of the database to `tables`.

use crate::{Error, Table, tables};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Statement};
use serde_json::{Map, Number, Value as Json};
use std::collections::HashSet;

/// Maximum size of a result, in bytes.
const MAX_RESULT: usize = 64 << 20;

/// Returns the result as cells of text.
pub fn table(database: &Connection, query: &str, parameters: Option<&str>) -> Result<Table, Error> {
    let mut statement = prepared(database, query, parameters)?;
    let columns = names(&statement);
    let mut size = 0;
    let rows = each(&mut statement, &columns, |_, cell| {
        let text = text(cell);
        size += text.len() + 8;
        within(size).map(|()| text)
    })?;
    Ok(Table { columns, rows })
}

/// Returns the result as a JSON array of objects.
pub fn json(database: &Connection, query: &str, parameters: Option<&str>) -> Result<String, Error> {
    let mut statement = prepared(database, query, parameters)?;
    let columns = names(&statement);
    let mut known = HashSet::new();
    if let Some(twice) = columns.iter().find(|name| !known.insert(*name)) {
        return Err(Error::Query(format!("two columns of the result are `{twice}`; name them with AS")));
    }
    let mut size = 0;
    let rows = each(&mut statement, &columns, |column, cell| {
        let value = match cell {
            ValueRef::Null => Json::Null,
            ValueRef::Integer(integer) => Json::from(integer),
            ValueRef::Real(real) => Number::from_f64(real).map(Json::Number).ok_or_else(|| {
                Error::Unwritable(format!("column `{column}`: {real} is no number of JSON"))
            })?,
            ValueRef::Text(_) | ValueRef::Blob(_) => Json::String(text(cell)),
        };
        size += column.len() + value.as_str().map_or(24, str::len) + 4;
        within(size).map(|()| value)
    })?;
    let objects = rows.iter().map(|row| object(&columns, row));
    Ok(format!("[{}]", objects.collect::<Vec<_>>().join(",")))
}

/// Returns an object with its keys in the order of the columns, which a map would sort.
fn object(columns: &[String], row: &[Json]) -> String {
    let fields =
        columns.iter().zip(row).map(|(column, value)| format!("{}:{value}", Json::from(column.as_str())));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn within(size: usize) -> Result<(), Error> {
    let message = || format!("the result has more than {} MiB", MAX_RESULT >> 20);
    if size <= MAX_RESULT { Ok(()) } else { Err(Error::Unwritable(message())) }
}

/// Returns the only statement of a query, with its parameters.
fn prepared<'a>(
    database: &'a Connection,
    query: &str,
    parameters: Option<&str>,
) -> Result<Statement<'a>, Error> {
    let mut statement = database.prepare(query).map_err(|error| match error {
        rusqlite::Error::MultipleStatement => {
            Error::Statements("the query has more than one statement; use a task for each".to_owned())
        }
        rusqlite::Error::Empty => Error::Statements("the query is empty".to_owned()),
        other => Error::Query(other.to_string()),
    })?;
    if statement.column_count() == 0 {
        return Err(Error::Statements("the query returns no columns; it takes a SELECT".to_owned()));
    }
    bind(&mut statement, parameters.unwrap_or("{}"))?;
    Ok(statement)
}

fn bind(statement: &mut Statement<'_>, parameters: &str) -> Result<(), Error> {
    let values: Map<String, Json> = serde_json::from_str(parameters)
        .map_err(|error| Error::Json(format!("the parameters are no JSON object: {error}")))?;
    let mut bound = 0;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or("?").to_owned();
        let value = name.get(1..).and_then(|name| values.get(name)).filter(|_| name.starts_with(':'));
        let missing = || Error::Parameter(format!("the parameter `{name}` has no value"));
        let value = tables::value(Some(value.ok_or_else(missing)?));
        statement.raw_bind_parameter(index, value).map_err(|error| Error::Query(error.to_string()))?;
        bound += 1;
    }
    let is_used = |name: &String| matches!(statement.parameter_index(&format!(":{name}")), Ok(Some(_)));
    match values.keys().find(|name| !is_used(name)) {
        Some(name) if bound < values.len() => {
            Err(Error::Parameter(format!("the query has no parameter `:{name}`")))
        }
        _ => Ok(()),
    }
}

fn names(statement: &Statement<'_>) -> Vec<String> {
    statement.column_names().map(str::to_owned).collect()
}

/// Passes each cell of the result on, with its column, and returns what became of it, row by row.
fn each<T>(
    statement: &mut Statement<'_>,
    columns: &[String],
    mut take: impl FnMut(&str, ValueRef<'_>) -> Result<T, Error>,
) -> Result<Vec<Vec<T>>, Error> {
    let failed = |error: rusqlite::Error| Error::Query(error.to_string());
    let mut found = statement.raw_query();
    let mut rows = Vec::new();
    while let Some(row) = found.next().map_err(failed)? {
        let cells = columns.iter().enumerate();
        let cells = cells.map(|(at, column)| take(column, row.get_ref(at).map_err(failed)?));
        rows.push(cells.collect::<Result<Vec<T>, Error>>()?);
    }
    Ok(rows)
}

/// Returns a cell as text.
fn text(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Null => String::new(),
        ValueRef::Integer(integer) => integer.to_string(),
        ValueRef::Real(real) => format!("{real:?}"),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => {
            bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(hex_digit).collect()
        }
    }
}

fn hex_digit(half: u8) -> Option<char> {
    char::from_digit(half.into(), 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Source};

    fn sales() -> Vec<Source> {
        let cells = |row: [&str; 3]| row.map(str::to_owned).to_vec();
        let rows =
            vec![cells(["North", "3", "007"]), cells(["South", "10.5", ""]), cells(["North", "", "01"])];
        let table = Table { columns: cells(["shop", "euros", "code"]), rows };
        vec![Source { name: "sales".to_owned(), content: Content::Table(table) }]
    }

    fn ask(query: &str, parameters: Option<&str>) -> Result<String, Error> {
        json(&tables::load(sales())?, query, parameters)
    }

    #[test]
    fn numeric_columns_are_numbers_and_others_text() {
        let found = ask("SELECT shop, sum(euros) AS euros, max(code) AS code FROM sales GROUP BY shop", None);
        let expected = r#"[{"shop":"North","euros":3,"code":"01"},{"shop":"South","euros":10.5,"code":""}]"#;
        assert_eq!(found.unwrap(), expected);
        let table =
            table(&tables::load(sales()).unwrap(), "SELECT euros, x'0aFF' AS b FROM sales", None).unwrap();
        assert_eq!(table.columns, ["euros", "b"]);
        assert_eq!(table.rows, [["3", "0aff"], ["10.5", "0aff"], ["", "0aff"]]);
    }

    #[test]
    fn parameters_are_values_and_never_sql() {
        let query = "SELECT count(*) AS n FROM sales WHERE shop = :shop";
        assert_eq!(ask(query, Some(r#"{"shop": "North"}"#)).unwrap(), r#"[{"n":2}]"#);
        assert_eq!(ask(query, Some(r#"{"shop": "' OR 1 --"}"#)).unwrap(), r#"[{"n":0}]"#);
        for wrong in [None, Some(r#"{"shop": 1, "other": 2}"#)] {
            assert!(matches!(ask(query, wrong), Err(Error::Parameter(_))), "{wrong:?}");
        }
        assert!(matches!(ask("SELECT ?1", Some("{}")), Err(Error::Parameter(_))));
        assert!(matches!(ask(query, Some("[]")), Err(Error::Json(_))));
    }

    #[test]
    fn json_is_typed_and_nested_values_are_text() {
        let rows = r#"[{"a": 1, "b": null}, {"c": [1, {"x": "y"}], "a": 2.5, "d": true}]"#;
        let load = |text: &str| {
            tables::load(vec![Source { name: "t".to_owned(), content: Content::Json(text.to_owned()) }])
        };
        let found = json(&load(rows).unwrap(), "SELECT *, c ->> '$[1].x' AS x FROM t", None).unwrap();
        let first = r#"{"a":1,"b":null,"c":null,"d":null,"x":null}"#;
        let second = r#"{"a":2.5,"b":null,"c":"[1,{\"x\":\"y\"}]","d":1,"x":"y"}"#;
        assert_eq!(found, format!("[{first},{second}]"));
        for wrong in ["", "{}", "[1]", "[]", "[{}]"] {
            assert!(matches!(load(wrong), Err(Error::Json(_))), "{wrong}");
        }
    }

    #[test]
    fn queries_that_make_no_sense_are_errors() {
        for query in ["SELEC 1", "SELECT nothing FROM sales", "SELECT * FROM other", "SELECT 1 AS a, 2 AS a"]
        {
            assert!(matches!(ask(query, None), Err(Error::Query(_))), "{query}");
        }
        for query in ["", "  -- nothing", "SELECT 1; SELECT 2", "DELETE FROM sales"] {
            assert!(matches!(ask(query, None), Err(Error::Statements(_))), "{query}");
        }
        assert!(matches!(ask("SELECT 9e999 AS x", None), Err(Error::Unwritable(_))));
        let large = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 70) \
                     SELECT hex(zeroblob(500000)) AS z FROM n";
        assert!(matches!(ask(large, None), Err(Error::Unwritable(_))));
    }

    #[test]
    fn tables_that_cannot_be_are_errors() {
        let table = |columns: &[&str], rows: &[&[&str]]| {
            let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
            let table = Table { columns: texts(columns), rows: rows.iter().map(|row| texts(row)).collect() };
            Source { name: "a \"b\"".to_owned(), content: Content::Table(table) }
        };
        let good = table(&["x", "select"], &[&["1", "2"]]);
        assert!(tables::load(vec![good.clone()]).is_ok());
        for wrong in [
            vec![table(&[], &[])],
            vec![table(&["x"], &[&["1", "2"]])],
            vec![table(&["x", "X"], &[])],
            vec![good.clone(), good],
        ] {
            assert!(matches!(tables::load(wrong), Err(Error::Malformed(_))));
        }
    }
}
