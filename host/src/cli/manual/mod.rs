//! The manual as its tests read it: pages, sections, tables, and what stands in backquotes.
//! Enumerations are tested beside their code; the tests here are of arguments, pages, and words of many modules.

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

/// A page or a part of one, without its blocks of code.
pub(crate) struct Page {
    name: String,
    lines: Vec<String>,
}

impl Page {
    /// The page of a topic.
    #[track_caller]
    pub(crate) fn of(topic: &str) -> Self {
        let topic = Topic::find(topic).unwrap_or_else(|| panic!("no page is called {topic}"));
        let mut is_code = false;
        let is_prose = |line: &&str| {
            let is_fence = line.starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        };
        let lines = topic.text.lines().filter(is_prose).map(str::to_owned).collect();
        Self { name: format!("host/docs/{}.md", topic.name), lines }
    }

    /// The part below a heading, up to the next heading.
    #[track_caller]
    pub(crate) fn section(&self, heading: &str) -> Self {
        let is_it = |line: &&String| line.starts_with('#') && line.trim_start_matches('#').trim() == heading;
        let mut lines = self.lines.iter();
        assert!(lines.find(is_it).is_some(), "{} has no heading {heading:?}", self.name);
        let lines = lines.take_while(|line| !line.starts_with('#')).cloned().collect();
        Self { name: format!("{}, section {heading:?}", self.name), lines }
    }

    /// The rows of tables whose first cell has `word` in backquotes, alone if there is such a row.
    #[track_caller]
    pub(crate) fn row(&self, word: &str) -> Self {
        self.row_by(0, word)
    }

    /// The same for another cell.
    #[track_caller]
    pub(crate) fn row_by(&self, nth: usize, word: &str) -> Self {
        let is_alone = |cells: &[&str]| codes_of(cells.get(nth).unwrap_or(&"")).any(|code| code == word);
        if self.rows().any(|(_, cells)| is_alone(&cells)) {
            return self.filtered(word, is_alone);
        }
        self.filtered(word, |cells| words_of(cells.get(nth).unwrap_or(&"")).contains(word))
    }

    /// The rows of tables whose first cell begins with `text`, which ends where a word does.
    #[track_caller]
    pub(crate) fn line(&self, text: &str) -> Self {
        let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric());
        self.filtered(text, |cells| cells[0].strip_prefix(text).is_some_and(|rest| !goes_on(rest)))
    }

    #[track_caller]
    fn filtered(&self, what: &str, is_it: impl Fn(&[&str]) -> bool) -> Self {
        let lines: Vec<String> =
            self.rows().filter(|(_, cells)| is_it(cells)).map(|(line, _)| line.clone()).collect();
        assert!(!lines.is_empty(), "{} has no row of {what:?}", self.name);
        Self { name: format!("{}, row of {what:?}", self.name), lines }
    }

    /// The rows of its tables, each with its cells.
    fn rows(&self) -> impl Iterator<Item = (&String, Vec<&str>)> {
        let rows = self.lines.iter().filter(|line| line.starts_with("| "));
        rows.map(|line| (line, line.split('|').skip(1).map(str::trim).collect()))
    }

    /// One cell of its rows, from 0.
    pub(crate) fn cell(&self, nth: usize) -> Self {
        let cell = |cells: Vec<&str>| cells.get(nth).map(ToString::to_string).unwrap_or_default();
        let lines = self.rows().map(|(_, cells)| cell(cells)).collect();
        Self { name: format!("{}, column {}", self.name, nth + 1), lines }
    }

    /// All that stands in backquotes, word by word.
    pub(crate) fn words(&self) -> BTreeSet<String> {
        words_of(&self.lines.join("\n"))
    }

    /// All that stands in backquotes, piece by piece.
    pub(crate) fn codes(&self) -> Vec<String> {
        codes_of(&self.lines.join("\n")).map(|code| code.replace('\n', " ")).collect()
    }

    /// Fails unless all of `words` stand in backquotes.
    #[track_caller]
    pub(crate) fn names<'a>(&self, words: impl IntoIterator<Item = &'a str>) {
        let known = self.words();
        let missing: Vec<&str> = words.into_iter().filter(|word| !known.contains(*word)).collect();
        assert!(missing.is_empty(), "{} does not name {}", self.name, missing.join(", "));
    }

    /// Fails if it is empty.
    #[track_caller]
    pub(crate) fn says_something(&self) {
        assert!(self.lines.iter().all(|line| !line.trim().is_empty()), "{} is empty", self.name);
    }

    /// Fails unless `text` stands there, as a word; `1 MiB` counts as `1MiB`.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        let mut own = self.lines.join("\n").replace(['`', '"'], "");
        for unit in ["KiB", "MiB", "GiB"] {
            for digit in '0'..='9' {
                own = own.replace(&format!("{digit} {unit}"), &format!("{digit}{unit}"));
            }
        }
        let is_whole = own.match_indices(text).any(|(at, _)| {
            let (before, after) = (&own[..at], &own[at + text.len()..]);
            let begins = !before.ends_with(|c: char| c.is_alphanumeric() || c == ',');
            // A number goes on behind a comma or a point.
            let bare = after.trim_start_matches([',', '.']);
            let goes_on = bare.len() == after.len() && after.starts_with(char::is_alphanumeric)
                || bare.len() < after.len() && bare.starts_with(|c: char| c.is_ascii_digit());
            begins && !goes_on
        });
        assert!(is_whole, "{} does not say {text:?}: {own}", self.name);
    }
}

fn codes_of(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Words as names are written: keys, flags, events, variables.
fn words_of(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+');
    let words = codes_of(text).flat_map(|code| code.split(move |c| !is_word(c)));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The blocks of code of a kind, as `json`, each with the name of its page.
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

/// A number as the manual writes it: `10,000`.
pub(crate) fn count<T: TryInto<u64, Error: fmt::Debug>>(number: T) -> String {
    let digits = number.try_into().unwrap().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes as the manual writes it: `16MiB`.
pub(crate) fn size<T: TryInto<u64, Error: fmt::Debug>>(bytes: T) -> String {
    Size::bytes(bytes.try_into().unwrap()).to_string()
}

/// The names of all variants of an enum, as it is stored.
pub(crate) fn variants<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    assert!(T::deserialize(Variants(&mut names)).is_err(), "it is no enum");
    names
}

/// A deserializer that only looks at what an enum asks for.
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
        Err(de::Error::custom("its names are known"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// Fails unless each constant of a file is named by its tests, or by `internal` with a reason beside it.
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
    assert!(missing.is_empty(), "{file}: no test holds the manual against {}", missing.join(", "));
}

/// The sources of the crate without comments and tests: path and code.
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
fn a_word_that_a_page_lacks_is_found() {
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
