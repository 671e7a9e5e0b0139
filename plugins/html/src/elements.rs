//! Responsible for the elements that a selector finds, and for links.
//! Leaves their words to `words`.

use crate::words;
use crate::{Element, Error, Link};
use scraper::{ElementRef, Html, Selector};

/// Bounds results: elements that nest contain each other's text, so that it can grow with the square of the page.
const MAX_TEXT: usize = 64 << 20;

/// Reads a selector.
pub fn selector(selector: &str) -> Result<Selector, Error> {
    Selector::parse(selector).map_err(|error| Error::InvalidSelector(error.to_string()))
}

/// Returns the elements that match.
pub fn select(page: &Html, by: &str) -> Result<Vec<Element>, Error> {
    select_within(page, by, MAX_TEXT)
}

fn select_within(page: &Html, by: &str, most: usize) -> Result<Vec<Element>, Error> {
    let by = selector(by)?;
    let mut size = 0;
    let found = page.select(&by).map(|found| {
        let element = element(found);
        size += element.html.len() + element.text.len();
        if size > most { Err(Error::TooLarge) } else { Ok(element) }
    });
    found.collect()
}

fn element(found: ElementRef<'_>) -> Element {
    let attribute = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Element {
        name: found.value().name().to_owned(),
        attributes: found.value().attrs().map(attribute).collect(),
        text: words::words(found),
        html: found.html(),
    }
}

/// Returns the words of the elements that match.
pub fn texts(page: &Html, by: &str) -> Result<Vec<String>, Error> {
    let by = selector(by)?;
    let mut size = 0;
    let found = page.select(&by).map(|found| {
        let text = words::words(found);
        size += text.len();
        if size > MAX_TEXT { Err(Error::TooLarge) } else { Ok(text) }
    });
    found.collect()
}

/// Returns the links of a page.
pub fn links(page: &Html, base: Option<&str>) -> Vec<Link> {
    let anchors =
        page.tree.nodes().filter_map(ElementRef::wrap).filter(|element| element.value().name() == "a");
    let link = |anchor: ElementRef<'_>| {
        let url = anchor.attr("href")?.trim();
        let url = base.map_or_else(|| url.to_owned(), |base| address::absolute(base, url));
        Some(Link { text: words::words(anchor), url })
    };
    anchors.filter_map(link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<h1 class='a b' id=i>One</h1><p><a href='/x'>two <b>three</b></a><a name=n>four</a> \
                        <a href='mailto:m'>five</a>";

    #[test]
    fn elements_have_attributes_words_and_html() {
        let found = select(&Html::parse_document(PAGE), "h1.a").unwrap();
        assert_eq!((found[0].name.as_str(), found[0].text.as_str()), ("h1", "One"));
        let attributes: Vec<_> =
            found[0].attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(attributes, [("class", "a b"), ("id", "i")]);
        assert_eq!(found[0].html, "<h1 class=\"a b\" id=\"i\">One</h1>");
        assert_eq!(texts(&Html::parse_document(PAGE), "p a").unwrap(), ["two three", "four", "five"]);
    }

    #[test]
    fn links_have_addresses() {
        let found = links(&Html::parse_document(PAGE), Some("https://h/y/z"));
        let shown: Vec<_> = found.iter().map(|link| (link.text.as_str(), link.url.as_str())).collect();
        assert_eq!(shown, [("two three", "https://h/x"), ("five", "mailto:m")]);
        assert_eq!(links(&Html::parse_document(PAGE), None)[0].url, "/x");
    }

    #[test]
    fn bad_selectors_are_errors() {
        for by in ["", "a[", "::", "a:nosuch", "p >", "1", "a{}", &"(".repeat(10_000)] {
            assert!(matches!(selector(by), Err(Error::InvalidSelector(_))), "{by}");
        }
    }

    #[test]
    fn hostile_pages_are_pages() {
        for part in [
            "<div>",
            "<a href=x>",
            "<b><p>",
            "<table><tr>",
            "</p>",
            "<!--",
            "&",
            "<svg><![CDATA[",
            "\0",
            "<select><option>",
        ] {
            let page = Html::parse_document(&part.repeat(500));
            assert!(texts(&page, "nosuch > *").unwrap().is_empty());
            words::words(page.root_element());
        }
        let nested = Html::parse_document(&"<div>0123456789".repeat(500));
        assert!(matches!(select_within(&nested, "div", 1 << 20), Err(Error::TooLarge)));
        assert_eq!(select(&nested, "div").unwrap().len(), 500);
    }
}
