//! Responsible for the exports that `wit/markdown.wit` promises.
//! Leaves HTML to `page`, the parts of a text to `parts`, and sections to `sections`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod page;
mod parts;
mod sections;

use exports::cascade::markdown::markdown::{Code, Guest, Link, Section, Table};

struct Plugin;

impl Guest for Plugin {
    fn to_html(text: String) -> String {
        page::html(&text)
    }

    fn to_safe_html(text: String) -> String {
        page::safe_html(&text)
    }

    fn to_text(text: String) -> String {
        page::words(&text)
    }

    fn sections(text: String, level: u8) -> Vec<Section> {
        sections::sections(&text, level)
    }

    fn links(text: String) -> Vec<Link> {
        parts::links(&text)
    }

    fn code_blocks(text: String) -> Vec<Code> {
        parts::code_blocks(&text)
    }

    fn tables(text: String) -> Vec<Table> {
        parts::tables(&text)
    }

    fn write_table(table: Table) -> String {
        parts::write_table(&table)
    }
}

export!(Plugin);
