//! Responsible for the exports that `wit/csv.wit` promises.
//! Leaves text to `text`, columns to `columns`, rows to `rows`, and sums to `groups`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod columns;
mod groups;
mod joins;
mod rows;
mod text;

use exports::cascade::csv::csv::{
    BadCell, Comparison, Condition, Error, Guest, JoinKind, Measure, Order, Summary, Table,
};

struct Plugin;

impl Guest for Plugin {
    fn parse(text: String, separator: Option<char>) -> Result<Table, Error> {
        text::parse(&text, separator.unwrap_or(','))
    }

    fn write(table: Table, separator: Option<char>) -> Result<String, Error> {
        columns::check(&table)?;
        text::write(&table, separator.unwrap_or(','))
    }

    fn select(table: Table, columns: Vec<String>) -> Result<Table, Error> {
        columns::check(&table)?;
        columns::select(&table, &columns)
    }

    fn filter(table: Table, conditions: Vec<Condition>) -> Result<Table, Error> {
        columns::check(&table)?;
        rows::filter(table, &conditions)
    }

    fn sort(table: Table, by: Vec<Order>) -> Result<Table, Error> {
        columns::check(&table)?;
        rows::sort(table, &by)
    }

    fn join(left: Table, right: Table, on: Vec<String>, kind: JoinKind) -> Result<Table, Error> {
        columns::check(&left)?;
        columns::check(&right)?;
        joins::join(&left, &right, &on, kind)
    }

    fn aggregate(table: Table, by: Vec<String>, measures: Vec<Measure>) -> Result<Table, Error> {
        columns::check(&table)?;
        groups::aggregate(&table, &by, &measures)
    }

    fn append(tables: Vec<Table>) -> Result<Table, Error> {
        tables.iter().try_for_each(columns::check)?;
        rows::append(&tables)
    }

    fn texts(table: Table, column: String) -> Result<Vec<String>, Error> {
        columns::check(&table)?;
        columns::texts(&table, &column)
    }

    fn numbers(table: Table, column: String) -> Result<Vec<f64>, Error> {
        columns::check(&table)?;
        columns::numbers(&table, &column)
    }
}

export!(Plugin);
