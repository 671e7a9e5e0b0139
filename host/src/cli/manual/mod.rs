//! Test helpers that read the manual: pages, sections, tables, and words in backquotes.
//! Enumerations are tested beside their code; the tests here cover arguments, pages, and words of several modules.

mod arguments;
mod pages;
mod words;

use crate::cli::topics::{TOPICS, Topic};
use crate::model::Size;
use serde::de;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A page or a part of it, without code blocks.
pub(crate) struct Page {
    name: String,
    lines: Vec<String>,
}

impl Page {
    /// Returns the page of a topic.
    #[track_caller]
    pub(crate) fn of(topic: &str) -> Self {
        let topic = Topic::find(topic).unwrap_or_else(|| panic!("there is no page {topic}"));
        let mut is_code = false;
        let is_prose = |line: &&str| {
            let is_fence = line.starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        };
        let lines = topic.text.lines().filter(is_prose).map(str::to_owned).collect();
        Self { name: format!("host/docs/{}.md", topic.name), lines }
    }

    /// Returns the part below a heading, up to the next heading.
    #[track_caller]
    pub(crate) fn section(&self, heading: &str) -> Self {
        let is_heading =
            |line: &&String| line.starts_with('#') && line.trim_start_matches('#').trim() == heading;
        let mut lines = self.lines.iter();
        assert!(lines.find(is_heading).is_some(), "{} has no heading {heading:?}", self.name);
        let lines = lines.take_while(|line| !line.starts_with('#')).cloned().collect();
        Self { name: format!("{}, section {heading:?}", self.name), lines }
    }

    /// Returns the table rows whose first cell has `word` in backquotes; if there are any, those with `word` alone.
    #[track_caller]
    pub(crate) fn row(&self, word: &str) -> Self {
        self.row_by(0, word)
    }

    /// Returns the table rows whose cell `column` has `word` in backquotes, as [`Self::row`] does.
    #[track_caller]
    pub(crate) fn row_by(&self, column: usize, word: &str) -> Self {
        let is_alone = |cells: &[&str]| codes_of(cells.get(column).unwrap_or(&"")).any(|code| code == word);
        if self.rows().any(|(_, cells)| is_alone(&cells)) {
            return self.filtered(word, is_alone);
        }
        self.filtered(word, |cells| words_of(cells.get(column).unwrap_or(&"")).contains(word))
    }

    /// Returns the table rows whose first cell begins with `text` at a word boundary.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) -> Self {
        let continues = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric());
        self.filtered(text, |cells| cells[0].strip_prefix(text).is_some_and(|rest| !continues(rest)))
    }

    #[track_caller]
    fn filtered(&self, label: &str, matches: impl Fn(&[&str]) -> bool) -> Self {
        let lines: Vec<String> =
            self.rows().filter(|(_, cells)| matches(cells)).map(|(line, _)| line.clone()).collect();
        assert!(!lines.is_empty(), "{} has no row of {label:?}", self.name);
        Self { name: format!("{}, row of {label:?}", self.name), lines }
    }

    /// Lists the table rows with their cells.
    fn rows(&self) -> impl Iterator<Item = (&String, Vec<&str>)> {
        let rows = self.lines.iter().filter(|line| line.starts_with("| "));
        rows.map(|line| (line, line.split('|').skip(1).map(str::trim).collect()))
    }

    /// Returns one column of the rows, counted from 0.
    pub(crate) fn cell(&self, column: usize) -> Self {
        let cell = |cells: Vec<&str>| cells.get(column).map(ToString::to_string).unwrap_or_default();
        let lines = self.rows().map(|(_, cells)| cell(cells)).collect();
        Self { name: format!("{}, column {}", self.name, column + 1), lines }
    }

    /// Returns the words in backquotes.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        words_of(&self.lines.join("\n"))
    }

    /// Returns the code spans in backquotes.
    pub(crate) fn codes(&self) -> Vec<String> {
        codes_of(&self.lines.join("\n")).map(|code| code.replace('\n', " ")).collect()
    }

    /// Asserts that all of `words` occur in backquotes.
    #[track_caller]
    pub(crate) fn names<'a>(&self, words: impl IntoIterator<Item = &'a str>) {
        let known = self.words();
        let missing: Vec<&str> = words.into_iter().filter(|word| !known.contains(*word)).collect();
        assert!(missing.is_empty(), "{} does not name {}", self.name, missing.join(", "));
    }

    /// Asserts that no line is empty.
    #[track_caller]
    pub(crate) fn says_something(&self) {
        assert!(self.lines.iter().all(|line| !line.trim().is_empty()), "{} is empty", self.name);
    }

    /// Asserts that `text` occurs as a whole word; `1 MiB` counts as `1MiB`.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let mut own = self.lines.join("\n").replace(['`', '"'], "");
        for unit in ["KiB", "MiB", "GiB"] {
            for digit in '0'..='9' {
                own = own.replace(&format!("{digit} {unit}"), &format!("{digit}{unit}"));
            }
        }
        let is_word = own.match_indices(text).any(|(start, _)| {
            let (before, after) = (&own[..start], &own[start + text.len()..]);
            let starts = !before.ends_with(|c: char| c.is_alphanumeric() || c == ',');
            // A number may continue after a comma or a point.
            let bare = after.trim_start_matches([',', '.']);
            let continues = bare.len() == after.len() && after.starts_with(char::is_alphanumeric)
                || bare.len() < after.len() && bare.starts_with(|c: char| c.is_ascii_digit());
            starts && !continues
        });
        assert!(is_word, "{} does not say {text:?}: {own}", self.name);
    }
}

fn codes_of(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Returns the words that may be names: keys, flags, events, variables.
fn words_of(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+');
    let words = codes_of(text).flat_map(|code| code.split(move |c| !is_word(c)));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Returns the code blocks of a language, such as `json`, each with the name of its page.
pub(crate) fn blocks(kind: &str) -> Vec<(&'static str, String)> {
    let mut blocks = Vec::new();
    for topic in TOPICS {
        let mut lines = topic.text.lines();
        while let Some(line) = lines.next() {
            let Some(info) = line.strip_prefix("```") else { continue };
            let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            if info == kind {
                blocks.push((topic.name, block.join("\n")));
            }
        }
    }
    assert!(!blocks.is_empty(), "no page has a block of {kind}");
    blocks
}

/// Formats a number as the manual does: `10,000`.
pub(crate) fn count<T: TryInto<u64, Error: fmt::Debug>>(number: T) -> String {
    let digits = number.try_into().unwrap().to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a size as the manual does: `16MiB`.
pub(crate) fn size<T: TryInto<u64, Error: fmt::Debug>>(bytes: T) -> String {
    Size::bytes(bytes.try_into().unwrap()).to_string()
}

/// Returns the stored names of all variants of an enum.
pub(crate) fn variants<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    assert!(T::deserialize(Variants(&mut names)).is_err(), "not an enum");
    names
}

/// A deserializer that only records the variant names that an enum asks for.
struct Variants<'a>(&'a mut &'static [&'static str]);

impl<'de> de::Deserializer<'de> for Variants<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("not an enum"))
    }

    fn deserialize_enum<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = names;
        Err(de::Error::custom("the names are recorded"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Asserts that the tests of a file name each of its constants, except those in `internal`.
#[track_caller]
pub(crate) fn has_no_other_limits(file: &str, internal: &[&str]) {
    let text = fs::read_to_string(repository().join(file)).unwrap();
    let (code, tests) = text.split_once("#[cfg(test)]\nmod tests {").unwrap();
    let names = code.lines().filter_map(|line| {
        let line =
            line.trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("const ")?;
        line.split(':').next().filter(|name| !name.starts_with("fn "))
    });
    let is_tested = |name: &&str| tests.contains(name) || internal.contains(name);
    let missing: Vec<&str> = names.filter(|name| !is_tested(name)).collect();
    assert!(missing.is_empty(), "{file}: no test compares the manual with {}", missing.join(", "));
}

/// Returns the sources of the crate without comments and tests: path and code.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![repository().join("host/src")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.to_string_lossy();
                if ["manual", "tests"].iter().any(|word| name.contains(word)) {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
                sources.push((path.clone(), lines.collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(sources.len() > 200, "{}", sources.len());
    sources
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn missing_words_fail_the_assertions() {
    let page = Page {
        name: "p".into(),
        lines: ["## a", "| `x`, `y=Z` | 1 MiB, 10,000 |", "### b", "`z` 0"].map(str::to_owned).into(),
    };
    page.section("a").row("x").names(["y", "Z"]);
    for word in ["z", "1"] {
        assert!(std::panic::catch_unwind(|| page.section("a").names([word])).is_err(), "{word}");
    }
    page.line("`x`").says("1MiB");
    page.line("`x`").cell(1).says("10,000");
    for text in ["10", "000", "0,000", "MiB"] {
        assert!(std::panic::catch_unwind(|| page.says(text)).is_err(), "{text}");
    }
    assert!(std::panic::catch_unwind(|| page.section("c").lines.len()).is_err());
    assert_eq!(
        (count(1u8), count(1_000_000_usize), size(1_u64 << 20)),
        ("1".into(), "1,000,000".into(), "1MiB".into())
    );
}
