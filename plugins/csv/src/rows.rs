//! Responsible for rows: which stay, in which order, and tables below each other.
//! Leaves columns to `columns`.

use crate::columns;
use crate::{Comparison, Condition, Error, Order, Table};
use std::cmp::Ordering;

/// Keeps the rows for which all conditions hold.
pub fn filter(table: Table, conditions: &[Condition]) -> Result<Table, Error> {
    let mut conditions_at = Vec::new();
    for condition in conditions {
        conditions_at.push((columns::position(&table, &condition.column)?, condition));
    }
    let mut rows = Vec::new();
    for (number, row) in (1..).zip(&table.rows) {
        let mut keep = true;
        for (position, condition) in &conditions_at {
            keep = keep && holds(&table, number, row, (*position, condition))?;
        }
        if keep {
            rows.push(row.clone());
        }
    }
    Ok(Table { columns: table.columns, rows })
}

fn holds(
    table: &Table,
    number: u32,
    row: &[String],
    (at, condition): (usize, &Condition),
) -> Result<bool, Error> {
    let cell = row.get(at).map_or("", String::as_str);
    let operand = condition.operand.as_str();
    let is_ordered = |accepted: &[Ordering]| {
        let cell = columns::number(table, number, row, at)?;
        let operand = columns::parsed(operand).ok_or_else(|| not_a_number(condition))?;
        Ok(cell.and_then(|cell| cell.partial_cmp(&operand)).is_some_and(|order| accepted.contains(&order)))
    };
    match condition.is {
        Comparison::Equal => Ok(cell == operand),
        Comparison::NotEqual => Ok(cell != operand),
        Comparison::Contains => Ok(cell.contains(operand)),
        Comparison::Less => is_ordered(&[Ordering::Less]),
        Comparison::AtMost => is_ordered(&[Ordering::Less, Ordering::Equal]),
        Comparison::Greater => is_ordered(&[Ordering::Greater]),
        Comparison::AtLeast => is_ordered(&[Ordering::Greater, Ordering::Equal]),
    }
}

/// The operand of a condition stands in no row: row 0.
fn not_a_number(condition: &Condition) -> Error {
    let cell = crate::BadCell { column: condition.column.clone(), row: 0, text: condition.operand.clone() };
    Error::NotANumber(cell)
}

/// A cell as it is compared.
#[derive(PartialEq, PartialOrd)]
enum Key {
    Number(f64),
    /// Behind all numbers.
    Empty,
    Text(String),
}

/// Sorts rows by columns; equal ones keep their order.
pub fn sort(mut table: Table, by: &[Order]) -> Result<Table, Error> {
    let mut keyed = Vec::new();
    for (number, row) in (1..).zip(&table.rows) {
        let key = by.iter().map(|order| key(&table, number, row, order));
        keyed.push((key.collect::<Result<Vec<_>, _>>()?, row.clone()));
    }
    keyed.sort_by(|(left, _), (right, _)| {
        let orders = left.iter().zip(right).zip(by).map(|((left, right), order)| compare(left, right, order));
        orders.fold(Ordering::Equal, Ordering::then)
    });
    table.rows = keyed.into_iter().map(|(_, row)| row).collect();
    Ok(table)
}

fn key(table: &Table, number: u32, row: &[String], order: &Order) -> Result<Key, Error> {
    let position = columns::position(table, &order.column)?;
    if order.numeric == Some(true) {
        return Ok(columns::number(table, number, row, position)?.map_or(Key::Empty, Key::Number));
    }
    Ok(Key::Text(row.get(position).cloned().unwrap_or_default()))
}

/// Empty cells are last in both directions.
fn compare(left: &Key, right: &Key, order: &Order) -> Ordering {
    let ordering = left.partial_cmp(right).unwrap_or(Ordering::Equal);
    let has_empty = [left, right].iter().any(|key| matches!(key, Key::Empty));
    if order.descending == Some(true) && !has_empty { ordering.reverse() } else { ordering }
}

/// Puts tables one below the other, in the columns of the first.
pub fn append(tables: &[Table]) -> Result<Table, Error> {
    let Some((first, others)) = tables.split_first() else {
        return Ok(Table { columns: Vec::new(), rows: Vec::new() });
    };
    let mut whole = first.clone();
    for table in others {
        let surplus = table.columns.iter().find(|column| !first.columns.contains(column));
        if let Some(column) = surplus {
            return Err(Error::UnknownColumn(column.clone()));
        }
        whole.rows.extend(columns::select(table, &first.columns)?.rows);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        crate::text::parse("name,size\nb,10\na,9\nc,\na,2\n", ',').unwrap()
    }

    fn names(table: &Table) -> String {
        table.rows.iter().map(|row| row.concat()).collect::<Vec<_>>().join(" ")
    }

    fn condition(column: &str, is: Comparison, operand: &str) -> Condition {
        Condition { column: column.to_owned(), is, operand: operand.to_owned() }
    }

    #[test]
    fn rows_are_kept_by_all_conditions() {
        for (conditions, kept) in [
            (vec![], "b10 a9 c a2"),
            (vec![condition("size", Comparison::AtLeast, "9")], "b10 a9"),
            (vec![condition("size", Comparison::Less, "9")], "a2"),
            (
                vec![condition("size", Comparison::AtMost, "9"), condition("size", Comparison::Greater, "2")],
                "a9",
            ),
            (vec![condition("name", Comparison::Equal, "a")], "a9 a2"),
            (vec![condition("size", Comparison::NotEqual, "")], "b10 a9 a2"),
            (vec![condition("size", Comparison::Contains, "1")], "b10"),
        ] {
            assert_eq!(names(&filter(table(), &conditions).unwrap()), kept);
        }
        let text = filter(table(), &[condition("name", Comparison::Less, "1")]);
        assert!(matches!(text, Err(Error::NotANumber(cell)) if cell.row == 1 && cell.text == "b"));
        let value = filter(table(), &[condition("size", Comparison::Less, "x")]);
        assert!(matches!(value, Err(Error::NotANumber(cell)) if cell.row == 0 && cell.text == "x"));
    }

    #[test]
    fn rows_are_sorted_by_several_columns() {
        let order = |column: &str, numeric, descending| Order {
            column: column.to_owned(),
            numeric: Some(numeric),
            descending: Some(descending),
        };
        for (by, sorted) in [
            (vec![order("size", false, false)], "c b10 a2 a9"),
            (vec![order("size", true, false)], "a2 a9 b10 c"),
            (vec![order("size", true, true)], "b10 a9 a2 c"),
            (vec![order("name", false, true), order("size", true, false)], "c b10 a2 a9"),
            (vec![order("name", false, false)], "a9 a2 b10 c"),
        ] {
            assert_eq!(names(&sort(table(), &by).unwrap()), sorted);
        }
    }

    #[test]
    fn tables_are_appended_by_the_names_of_columns() {
        let other = crate::text::parse("size,name\n1,x\n", ',').unwrap();
        assert_eq!(names(&append(&[table(), other]).unwrap()), "b10 a9 c a2 x1");
        let odd = crate::text::parse("size,name,more\n1,x,y\n", ',').unwrap();
        assert!(matches!(append(&[table(), odd]), Err(Error::UnknownColumn(name)) if name == "more"));
        let few = crate::text::parse("size\n1\n", ',').unwrap();
        assert!(matches!(append(&[table(), few]), Err(Error::UnknownColumn(name)) if name == "name"));
        assert!(append(&[]).unwrap().rows.is_empty());
    }
}
