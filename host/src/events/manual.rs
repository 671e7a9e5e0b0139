//! Compares the page of events with the facts: names, keys, examples.
//! The codes of warnings are tested with other words of the manual.

use crate::cli::manual::{Page, blocks};
use crate::events::parse::tests::facts;
use crate::events::{Event, Fact, Subject, from_json_line, to_json_line};
use crate::model::{RunId, TaskName, Timestamp};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

type Keys = BTreeSet<String>;

fn line(fact: Fact) -> Map<String, Value> {
    let subject =
        Subject { task: TaskName::new("t").unwrap(), item: Some(4), iteration: Some(9), attempt: Some(2) };
    let event = Event { at: Timestamp::from_millis(5), subject: Some(subject), fact };
    serde_json::from_slice(&to_json_line(&RunId::new("r1").unwrap(), "h1", &event)).unwrap()
}

/// Returns the names of all events, each with its own keys.
fn events() -> BTreeMap<String, Keys> {
    let common = common();
    let mut events: BTreeMap<String, Keys> = BTreeMap::new();
    for mut line in facts().into_iter().map(line) {
        let name = line["event"].as_str().unwrap().to_owned();
        line.retain(|key, _| !common.contains(key));
        events.entry(name).or_default().extend(line.into_iter().map(|(key, _)| key));
    }
    events
}

/// Returns the keys that all lines have.
fn common() -> Keys {
    line(Fact::TaskReady).into_iter().map(|(key, _)| key).collect()
}

#[test]
fn tests_cover_every_event() {
    let source = include_str!("event.rs");
    let names = source.split("rename = \"").skip(1).filter_map(|rest| rest.split('"').next());
    assert_eq!(names.collect::<BTreeSet<_>>(), events().keys().map(String::as_str).collect());
}

#[test]
fn every_event_has_a_row_with_its_keys() {
    let table = Page::of("events").section("All events");
    for (name, keys) in events() {
        assert_eq!(table.row(&name).cell(1).words(), keys, "keys of {name}");
    }
}

#[test]
fn every_common_key_has_a_row() {
    let table = Page::of("events").section("Common keys");
    for key in common() {
        table.row(&key).cell(1).says_something();
    }
}

#[test]
fn every_event_has_an_example_that_parses() {
    let mut shown = Keys::new();
    for (page, block) in blocks("json") {
        for example in block.lines().filter(|line| line.contains("\"event\"")) {
            let head = r#"{"v":1,"ts":"2026-11-24T02:15:00.123Z","run":"r","host":"h","#;
            let line = example.replacen('{', head, 1);
            assert!(from_json_line(line.as_bytes()).is_some(), "{page}.md: {example}");
            shown.insert(serde_json::from_str::<Value>(&line).unwrap()["event"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(shown, events().into_keys().collect());
}
