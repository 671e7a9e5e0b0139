//! Responsible for patterns and for what matches of them become.
//! Leaves the exports to `lib`.

use crate::{Error, Group, Match, Table};
use regex::{Regex, RegexBuilder};

/// Bounds what a short pattern with nested counts takes: of memory, and of time to compile it.
const MAX_COMPILED: usize = 8 << 20;

/// Reads a pattern.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    RegexBuilder::new(pattern).size_limit(MAX_COMPILED).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => Error::TooLarge,
        other => Error::InvalidPattern(other.to_string()),
    })
}

/// Returns every match with its groups.
pub fn matches(text: &str, pattern: &Regex) -> Vec<Match> {
    let names: Vec<Option<&str>> = pattern.capture_names().skip(1).collect();
    let group = |name: Option<&str>, found: Option<regex::Match<'_>>| Group {
        name: name.map(str::to_owned),
        text: found.map(|found| found.as_str().to_owned()),
    };
    let all = pattern.captures_iter(text);
    all.map(|captures| {
        let whole = captures.get_match();
        let groups = names.iter().zip(captures.iter().skip(1)).map(|(name, found)| group(*name, found));
        Match {
            text: whole.as_str().to_owned(),
            start: position(whole.start()),
            end: position(whole.end()),
            groups: groups.collect(),
        }
    })
    .collect()
}

/// Returns the groups of all matches as a table.
pub fn extract(text: &str, pattern: &Regex) -> Table {
    let names = (1..).zip(pattern.capture_names().skip(1));
    let columns =
        names.map(|(number, name)| name.map_or_else(|| number.to_string(), str::to_owned)).collect();
    let row = |captures: regex::Captures<'_>| {
        captures.iter().skip(1).map(|found| found.map_or("", |found| found.as_str()).to_owned()).collect()
    };
    Table { columns, rows: pattern.captures_iter(text).map(row).collect() }
}

/// Lossless in a component, whose texts are shorter than 4 GiB.
fn position(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_have_places_and_groups() {
        let found = matches("ä1 b", &compile(r"(?<letter>\w)(\d)?").unwrap());
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].text.as_str(), found[0].start, found[0].end), ("ä1", 0, 3));
        assert_eq!(found[0].groups[0].name.as_deref(), Some("letter"));
        assert_eq!(found[0].groups[1].text.as_deref(), Some("1"));
        assert_eq!(found[1].groups[1].text, None);
    }

    #[test]
    fn table_has_a_column_for_every_group() {
        let table = extract("a=1 b=", &compile(r"(?<key>\w)=(\d)?").unwrap());
        assert_eq!(table.columns, ["key", "2"]);
        assert_eq!(table.rows, [["a", "1"], ["b", ""]]);
        assert!(extract("a", &compile("a").unwrap()).rows == [[""; 0]]);
    }

    #[test]
    fn bad_patterns_are_errors() {
        for pattern in ["(", "[a", "a{2,1}", r"\1", "(?=a)", "(?<n>a)(?<n>b)", "\u{0}(", "*"] {
            assert!(matches!(compile(pattern), Err(Error::InvalidPattern(_))), "{pattern}");
        }
        assert!(matches!(compile(r"\w{5000}"), Err(Error::TooLarge)));
        assert!(matches!(compile(&"(".repeat(100_000)), Err(Error::InvalidPattern(_))));
    }

    #[test]
    fn a_pattern_that_backtracks_elsewhere_is_linear() {
        assert!(!compile("^(a+)+$").unwrap().is_match(&format!("{}b", "a".repeat(100_000))));
    }
}
