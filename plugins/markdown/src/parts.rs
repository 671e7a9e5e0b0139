//! Responsible for single parts of a text: links, blocks of code, tables.
//! Leaves sections to `sections`.

use crate::page::OPTIONS;
use crate::{Code, Link, Table};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// Returns all links and pictures in the order in which they end.
pub fn links(text: &str) -> Vec<Link> {
    let mut open: Vec<Link> = Vec::new();
    let mut links = Vec::new();
    for event in Parser::new_ext(text, OPTIONS) {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => open.push(link(&dest_url, Kind::Link)),
            Event::Start(Tag::Image { dest_url, .. }) => open.push(link(&dest_url, Kind::Picture)),
            Event::End(TagEnd::Link | TagEnd::Image) => links.extend(open.pop()),
            Event::Text(part) | Event::Code(part) => append(&mut open, &part),
            Event::SoftBreak | Event::HardBreak => append(&mut open, " "),
            _ => {}
        }
    }
    links
}

/// A picture in a link is part of the text of both.
fn append(open: &mut [Link], text: &str) {
    for link in open {
        link.text.push_str(text);
    }
}

/// What leads to an address.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Link,
    Picture,
}

fn link(url: &str, kind: Kind) -> Link {
    Link { text: String::new(), url: url.to_owned(), is_picture: kind == Kind::Picture }
}

/// Returns all blocks of code.
pub fn code_blocks(text: &str) -> Vec<Code> {
    let mut blocks: Vec<Code> = Vec::new();
    let mut is_code = false;
    for event in Parser::new_ext(text, OPTIONS) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.trim().to_owned(),
                    CodeBlockKind::Indented => String::new(),
                };
                blocks.push(Code { language, text: String::new() });
                is_code = true;
            }
            Event::End(TagEnd::CodeBlock) => is_code = false,
            Event::Text(part) if is_code => {
                if let Some(block) = blocks.last_mut() {
                    block.text.push_str(&part);
                }
            }
            _ => {}
        }
    }
    blocks
}

/// Returns all tables.
pub fn tables(text: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut row: Option<Vec<String>> = None;
    for event in Parser::new_ext(text, OPTIONS) {
        match event {
            Event::Start(Tag::Table(_)) => tables.push(Table { columns: Vec::new(), rows: Vec::new() }),
            Event::Start(Tag::TableHead | Tag::TableRow) => row = Some(Vec::new()),
            Event::Start(Tag::TableCell) => row.iter_mut().for_each(|row| row.push(String::new())),
            Event::Text(part) | Event::Code(part) => {
                if let Some(cell) = row.as_mut().and_then(|row| row.last_mut()) {
                    cell.push_str(&part);
                }
            }
            Event::End(TagEnd::TableHead) => {
                if let (Some(table), Some(row)) = (tables.last_mut(), row.take()) {
                    table.columns = row;
                }
            }
            Event::End(TagEnd::TableRow) => {
                if let (Some(table), Some(row)) = (tables.last_mut(), row.take()) {
                    table.rows.push(row);
                }
            }
            _ => {}
        }
    }
    tables
}

/// Writes a table, its columns as wide as they need to be.
pub fn write_table(table: &Table) -> String {
    let mut text = line(table.columns.iter().map(String::as_str));
    text += &line(table.columns.iter().map(|_| "---"));
    let cells = |row: &Vec<String>| {
        let cells = (0..table.columns.len()).map(|at| row.get(at).map_or("", String::as_str));
        line(cells)
    };
    text.extend(table.rows.iter().map(cells));
    text
}

fn line<'c>(cells: impl Iterator<Item = &'c str>) -> String {
    let cells: Vec<String> = cells.map(cell).collect();
    if cells.is_empty() { String::new() } else { format!("| {} |\n", cells.join(" | ")) }
}

/// A cell on one line, whose bars begin no other cell.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_their_texts() {
        let found = links("[a *b*](c) ![d](e) [![f](g)](h) <https://i.j> [k]\n\n[k]: l");
        let shown: Vec<_> =
            found.iter().map(|link| (link.text.as_str(), link.url.as_str(), link.is_picture)).collect();
        let expected = [
            ("a b", "c", false),
            ("d", "e", true),
            ("f", "g", true),
            ("f", "h", false),
            ("https://i.j", "https://i.j", false),
            ("k", "l", false),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn blocks_of_code_have_languages() {
        let found = code_blocks("```rust\nlet a;\n```\n\n    b\n\ntext\n\n~~~\n```\n~~~\n");
        let shown: Vec<_> = found.iter().map(|code| (code.language.as_str(), code.text.as_str())).collect();
        assert_eq!(shown, [("rust", "let a;\n"), ("", "b\n"), ("", "```\n")]);
    }

    #[test]
    fn tables_are_read_and_written() {
        let found = tables("|a|`b`|\n|-|-|\n|c \\| d|*e*|\n|f|\n\ntext\n\n|g|\n|-|\n");
        assert_eq!(found[0].columns, ["a", "b"]);
        assert_eq!(found[0].rows, [["c | d", "e"], ["f", ""]]);
        assert!(found[1].rows.is_empty());
        let table =
            Table { columns: vec!["a|b".to_owned(), "c".to_owned()], rows: vec![vec!["d\ne".to_owned()]] };
        assert_eq!(write_table(&table), "| a\\|b | c |\n| --- | --- |\n| d e |  |\n");
        assert_eq!(tables(&write_table(&table))[0].columns, ["a|b", "c"]);
        assert_eq!(write_table(&Table { columns: vec![], rows: vec![vec![]] }), "");
    }
}
