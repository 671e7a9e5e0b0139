//! HTML as text: elements, tables, and the one place where texts from outside are escaped.
//! `mod.rs` composes the page.

use crate::cli::print::escape_control;

/// Marks of the direction of text, which could show a name as another one.
const DIRECTION_MARKS: std::ops::RangeInclusive<char> = '\u{202a}'..='\u{202e}';

/// Isolating marks of the direction of text.
const ISOLATES: std::ops::RangeInclusive<char> = '\u{2066}'..='\u{2069}';

/// Escapes a text for content and quoted attributes. Control characters and marks of direction are shown as codes.
pub(crate) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape_control(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ if DIRECTION_MARKS.contains(&c) || ISOLATES.contains(&c) => {
                out.push_str(&c.escape_unicode().to_string());
            }
            _ => out.push(c),
        }
    }
    out
}

/// Escapes the beginning of a text, at most this many characters of it.
pub(crate) fn short(from: &str, max: usize) -> String {
    text(&crate::model::excerpt(from, max))
}

/// A table: caption, header cells, and rows whose first cell is their header. Cells are HTML.
pub(crate) struct Table<'a> {
    /// Says what the table has.
    pub caption: &'a str,
    /// Header cells. Columns behind the first are of numbers if their name begins with `#`.
    pub columns: &'a [&'a str],
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// Appends the table, or a sentence if it has no rows.
    pub(crate) fn put(&self, out: &mut String) {
        if self.rows.is_empty() {
            out.push_str("<p class=\"none\">None.</p>\n");
            return;
        }
        // It can be scrolled by keyboard where it is wider than the screen.
        out.push_str(&format!(
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\"><table><caption>{caption}</caption>\
             \n<thead><tr>",
            caption = self.caption
        ));
        let is_number = |column: usize| self.columns.get(column).is_some_and(|name| name.starts_with('#'));
        let class = |column: usize| if is_number(column) { " class=\"number\"" } else { "" };
        for (position, name) in self.columns.iter().enumerate() {
            out.push_str(&format!(
                "<th scope=\"col\"{}>{}</th>",
                class(position),
                name.trim_start_matches('#')
            ));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            out.push_str("<tr>");
            for (position, cell) in row.iter().enumerate() {
                match position {
                    0 => out.push_str(&format!("<th scope=\"row\">{cell}</th>")),
                    _ => out.push_str(&format!("<td{}>{cell}</td>", class(position))),
                }
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody></table></div>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        let hostile = "</script><img src=x onerror=alert(1)> \" ' & \u{1b}[2J \u{202e}gnp.exe \u{2066}";
        let shown = text(hostile);
        assert!(!shown.contains(['<', '>', '"', '\'', '\u{1b}', '\u{202e}', '\u{2066}']), "{shown}");
        assert_eq!(text("a<b"), "a&lt;b");
        assert_eq!(short("abcdef", 3), text(&crate::model::excerpt("abcdef", 3)));
    }
}
