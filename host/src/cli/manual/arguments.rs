//! Compares the commands and flags of clap with the page of the command line.
//! Tests of the commands check their behaviour.

use crate::cli::args::Arguments;
use crate::cli::manual::{Page, words_of};
use crate::cli::topics::TOPICS;
use clap::{Arg, Command, CommandFactory as _};
use std::collections::BTreeSet;

fn root() -> Command {
    let mut root = Arguments::command();
    root.build();
    root
}

/// Returns `--long` and `-s` of a flag.
fn names(flag: &Arg) -> impl Iterator<Item = String> {
    let short = flag.get_short().map(|letter| format!("-{letter}"));
    flag.get_long().map(|long| format!("--{long}")).into_iter().chain(short)
}

/// Returns all arguments that are not positional.
fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_positional())
}

fn is_global(flag: &Arg) -> bool {
    flag.is_global_set() || matches!(flag.get_id().as_str(), "help" | "version")
}

/// Returns the rows or the section of a command's own flags.
fn own_flags(command: &str) -> Page {
    let page = Page::of("cli");
    if command == "run" { page.section("run") } else { page.section("Other commands").row(command) }
}

#[test]
fn every_command_has_a_row_with_its_arguments() {
    let table = Page::of("cli").section("Command line");
    for command in root().get_subcommands() {
        let row = table.row(command.get_name()).cell(0);
        for argument in command.get_positionals() {
            row.names(argument.get_value_names().unwrap().iter().map(clap::builder::Str::as_str));
        }
    }
}

#[test]
fn every_flag_is_listed_with_its_command() {
    for command in root().get_subcommands() {
        let own = own_flags(command.get_name());
        for flag in flags(command).filter(|flag| !is_global(flag)) {
            let names: Vec<String> = names(flag).collect();
            own.names(names.iter().map(String::as_str));
        }
    }
    let global = Page::of("cli").section("Flags of every command");
    for flag in flags(&root()) {
        let names: Vec<String> = names(flag).collect();
        global.names(names.iter().map(String::as_str));
    }
}

#[test]
fn every_flag_value_is_listed_in_its_row() {
    for command in root().get_subcommands() {
        for flag in command.get_opts().filter(|flag| flag.get_action().takes_values()) {
            let words = flag.get_possible_values();
            if let Some(long) = flag.get_long().filter(|_| !words.is_empty()) {
                let row = Page::of("cli").row(&format!("--{long}"));
                row.names(words.iter().map(clap::builder::PossibleValue::get_name));
            }
        }
    }
}

#[test]
fn manual_names_no_unknown_flag() {
    let root = root();
    let commands = || std::iter::once(&root).chain(root.get_subcommands());
    let known: BTreeSet<String> =
        commands().flat_map(|command| command.get_arguments().flat_map(names)).collect();
    for topic in TOPICS {
        let codes = Page::of(topic.name).codes();
        let own = codes.iter().filter(|code| code.starts_with("--") || code.starts_with("cascade-host "));
        for word in own.flat_map(|code| words_of(&format!("`{code}`"))).filter(|word| word.starts_with("--"))
        {
            assert!(known.contains(&word), "{}.md names {word}", topic.name);
        }
    }
}
