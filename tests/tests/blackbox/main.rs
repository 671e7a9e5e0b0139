//! Black-box tests: the real binary on real manifests with real components.
//! Each topic has a module; `guests` lists the components.

#![deny(dead_code)]

mod budgets;
mod builtins;
mod commands;
mod compiling;
mod concurrency;
mod conditions;
mod deadlines;
mod differences;
mod doctor;
mod drawings;
mod effects;
mod events_file;
mod finally;
mod endings;
mod example_pipelines;
mod examples;
mod faults;
mod file_lists;
mod special_files;
mod fan_outs;
mod flows;
mod nested_flows;
mod nested_runs;
mod for_each;
mod gates;
mod user_input;
mod golden;
mod grants;
mod guests;
mod hostile;
mod hosts;
mod if_running;
mod imports;
mod inherited_signals;
mod keyvalue;
mod languages;
mod library;
mod locks;
mod large;
mod manual;
mod manifest_tests;
mod maps;
mod modules;
mod mistakes;
mod unknown_names;
mod nested_names;
mod network;
mod new_pipelines;
mod notifications;
mod outages;
mod output_files;
mod outputs;
mod packaging;
mod partial_failure;
mod paths;
mod pipelines;
mod passed_on;
mod plugins;
mod policies;
mod polyglot;
mod printing;
mod purity;
mod unreachable;
mod references;
mod registries;
mod repeat;
mod reports;
mod reruns;
mod resources;
mod retries;
mod growing_limits;
mod run_references;
mod run_watch;
mod secret_forms;
mod schedules;
mod schemas;
mod sources;
mod scratch;
mod secrets;
mod shells;
mod signals;
mod shortages;
mod json_messages;
mod stored;
mod updates;
mod streams;
mod isolation;
mod values;
mod verify;
mod why;

use guests::Guest;

/// A component table for a guest, under the name `g`.
fn component(guest: Guest) -> String {
    named("g", guest)
}

/// A component table for a guest under another name.
fn named(name: &str, guest: Guest) -> String {
    format!("[components.{name}]\npath = \"{{guest:{}}}\"\n", guest.folder())
}
