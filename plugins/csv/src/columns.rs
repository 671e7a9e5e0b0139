//! Responsible for columns: whether a table is one, which column a name means, and the numbers in it.
//! Leaves rows to `rows`.

use crate::{BadCell, Error, Table};
use std::collections::BTreeSet;

/// Checks that no name stands twice, and that every row has a cell in every column.
pub fn check(table: &Table) -> Result<(), Error> {
    let mut names = BTreeSet::new();
    if let Some(name) = table.columns.iter().find(|name| !names.insert(name.as_str())) {
        return Err(Error::RepeatedColumn(name.clone()));
    }
    match (1..).zip(&table.rows).find(|(_, row)| row.len() != table.columns.len()) {
        Some((number, _)) => Err(Error::RaggedRow(number)),
        None => Ok(()),
    }
}

/// Returns the position of a column.
pub fn position(table: &Table, column: &str) -> Result<usize, Error> {
    let position = table.columns.iter().position(|name| name == column);
    position.ok_or_else(|| Error::UnknownColumn(column.to_owned()))
}

/// Returns the positions of several columns.
pub fn positions(table: &Table, columns: &[String]) -> Result<Vec<usize>, Error> {
    columns.iter().map(|column| position(table, column)).collect()
}

/// Returns some cells of a row.
pub fn cells<'r>(row: &'r [String], positions: &[usize]) -> Vec<&'r str> {
    positions.iter().filter_map(|position| row.get(*position)).map(String::as_str).collect()
}

/// Keeps columns in the order of a list.
pub fn select(table: &Table, columns: &[String]) -> Result<Table, Error> {
    let positions = positions(table, columns)?;
    let kept = |row: &Vec<String>| cells(row, &positions).into_iter().map(str::to_owned).collect();
    let selected = Table { columns: columns.to_vec(), rows: table.rows.iter().map(kept).collect() };
    check(&selected)?;
    Ok(selected)
}

/// Returns the cells of a column.
pub fn texts(table: &Table, column: &str) -> Result<Vec<String>, Error> {
    let position = position(table, column)?;
    Ok(table.rows.iter().filter_map(|row| row.get(position)).cloned().collect())
}

/// Returns the cells of a column as numbers.
pub fn numbers(table: &Table, column: &str) -> Result<Vec<f64>, Error> {
    let position = position(table, column)?;
    let numbers = (1..).zip(&table.rows).map(|(row, cells)| number(table, row, cells, position));
    let cell =
        |(row, found): (u32, Result<Option<f64>, Error>)| found?.ok_or_else(|| bad_cell(column, row, ""));
    (1..).zip(numbers).map(cell).collect()
}

/// Returns the number in a cell; none if the cell is empty.
pub fn number(table: &Table, row: u32, cells: &[String], position: usize) -> Result<Option<f64>, Error> {
    let text = cells.get(position).map_or("", |cell| cell.trim());
    if text.is_empty() {
        return Ok(None);
    }
    let column = table.columns.get(position).map_or("", String::as_str);
    parsed(text).map(Some).ok_or_else(|| bad_cell(column, row, text))
}

fn bad_cell(column: &str, row: u32, text: &str) -> Error {
    Error::NotANumber(BadCell { column: column.to_owned(), row, text: text.to_owned() })
}

/// A number in digits. `inf` and `nan`, which Rust reads too, are words in a table.
pub fn parsed(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_number = text.ends_with(|last: char| last.is_ascii_digit() || last == '.');
    text.parse().ok().filter(|number: &f64| is_number && number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        crate::text::parse("name,size\na,1\nb, 2.5 \nc,\n", ',').unwrap()
    }

    #[test]
    fn columns_are_kept_in_the_order_of_the_list() {
        let selected = select(&table(), &["size".to_owned(), "name".to_owned()]).unwrap();
        assert_eq!(selected.columns, ["size", "name"]);
        assert_eq!(selected.rows[0], ["1", "a"]);
        assert!(
            matches!(select(&table(), &["sizes".to_owned()]), Err(Error::UnknownColumn(name)) if name == "sizes")
        );
        assert!(matches!(
            select(&table(), &["name".to_owned(), "name".to_owned()]),
            Err(Error::RepeatedColumn(_))
        ));
    }

    #[test]
    fn cells_become_numbers_or_errors() {
        let mut table = table();
        let Err(Error::NotANumber(cell)) = numbers(&table, "size") else { panic!("an error") };
        assert_eq!((cell.column.as_str(), cell.row, cell.text.as_str()), ("size", 3, ""));
        table.rows.pop();
        assert_eq!(numbers(&table, "size").unwrap(), [1.0, 2.5]);
        assert!(
            matches!(numbers(&table, "name"), Err(Error::NotANumber(cell)) if cell.row == 1 && cell.text == "a")
        );
        for word in ["inf", "NaN", "infinity", "1e999", "0x10", "1_000", "1,5", ""] {
            assert_eq!(parsed(word), None, "{word}");
        }
    }

    #[test]
    fn rows_of_another_length_are_refused() {
        let ragged = Table { columns: vec!["a".to_owned()], rows: vec![vec!["1".to_owned()], vec![]] };
        assert!(matches!(check(&ragged), Err(Error::RaggedRow(2))));
    }
}
