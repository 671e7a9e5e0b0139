//! Compares words of several modules with the pages that explain them: classes, reasons, codes, variables.
//! The enumerations of one module are tested beside it.

use crate::cli::manual::{Page, sources, variants};
use crate::cli::process::Exit;
use crate::model::{FailureClass, RunStatus, SkipReason};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error, StrDeserializer};
use std::collections::BTreeSet;

#[test]
fn every_error_class_has_a_row() {
    let table = Page::of("events").section("Error classes");
    for class in variants::<FailureClass>() {
        table.row(class);
    }
}

#[test]
fn every_skip_reason_has_a_row() {
    let table = Page::of("manifest").section("Skipped tasks");
    for reason in variants::<SkipReason>() {
        table.row(reason);
    }
    Page::of("events").row("reason").names(variants::<SkipReason>().iter().copied());
}

#[test]
fn every_state_of_a_run_is_listed() {
    Page::of("cli").row("status").names(variants::<RunStatus>().iter().copied());
}

#[test]
fn every_exit_code_has_a_row() {
    let table = Page::of("cli").section("Exit codes");
    for name in variants::<Exit>() {
        let name: StrDeserializer<'_, Error> = name.into_deserializer();
        table.line(&Exit::deserialize(name).unwrap().code().to_string());
    }
    table.line("101"); // a panic, which has no variant
}

#[test]
fn every_variable_of_the_host_is_listed() {
    // Variables derived from names of settings are tested beside the settings.
    let found: BTreeSet<String> = strings("\"CASCADE_").map(|name| format!("CASCADE_{name}")).collect();
    assert!(found.contains("CASCADE_REDIS_PASSWORD"), "{found:?}");
    let own = found.iter().map(String::as_str).filter(|name| !name.contains('{'));
    Page::of("cli").section("Settings").names(own);
    Page::of("cli").section("Settings").names(["XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"]);
}

#[test]
fn every_warning_has_a_row() {
    let table = Page::of("events").section("Warnings");
    // `heard` marks a warning of another host, whose code is dropped.
    let found: BTreeSet<String> = strings("code: \"").collect();
    assert!(found.contains("state-lost"), "{found:?}");
    for code in &found {
        table.row(code);
    }
}

/// Returns the rest of each string literal in the crate's code that begins with `before`.
fn strings(before: &str) -> impl Iterator<Item = String> {
    let sources = sources().into_iter();
    sources.flat_map(move |(_, code)| {
        let found = code.split(before).skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned));
        found.collect::<Vec<_>>()
    })
}
