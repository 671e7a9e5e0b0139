//! Responsible for rows of two tables that belong together.
//! Leaves columns to `columns`.

use crate::columns;
use crate::{Error, JoinKind, Table};
use std::collections::BTreeMap;

/// Bounds what two tables that repeat one key multiply to.
const MAX_CELLS: usize = 10_000_000;

/// Joins two tables on columns of both.
pub fn join(left: &Table, right: &Table, on: &[String], kind: JoinKind) -> Result<Table, Error> {
    let keys = columns::positions(left, on)?;
    let right_keys = columns::positions(right, on)?;
    let others: Vec<usize> =
        (0..right.columns.len()).filter(|position| !right_keys.contains(position)).collect();
    let mut partners: BTreeMap<Vec<&str>, Vec<&Vec<String>>> = BTreeMap::new();
    for row in &right.rows {
        partners.entry(columns::cells(row, &right_keys)).or_default().push(row);
    }
    if kind == JoinKind::Without {
        let is_alone = |row: &&Vec<String>| !partners.contains_key(&columns::cells(row, &keys));
        return Ok(Table {
            columns: left.columns.clone(),
            rows: left.rows.iter().filter(is_alone).cloned().collect(),
        });
    }
    let names = columns::cells(&right.columns, &others).into_iter().map(str::to_owned);
    let mut joined = Table { columns: left.columns.iter().cloned().chain(names).collect(), rows: Vec::new() };
    columns::check(&joined)?;
    let rows_of = |row: &Vec<String>| partners.get(&columns::cells(row, &keys)).map_or(1, Vec::len);
    let rows = left.rows.iter().map(rows_of).fold(0, usize::saturating_add);
    if rows.saturating_mul(joined.columns.len()) > MAX_CELLS {
        return Err(Error::TooLarge);
    }
    for row in &left.rows {
        let found = partners.get(&columns::cells(row, &keys));
        let with = |partner: &&Vec<String>| {
            let cells = columns::cells(partner, &others).into_iter().map(str::to_owned);
            row.iter().cloned().chain(cells).collect()
        };
        match found {
            Some(partners) => joined.rows.extend(partners.iter().map(with)),
            None if kind == JoinKind::Left => {
                joined.rows.push(row.iter().cloned().chain(others.iter().map(|_| String::new())).collect());
            }
            None => {}
        }
    }
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(kind: JoinKind) -> String {
        let left = crate::text::parse("id,n\n1,a\n2,b\n3,c\n1,d\n", ',').unwrap();
        let right = crate::text::parse("price,id\n10,1\n20,3\n30,3\n", ',').unwrap();
        crate::text::write(&join(&left, &right, &["id".to_owned()], kind).unwrap(), ',').unwrap()
    }

    #[test]
    fn kinds_of_joins() {
        assert_eq!(joined(JoinKind::Inner), "id,n,price\n1,a,10\n3,c,20\n3,c,30\n1,d,10\n");
        assert_eq!(joined(JoinKind::Left), "id,n,price\n1,a,10\n2,b,\n3,c,20\n3,c,30\n1,d,10\n");
        assert_eq!(joined(JoinKind::Without), "id,n\n2,b\n");
    }

    #[test]
    fn columns_of_a_join_have_different_names() {
        let left = crate::text::parse("id,n\n1,a\n", ',').unwrap();
        let on = ["id".to_owned()];
        assert!(
            matches!(join(&left, &left, &on, JoinKind::Inner), Err(Error::RepeatedColumn(name)) if name == "n")
        );
        assert!(matches!(
            join(&left, &left, &["x".to_owned()], JoinKind::Inner),
            Err(Error::UnknownColumn(_))
        ));
    }

    #[test]
    fn a_join_that_multiplies_is_refused() {
        let text = format!("id\n{}", "1\n".repeat(5_000));
        let table = crate::text::parse(&text, ',').unwrap();
        assert!(matches!(join(&table, &table, &["id".to_owned()], JoinKind::Inner), Err(Error::TooLarge)));
    }
}
