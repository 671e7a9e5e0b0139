//! Responsible for the words of an element, laid out as a browser would show them.
//! Leaves the choice of the element to others.

use ego_tree::iter::Edge;
use scraper::{ElementRef, Node};

/// Elements whose text is not shown.
const HIDDEN: &[&str] = &["head", "noscript", "script", "style", "template"];

/// Elements that begin and end a line.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "caption",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// Returns the words of an element.
pub fn words(element: ElementRef<'_>) -> String {
    let mut text = String::new();
    let mut hidden = 0_u32;
    for edge in element.traverse() {
        let (node, is_open) = match edge {
            Edge::Open(node) => (node, true),
            Edge::Close(node) => (node, false),
        };
        match node.value() {
            Node::Element(tag) if HIDDEN.contains(&tag.name()) && node.id() != element.id() => {
                hidden = if is_open { hidden + 1 } else { hidden - 1 };
            }
            Node::Element(tag) if BLOCKS.contains(&tag.name()) => end_line(&mut text),
            Node::Element(tag) if matches!(tag.name(), "td" | "th") && !is_open => text.push(' '),
            Node::Text(part) if is_open && hidden == 0 => push(&mut text, part),
            _ => {}
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Appends words with one space for any white space between them.
fn push(text: &mut String, part: &str) {
    if part.starts_with(is_space) {
        space(text);
    }
    for (number, word) in part.split(is_space).filter(|word| !word.is_empty()).enumerate() {
        if number > 0 {
            space(text);
        }
        text.push_str(word);
    }
    if part.ends_with(is_space) {
        space(text);
    }
}

/// White space of HTML; a space that may not break is a letter.
fn is_space(letter: char) -> bool {
    letter.is_ascii_whitespace()
}

fn space(text: &mut String) {
    if !text.is_empty() && !text.ends_with([' ', '\n']) {
        text.push(' ');
    }
}

fn end_line(text: &mut String) {
    text.truncate(text.trim_end_matches(' ').len());
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scraper::Html;

    fn shown(page: &str) -> String {
        words(Html::parse_document(page).root_element())
    }

    #[test]
    fn blocks_are_lines_and_white_space_is_one_space() {
        let page = "<title>t</title><h1>A  b\n c</h1><p>d <b>e</b>f<br>g</p><ul><li>h<li>i</ul>\
                    <table><tr><td>j<td>k</table><script>l</script><style>m</style>";
        assert_eq!(shown(page), "A b c\nd ef\ng\nh\ni\nj k");
    }

    #[test]
    fn entities_are_letters() {
        assert_eq!(shown("a &amp; b&lt;c &#228; d&nbsp;e"), "a & b<c ä d\u{a0}e");
    }
}
