//! Compares the manual's manifest page with the known keys and words, and parses its fragments.
//! The black-box tests run the complete examples.

use crate::cli::manual::{Page, blocks, count};
use crate::manifest::Policy;
use crate::manifest::collected::WORDS;
use crate::manifest::entries::MAX_ENTRIES;
use crate::manifest::expectation::FAILURES;
use crate::manifest::grants::MAX_BUCKET;
use crate::manifest::keys::{SECTIONS, Section};
use crate::manifest::notify::ENDINGS;
use crate::manifest::policy::{BACKOFFS, CLASSES};
use crate::manifest::reference::companions;
use crate::manifest::resource::SCOPES;
use crate::manifest::scalar::MAX_TITLE;
use crate::manifest::task::{CONDITION, ON_ERROR};
use crate::manifest::tests::{HEAD, parsed};
use crate::manifest::value::{KINDS, MAX_DEPTH};
use crate::model::{IndexPath, Limits, MAX_FILE_NAME, MAX_PATH, show_duration};

/// Returns the manual's section for the keys of a table, and a text with `KEY` in that table.
fn section_of(table: &str) -> (Page, &'static str) {
    let manifest = |heading: &str| Page::of("manifest").section(heading);
    match table {
        "TOP" => (manifest("Top level"), "KEY"),
        "BACKEND" => (manifest("[state] and [cache]"), "[state]\nKEY"),
        "URI" => (manifest("[state] and [cache]"), "[state.uri]\nKEY"),
        "PARAM" => (manifest("[params.NAME]"), "[params.p]\nKEY"),
        "RESOURCE" => (manifest("[resources]"), "[resources.r]\nKEY"),
        "DEFAULTS" => (manifest("[defaults]"), "[defaults]\nKEY"),
        "COMPONENT" => (manifest("[components.NAME]"), "[components.c]\nKEY"),
        "IMPORT" => (manifest("[components.NAME.imports]"), "[components.c.imports.i]\nKEY"),
        "TASK" => (manifest("[tasks.NAME]"), "[tasks.t]\nKEY"),
        "OUTPUT" => (manifest("output and outputs"), "[tasks.t]\ncommand = \"c\"\noutput = { KEY }"),
        "NOTIFY" => (manifest("[notify]"), "[notify]\nKEY"),
        "TEST" => (manifest("[[tests]]"), "[[tests]]\nKEY"),
        "REPEAT" => (manifest("repeat"), "[tasks.t]\nrepeat = { KEY }"),
        "RETRY" => (manifest("retry"), "[defaults.retry]\nKEY"),
        "LIMITS" => (manifest("limits"), "[defaults.limits]\nKEY"),
        "GRANTS" => (Page::of("grants").section("All grants"), "[components.c.grants]\nKEY"),
        _ => panic!("say in this test where the manual has the keys of {table}"),
    }
}

fn each_key() -> impl Iterator<Item = (&'static str, &'static str)> {
    let keys = |(table, section): &(&'static str, Section)| {
        let table = *table;
        section.keys().iter().map(move |key| (table, *key))
    };
    SECTIONS.iter().flat_map(keys)
}

#[test]
fn every_key_has_a_row_with_its_type_default_and_meaning() {
    for (table, key) in each_key() {
        let (page, _) = section_of(table);
        match table {
            // These keys have the rows of tasks.
            "DEFAULTS" => page.names([key]),
            // A table in the place of a string, written in the string's row.
            "URI" => page.row("uri").names([key]),
            // The page lists sections by their headers.
            "TOP" => {
                let words = page.words();
                let is_it =
                    |word: &String| word.strip_prefix(key).is_some_and(|rest| matches!(rest, "" | ".NAME"));
                assert!(words.iter().any(is_it), "manifest.md, section \"Top level\", does not name {key}");
            }
            _ => {
                page.row(key).cell(1).says_something();
                page.row(key).cell(2).says_something();
            }
        }
    }
}

#[test]
fn every_grant_and_limit_is_in_its_page() {
    for (table, key) in each_key() {
        match table {
            "LIMITS" => Page::of("limits")
                .section("Limits of a call")
                .row_by(2, &format!("limits.{key}"))
                .says_something(),
            "GRANTS" => Page::of("grants").section("All grants").row(key).cell(3).says_something(),
            _ => {}
        }
    }
}

/// A value that no key accepts: a date.
#[test]
fn every_known_key_is_parsed() {
    for (table, key) in each_key() {
        let (_, text) = section_of(table);
        let head = if matches!(key, "cascade" | "name") && table == "TOP" { "cascade = 1\n" } else { HEAD };
        let head = if key == "cascade" { "" } else { head };
        let text = format!("{head}{}\n", text.replace("KEY", &format!("{key} = 2000-01-01")));
        let faults = parsed(&text).faults;
        let about = |fault: &&crate::model::Fault| !fault.message.starts_with("missing key");
        let messages: Vec<&str> =
            faults.list.iter().filter(about).map(|fault| fault.message.as_str()).collect();
        assert!(!messages.is_empty(), "{table}: a faulty `{key}` is no fault");
        assert!(!messages.iter().any(|message| message.starts_with("unknown key")), "{messages:?}");
    }
}

#[test]
fn every_reference_has_a_row_with_the_keys_beside_it() {
    let table = Page::of("manifest").section("References");
    for kind in KINDS {
        let row = table.row(kind);
        row.names(companions(kind).iter().copied());
    }
    Page::of("manifest").section("after and when").names(CONDITION);
}

#[test]
fn every_word_of_a_key_is_in_its_row() {
    let manifest = |heading: &str, key: &str| Page::of("manifest").section(heading).row(key);
    manifest("retry", "backoff").names(BACKOFFS.iter().map(|(word, _)| *word));
    manifest("retry", "on").names(CLASSES.iter().map(|(word, _)| *word));
    manifest("[resources]", "scope").names(SCOPES.iter().map(|(word, _)| *word));
    manifest("[tasks.NAME]", "output").names(WORDS.iter().map(|(word, _)| *word));
    for (word, _) in WORDS {
        manifest("output and outputs", word);
    }
    manifest("[notify]", "on").names(ENDINGS.iter().map(|(word, _)| *word));
    manifest("[[tests]]", "fails").names(FAILURES.iter().map(|(word, _)| *word));
    for (word, _) in ON_ERROR {
        manifest("on-error", word);
    }
}

#[test]
fn defaults_and_bounds_match_the_code() {
    let row = |heading: &str, key: &str| Page::of("manifest").section(heading).row(key);
    let Policy { retry, timeout, limits, .. } = Policy::default();
    row("[tasks.NAME]", "timeout").says(&show_duration(timeout));
    Page::of("limits").section("Limits of a call").row_by(2, "timeout").cell(1).says(&show_duration(timeout));
    row("retry", "attempts").says(&retry.attempts.to_string());
    row("retry", "delay").says(&show_duration(retry.delay));
    row("retry", "max-delay").says(&show_duration(retry.max_delay));
    row("retry", "jitter").cell(2).names([retry.jitter.to_string().as_str()]);
    let Limits { memory, fuel, output, logs, stack, disk } = limits;
    for (key, limit) in
        [("memory", memory), ("output", output), ("logs", logs), ("stack", stack.size()), ("disk", disk)]
    {
        row("limits", key).says(&limit.to_string());
        Page::of("limits")
            .section("Limits of a call")
            .row_by(2, &format!("limits.{key}"))
            .cell(1)
            .says(&limit.to_string());
    }
    assert_eq!(fuel, None);
    row("limits", "fuel").says("not counted");
    Page::of("manifest").section("Top level").row("name").says(&count(MAX_TITLE));
    Page::of("manifest").section("The file").line("nesting of values").says(&count(MAX_DEPTH));
    let depth = format!("at most {} levels deep", IndexPath::MAX_LEN);
    Page::of("manifest").section("Pipelines as tasks").says(&depth);
    Page::of("grants").section("keyvalue").says(&count(MAX_BUCKET));
    for bound in [MAX_PATH, MAX_FILE_NAME, MAX_ENTRIES] {
        Page::of("manifest").section("command").says(&count(bound));
    }
}

/// Fragments use undefined names and omit required keys, and have no other fault.
#[test]
fn every_fragment_parses() {
    for (page, block) in blocks("toml fragment") {
        if block.starts_with("# ~/.config") {
            continue; // the settings file, which has a test of its own
        }
        let texts: Vec<String> = if block.starts_with("cascade") {
            vec![block]
        } else if block.lines().any(|line| line.starts_with('[')) {
            vec![format!("{HEAD}{block}\n")]
        } else {
            // Keys of a task, some of them in several forms.
            block.lines().map(|line| format!("{HEAD}[tasks.t]\n{line}\n")).collect()
        };
        for text in texts {
            let faults = parsed(&text).faults.list;
            let faults: Vec<_> =
                faults.iter().filter(|fault| !fault.message.starts_with("missing key")).collect();
            assert!(faults.is_empty(), "{page}.md: {text}\n{faults:?}");
        }
    }
}
