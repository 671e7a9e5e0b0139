//! Black-box tests: the real binary on real manifests with real components.
//! Each topic has a module; `guests` lists the components.

#![deny(dead_code)]

mod budgets;
mod compiling;
mod conditions;
mod differences;
mod doctor;
mod events_file;
mod examples;
mod faults;
mod folders;
mod for_each;
mod gates;
mod given;
mod golden;
mod grants;
mod guests;
mod hostile;
mod hosts;
mod inherited;
mod keyvalue;
mod languages;
mod library;
mod large;
mod manual;
mod mistakes;
mod names;
mod network;
mod outages;
mod outputs;
mod paths;
mod policies;
mod printing;
mod purity;
mod reaching;
mod references;
mod retries;
mod secret_forms;
mod secrets;
mod signals;
mod shortages;
mod speech;
mod stored;
mod streams;
mod surroundings;
mod values;
mod verifying;

use guests::Guest;

/// A component table for a guest, under the name `g`.
fn component(guest: Guest) -> String {
    named("g", guest)
}

/// A component table for a guest under another name.
fn named(name: &str, guest: Guest) -> String {
    format!("[components.{name}]\npath = \"{{guest:{}}}\"\n", guest.folder())
}
