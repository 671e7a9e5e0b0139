//! Responsible for tables: their cells on a grid, whatever they span.
//! Leaves the words of a cell to `words`.

use crate::elements;
use crate::words;
use crate::{Error, Table};
use scraper::{ElementRef, Html};
use std::collections::BTreeSet;

/// Bounds what a few cells that span much become.
const MAX_CELLS: usize = 1_000_000;

/// A cell that reaches into rows below.
#[derive(Clone, Default)]
struct Spanning {
    rows: usize,
    text: String,
}

/// Returns the first table that matches.
pub fn table(page: &Html, by: &str) -> Result<Table, Error> {
    let by = elements::selector(by)?;
    let found = page.select(&by).find_map(|element| {
        let is_table = |element: &ElementRef<'_>| element.value().name() == "table";
        element.descendent_elements().find(is_table)
    });
    let rows = grid(found.ok_or(Error::NotFound)?)?;
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    if width.saturating_mul(rows.len()) > MAX_CELLS {
        return Err(Error::TooLarge);
    }
    let mut rows = rows.into_iter().map(|mut row| {
        row.resize(width, String::new());
        row
    });
    let columns = names(rows.next().unwrap_or_default());
    Ok(Table { columns, rows: rows.collect() })
}

/// The cells of all rows. Rows without any are left out.
fn grid(table: ElementRef<'_>) -> Result<Vec<Vec<String>>, Error> {
    let mut above: Vec<Spanning> = Vec::new();
    let mut rows = Vec::new();
    let mut count = 0;
    for row in rows_of(table) {
        let mut cells: Vec<String> = Vec::new();
        for cell in row.child_elements().filter(|cell| matches!(cell.value().name(), "td" | "th")) {
            fill(&mut cells, &mut above);
            let text = words::words(cell).replace('\n', " ");
            let span = Spanning { rows: number(cell, "rowspan", 65_534) - 1, text: text.clone() };
            for _ in 0..number(cell, "colspan", 1_000) {
                above.resize_with(above.len().max(cells.len() + 1), Spanning::default);
                if let Some(place) = above.get_mut(cells.len()) {
                    *place = span.clone();
                }
                cells.push(text.clone());
            }
            if count + cells.len() > MAX_CELLS {
                return Err(Error::TooLarge);
            }
        }
        fill(&mut cells, &mut above);
        count += cells.len();
        if !cells.is_empty() {
            rows.push(cells);
        }
    }
    Ok(rows)
}

/// The rows of a table, and not those of tables in its cells.
fn rows_of(table: ElementRef<'_>) -> impl Iterator<Item = ElementRef<'_>> {
    let parts = table.child_elements().flat_map(|part| {
        let inner: Vec<_> = match part.value().name() {
            "tr" => vec![part],
            "thead" | "tbody" | "tfoot" => part.child_elements().collect(),
            _ => Vec::new(),
        };
        inner
    });
    parts.filter(|row| row.value().name() == "tr")
}

/// Appends the cells from above that reach into this row, up to the next free place.
fn fill(cells: &mut Vec<String>, above: &mut [Spanning]) {
    while let Some(span) = above.get_mut(cells.len()).filter(|span| span.rows > 0) {
        span.rows -= 1;
        cells.push(span.text.clone());
    }
}

fn number(cell: ElementRef<'_>, attribute: &str, most: usize) -> usize {
    let number = cell.attr(attribute).and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(1).max(1);
    usize::try_from(number).map_or(most, |number| number.min(most))
}

/// Names of columns: none is empty, and none stands twice.
fn names(cells: Vec<String>) -> Vec<String> {
    let mut used = BTreeSet::new();
    let unique = |(number, cell): (u32, String)| {
        let name = if cell.is_empty() { format!("column {number}") } else { cell };
        let more = (2_u32..).map(|times| format!("{name} {times}"));
        let mut names = std::iter::once(name.clone()).chain(more);
        names.find(|name| used.insert(name.clone())).unwrap_or(name)
    };
    (1..).zip(cells).map(unique).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(page: &str) -> Result<Table, Error> {
        table(&Html::parse_document(page), "table")
    }

    #[test]
    fn cells_stand_in_columns() {
        let page =
            "<table><thead><tr><th>a<th>b</thead><tbody><tr><td>1<td>2 <i>3</i><tr><td>4</tbody></table>";
        let table = read(page).unwrap();
        assert_eq!(table.columns, ["a", "b"]);
        assert_eq!(table.rows, [["1", "2 3"], ["4", ""]]);
    }

    #[test]
    fn spanning_cells_are_repeated() {
        let page = "<table><tr><th>a<th colspan=2>b<tr><td rowspan=2>1<td>2<td>3<tr><td>4<td>5<td>6</table>";
        let table = read(page).unwrap();
        assert_eq!(table.columns, ["a", "b", "b 2", "column 4"]);
        assert_eq!(table.rows, [["1", "2", "3", ""], ["1", "4", "5", "6"]]);
    }

    #[test]
    fn tables_in_cells_are_text() {
        let table = read("<table><tr><th>a<tr><td><table><tr><td>1<td>2</table></table>").unwrap();
        assert_eq!(table.rows, [["1 2"]]);
    }

    #[test]
    fn hostile_spans_are_bounded() {
        assert!(matches!(read("<p>"), Err(Error::NotFound)));
        assert!(read("<table></table>").unwrap().columns.is_empty());
        assert_eq!(read("<table><tr><td colspan=99999999999>a</table>").unwrap().columns.len(), 1_000);
        let rows = "<tr>".to_owned() + &"<td colspan=1000 rowspan=65534>a".repeat(20);
        assert!(matches!(read(&format!("<table>{}</table>", rows.repeat(60))), Err(Error::TooLarge)));
    }
}
