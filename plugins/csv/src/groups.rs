//! Responsible for groups of rows and what is computed of their cells.
//! Leaves the numbers of cells to `columns`.

use crate::columns;
use crate::{Error, Measure, Summary, Table};
use std::collections::{BTreeMap, BTreeSet};

/// A row with its number, from 1.
type Numbered<'t> = (u32, &'t Vec<String>);

/// Makes one row of each group.
pub fn aggregate(table: &Table, by: &[String], measures: &[Measure]) -> Result<Table, Error> {
    let keys = columns::positions(table, by)?;
    let groups = groups(table, &keys);
    let names = measures.iter().map(|measure| measure.name.clone().unwrap_or_else(|| name(measure)));
    let mut result = Table { columns: by.iter().cloned().chain(names).collect(), rows: Vec::new() };
    columns::check(&result)?;
    for (key, rows) in groups {
        let mut row: Vec<String> = key.into_iter().map(str::to_owned).collect();
        for measure in measures {
            row.push(summarise(table, &rows, columns::position(table, &measure.column)?, measure.summary)?);
        }
        result.rows.push(row);
    }
    Ok(result)
}

/// The groups in the order of their first rows. Without keys all rows are one, also if there are none.
fn groups<'t>(table: &'t Table, keys: &[usize]) -> Vec<(Vec<&'t str>, Vec<Numbered<'t>>)> {
    let mut places: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    let mut groups: Vec<(Vec<&str>, Vec<Numbered<'_>>)> = Vec::new();
    if keys.is_empty() {
        return vec![(Vec::new(), (1..).zip(&table.rows).collect())];
    }
    for (number, row) in (1..).zip(&table.rows) {
        let key = columns::cells(row, keys);
        let place = *places.entry(key.clone()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, rows)) => rows.push((number, row)),
            None => groups.push((key, vec![(number, row)])),
        }
    }
    groups
}

fn name(measure: &Measure) -> String {
    let word = match measure.summary {
        Summary::Count => "count",
        Summary::Distinct => "distinct",
        Summary::First => "first",
        Summary::Sum => "sum",
        Summary::Mean => "mean",
        Summary::Median => "median",
        Summary::Least => "least",
        Summary::Greatest => "greatest",
    };
    format!("{word} of {}", measure.column)
}

fn summarise(
    table: &Table,
    rows: &[Numbered<'_>],
    position: usize,
    summary: Summary,
) -> Result<String, Error> {
    let cells = || rows.iter().filter_map(|(_, row)| row.get(position)).filter(|cell| !cell.is_empty());
    let numbers = || -> Result<Vec<f64>, Error> {
        let numbers = rows.iter().map(|(number, row)| columns::number(table, *number, row, position));
        numbers.filter_map(Result::transpose).collect()
    };
    let number = match summary {
        Summary::Count => return Ok(cells().count().to_string()),
        Summary::Distinct => return Ok(cells().collect::<BTreeSet<_>>().len().to_string()),
        Summary::First => {
            let first = rows.first().and_then(|(_, row)| row.get(position));
            return Ok(first.cloned().unwrap_or_default());
        }
        Summary::Sum => Some(numbers()?).filter(|numbers| !numbers.is_empty()).map(|numbers| sum(&numbers)),
        Summary::Mean => mean(&numbers()?),
        Summary::Median => median(numbers()?),
        Summary::Least => numbers()?.into_iter().reduce(f64::min),
        Summary::Greatest => numbers()?.into_iter().reduce(f64::max),
    };
    Ok(number.map(written).unwrap_or_default())
}

/// Adds with a correction for lost digits (Neumaier), so that the order of rows hardly matters.
fn sum(numbers: &[f64]) -> f64 {
    let (mut sum, mut lost) = (0.0, 0.0);
    for number in numbers {
        let next: f64 = sum + number;
        lost += if f64::abs(sum) >= number.abs() { (sum - next) + number } else { (number - next) + sum };
        sum = next;
    }
    sum + lost
}

fn mean(numbers: &[f64]) -> Option<f64> {
    let count = u32::try_from(numbers.len()).ok().filter(|count| *count > 0)?;
    Some(sum(numbers) / f64::from(count))
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = numbers.get(middle)?;
    let is_even = numbers.len().is_multiple_of(2);
    let lower = if is_even { numbers.get(middle.checked_sub(1)?)? } else { upper };
    mean(&[*lower, *upper])
}

/// At most 15 significant digits: all of them are right, so that 0.1 and 0.2 add up to 0.3.
fn written(number: f64) -> String {
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        crate::text::parse("shop,day,euros\nNorth,1,0.1\nSouth,1,8\nNorth,2,0.2\nNorth,2,\n", ',').unwrap()
    }

    fn measure(column: &str, summary: Summary, name: &str) -> Measure {
        Measure { column: column.to_owned(), summary, name: Some(name.to_owned()) }
    }

    #[test]
    fn groups_are_summarised_in_the_order_of_their_first_rows() {
        let measures = [
            measure("euros", Summary::Sum, "sum"),
            measure("euros", Summary::Mean, "mean"),
            measure("euros", Summary::Count, "count"),
            measure("day", Summary::Distinct, "days"),
            measure("day", Summary::First, "first"),
            measure("day", Summary::Median, "median"),
            measure("day", Summary::Least, "least"),
            measure("day", Summary::Greatest, "greatest"),
        ];
        let result = aggregate(&table(), &["shop".to_owned()], &measures).unwrap();
        assert_eq!(result.rows[0], ["North", "0.3", "0.15", "2", "2", "1", "2", "1", "2"]);
        assert_eq!(result.rows[1], ["South", "8", "8", "1", "1", "1", "1", "1", "1"]);
    }

    #[test]
    fn without_groups_the_whole_table_is_one() {
        let sum = Measure { column: "euros".to_owned(), summary: Summary::Sum, name: None };
        let result = aggregate(&table(), &[], std::slice::from_ref(&sum)).unwrap();
        assert_eq!(
            (result.columns.as_slice(), result.rows.as_slice()),
            (&["sum of euros".to_owned()][..], &[vec!["8.3".to_owned()]][..])
        );
        let empty = Table { rows: Vec::new(), ..table() };
        assert_eq!(aggregate(&empty, &[], std::slice::from_ref(&sum)).unwrap().rows, [[""]]);
        assert!(aggregate(&empty, &["shop".to_owned()], &[sum]).unwrap().rows.is_empty());
    }

    #[test]
    fn numbers_are_written_without_the_noise_of_binary_fractions() {
        for (number, text) in
            [(0.1 + 0.2, "0.3"), (1e6, "1000000"), (-0.0, "0"), (2.0 / 3.0, "0.666666666666667")]
        {
            assert_eq!(written(number), text);
        }
        assert_eq!(written(sum(&[1e16, 1.0, -1e16])), "1");
    }

    #[test]
    fn a_cell_that_is_no_number_is_an_error_with_its_row() {
        let by_shop = aggregate(&table(), &["day".to_owned()], &[measure("shop", Summary::Sum, "sum")]);
        assert!(matches!(by_shop, Err(Error::NotANumber(cell)) if cell.row == 1 && cell.text == "North"));
        let repeated = aggregate(&table(), &["shop".to_owned()], &[measure("day", Summary::Sum, "shop")]);
        assert!(matches!(repeated, Err(Error::RepeatedColumn(_))));
    }
}
