//! Responsible for a whole text as HTML or as words.
//! Leaves single parts of it to `parts`.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// What `GitHub` adds to `CommonMark`.
pub const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH)
    .union(Options::ENABLE_TASKLISTS);

/// Returns HTML with the HTML of the text in it.
pub fn html(text: &str) -> String {
    written(text, Parser::new_ext(text, OPTIONS))
}

/// Returns HTML in which nothing but the marks of Markdown becomes a tag.
pub fn safe_html(text: &str) -> String {
    let safe = Parser::new_ext(text, OPTIONS).map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: safe_address(dest_url), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: safe_address(dest_url), title, id })
        }
        other => other,
    });
    written(text, safe)
}

fn written<'t>(text: &str, events: impl Iterator<Item = Event<'t>>) -> String {
    let mut page = String::with_capacity(text.len() * 2);
    html::push_html(&mut page, events);
    page
}

/// An address whose scheme runs nothing; empty if it has another one. Browsers skip blanks and control characters in it.
fn safe_address(address: CowStr<'_>) -> CowStr<'_> {
    let read: String =
        address.chars().filter(|letter| !letter.is_whitespace() && !letter.is_control()).collect();
    let scheme = read.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_safe = scheme.is_none_or(|scheme| {
        matches!(scheme.as_str(), "http" | "https" | "mailto") || scheme.contains(['/', '?', '#'])
    });
    if is_safe { address } else { CowStr::Borrowed("") }
}

/// Returns the words of a text, one block a paragraph.
pub fn words(text: &str) -> String {
    let mut words = String::new();
    for event in Parser::new_ext(text, OPTIONS) {
        match event {
            Event::Text(part) | Event::Code(part) => words.push_str(&part),
            Event::SoftBreak => words.push(' '),
            Event::HardBreak => words.push('\n'),
            Event::End(TagEnd::TableCell) => words.push('\t'),
            Event::End(end) if ends_line(end) => {
                let line = words.trim_end_matches(['\t', ' ', '\n']).len();
                words.truncate(line);
                words.push_str(if is_row(end) { "\n" } else { "\n\n" });
            }
            _ => {}
        }
    }
    words.trim_matches('\n').to_owned()
}

fn is_row(end: TagEnd) -> bool {
    matches!(end, TagEnd::Item | TagEnd::TableHead | TagEnd::TableRow)
}

fn ends_line(end: TagEnd) -> bool {
    let is_block = matches!(
        end,
        TagEnd::Paragraph
            | TagEnd::Heading(_)
            | TagEnd::CodeBlock
            | TagEnd::List(_)
            | TagEnd::Table
            | TagEnd::BlockQuote(_)
            | TagEnd::FootnoteDefinition
    );
    is_block || is_row(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_tags() {
        assert_eq!(
            html("# A\n\n*b* ~~c~~ `d`\n"),
            "<h1>A</h1>\n<p><em>b</em> <del>c</del> <code>d</code></p>\n"
        );
        assert!(html("|a|\n|-|\n|b|\n").contains("<td>b</td>"));
        assert!(html("a <b>c</b>").contains("<b>c</b>"));
    }

    #[test]
    fn strangers_write_no_tags_and_no_scripts() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[a](javascript:alert(1))",
            "[a](JaVa&#10;Script:alert(1))",
            "[a](&#1;javascript:alert(1))",
            "![a](data:text/html,x)",
            "<javascript:alert(1)>",
            "[a]\n\n[a]: vbscript:x",
            "<div>\n\n<svg onload=alert(1)>\n\n</div>",
            "[a](file:///etc/passwd)",
            "`<b>` <!-- <b> --> <?php ?>",
        ] {
            let page = safe_html(text).to_lowercase();
            for bad in [
                "<script",
                "<img src=x",
                "<svg",
                "<div",
                "<b>",
                "<!--",
                "<?",
                "\"javascript",
                "\"data:",
                "vbscript:\"",
                "file:",
            ] {
                assert!(!page.contains(bad), "{text}: {page}");
            }
            assert!(!page.contains("href=\"java") && !page.contains("href=\"&#"), "{text}: {page}");
        }
        let page = safe_html("[a](https://b/c?d=1&e=2) [f](g/h#i) [j](mailto:k@l) [m](n/o:p)");
        for good in ["https://b/c?d=1&amp;e=2", "g/h#i", "mailto:k@l", "n/o:p"] {
            assert!(page.contains(&format!("href=\"{good}\"")), "{page}");
        }
    }

    #[test]
    fn words_stay_without_marks() {
        let text = "# A *b*\n\nc\nd [e](f)\n\n- g\n- h\n\n|i|j|\n|-|-|\n|k|l|\n\n```\nm\n```\n<b>n</b>";
        assert_eq!(words(text), "A b\n\nc d e\n\ng\nh\n\ni\tj\nk\tl\n\nm\n\nn");
    }

    #[test]
    fn hostile_text_takes_little_time() {
        for part in ["[", "*", "> ", "![", "`", "- ", "<", "|", "&", "[a](", "**_", "\\", "[^1]: "] {
            let text = part.repeat(20_000);
            assert!(safe_html(&text).len() < 40 * text.len());
            words(&text);
        }
    }
}
