//! Cuts a document at its headings into HTML pages: an ordinary program, which also runs natively.
//! It takes arguments, standard input, a variable and a file, and leaves files and a line of JSON.

use std::io::{Read, Write};
use std::{env, fs, io};

#[expect(clippy::disallowed_methods, reason = "the ban is for the host; this is a program of its own")]
fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(title) = arguments.next() else {
        return Err(io::Error::other("usage: pages TITLE [LEVEL] < DOCUMENT"));
    };
    let level = arguments.next().and_then(|level| level.parse().ok()).unwrap_or(1);
    let mut document = String::new();
    io::stdin().read_to_string(&mut document)?;
    let style = fs::read_to_string("style.css").unwrap_or_default();
    let language = env::var("LANG").unwrap_or_else(|_| "en".to_owned());
    let chapters = chapters(&document, level);
    fs::create_dir_all("out")?;
    for (number, chapter) in (1..).zip(&chapters) {
        let page = page(chapter, &Frame { title: &title, style: &style, language: &language });
        fs::write(format!("out/{number:02}.html"), page)?;
    }
    let words: usize = chapters.iter().map(|chapter| chapter.text.split_whitespace().count()).sum();
    writeln!(io::stdout(), "{{\"pages\":{},\"words\":{words}}}", chapters.len())
}

/// A heading and the text below it.
#[derive(Debug, PartialEq)]
struct Chapter<'d> {
    heading: &'d str,
    text: String,
}

/// What all pages have in common.
struct Frame<'f> {
    title: &'f str,
    style: &'f str,
    language: &'f str,
}

/// Cuts a document at its headings of a level. Text before the first one is left out.
fn chapters(document: &str, level: usize) -> Vec<Chapter<'_>> {
    let mark = format!("{} ", "#".repeat(level));
    let mut chapters: Vec<Chapter<'_>> = Vec::new();
    for line in document.lines() {
        if let Some(heading) = line.strip_prefix(&mark) {
            chapters.push(Chapter { heading, text: String::new() });
        } else if let Some(chapter) = chapters.last_mut() {
            chapter.text.push_str(line);
            chapter.text.push('\n');
        }
    }
    chapters
}

fn page(chapter: &Chapter<'_>, frame: &Frame<'_>) -> String {
    let Frame { title, style, language } = frame;
    let [title, heading, text] = [title, chapter.heading, chapter.text.trim()].map(escaped);
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<title>{heading} – {title}</title>\n<style>{style}</style>\n\
         <h1>{heading}</h1>\n<pre>{text}</pre>\n",
        escaped(language)
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_is_cut_at_headings_of_one_level() {
        let found = chapters("before\n# A\na b\n## B\nc\n# D\n", 1);
        let chapter = |heading, text: &str| Chapter { heading, text: text.to_owned() };
        assert_eq!(found, [chapter("A", "a b\n## B\nc\n"), chapter("D", "")]);
        assert_eq!(chapters("# A\n## B\nc\n", 2), [chapter("B", "c\n")]);
    }

    #[test]
    fn text_is_escaped() {
        let chapter = Chapter { heading: "a<b", text: "\"&\"".to_owned() };
        let page = page(&chapter, &Frame { title: "t", style: "p > b {}", language: "de" });
        assert!(page.contains("<h1>a&lt;b</h1>") && page.contains("&quot;&amp;&quot;"), "{page}");
        assert!(page.contains("<style>p > b {}</style>") && page.contains("lang=\"de\""), "{page}");
    }
}
