//! Responsible for the exports that `wit/html.wit` promises.
//! Leaves words to `words`, elements to `elements` and tables to `tables`.

wit_bindgen::generate!({ path: "wit", additional_derives: [Clone, PartialEq] });

mod elements;
mod tables;
mod words;

use exports::cascade::html::html::{Element, Error, Guest, Link, Table};
use scraper::Html;

struct Plugin;

impl Guest for Plugin {
    fn select(page: String, selector: String) -> Result<Vec<Element>, Error> {
        elements::select(&Html::parse_document(&page), &selector)
    }

    fn texts(page: String, selector: String) -> Result<Vec<String>, Error> {
        elements::texts(&Html::parse_document(&page), &selector)
    }

    fn first(page: String, selector: String) -> Result<String, Error> {
        let page = Html::parse_document(&page);
        let selector = elements::selector(&selector)?;
        page.select(&selector).next().map(words::words).ok_or(Error::NotFound)
    }

    fn attributes(page: String, selector: String, name: String) -> Result<Vec<String>, Error> {
        let page = Html::parse_document(&page);
        let selector = elements::selector(&selector)?;
        Ok(page.select(&selector).filter_map(|element| element.attr(&name)).map(str::to_owned).collect())
    }

    fn text(page: String) -> String {
        words::words(Html::parse_document(&page).root_element())
    }

    fn links(page: String, base: Option<String>) -> Vec<Link> {
        elements::links(&Html::parse_document(&page), base.as_deref())
    }

    fn read_table(page: String, selector: Option<String>) -> Result<Table, Error> {
        tables::table(&Html::parse_document(&page), selector.as_deref().unwrap_or("table"))
    }
}

export!(Plugin);
