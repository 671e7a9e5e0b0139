//! The entry point of parsing: reads as much of a text as possible, and collects all its faults.
//! Each section has a file of its own.

use crate::manifest::component::component;
use crate::manifest::expectation::tests;
use crate::manifest::finally::finally;
use crate::manifest::keys::DEFAULTS;
use crate::manifest::notify::notify;
use crate::manifest::output::{OutputsSection, outputs};
use crate::manifest::policy::{Site, read_policy};
use crate::manifest::reader::{Completeness, Reader};
use crate::manifest::resource::resource;
use crate::manifest::scalar::{duration, text, title};
use crate::manifest::section::{backend, named, named_once, param, version};
use crate::manifest::shifted::shifted;
use crate::manifest::syntax::Syntax;
use crate::manifest::table::{Slot, Table};
use crate::manifest::task::task;
use crate::manifest::{Manifest, Parsed, Policy, recovery};
use crate::model::{Fault, Faults, Location, Name, Source, Sources};
use indexmap::IndexMap;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use toml::de::DeTable;
use toml::de::DeValue;

/// Parses a manifest whose relative paths start at `folder`. No file is opened and no name looked up.
#[cfg(any(test, feature = "internals"))]
#[must_use]
pub fn parse(source: Source, folder: &Path) -> Parsed {
    parse_at(source, 0, folder)
}

/// Parses a manifest whose text begins at an offset among several texts. Only the caller knows the others.
pub(crate) fn parse_at(source: Source, start: usize, folder: &Path) -> Parsed {
    let text = Arc::clone(&source.text);
    let at = Place { sources: source.into(), start, text: &text, folder };
    // Checked on tokens: building the tree of such a key could exhaust the stack.
    if let Some(fault) = recovery::long_key(&text) {
        return read(DeTable::new(), Syntax::unreadable(fault), at);
    }
    if text.trim_start().starts_with('{') {
        let fault = Fault::of_file("a manifest is TOML, and this looks like JSON");
        return read(DeTable::new(), Syntax::unreadable(fault), at);
    }
    let (tree, errors) = DeTable::parse_recoverable(&text);
    if errors.is_empty() {
        return read(tree.into_inner(), Syntax::valid(), at);
    }
    let (mut syntax, readable) = Syntax::recovered(&text, errors);
    // No line was lost: only duplicate keys, whose tree is complete.
    if syntax.completeness == Completeness::Complete {
        return read(tree.into_inner(), syntax, at);
    }
    // Parse again without the faulty lines, so that faults in the rest are reported too.
    let (tree, errors) = DeTable::parse_recoverable(&readable);
    syntax.add_later(&text, errors);
    read(tree.into_inner(), syntax, at)
}

/// Where a text stands.
struct Place<'a> {
    sources: Sources,
    start: usize,
    text: &'a str,
    folder: &'a Path,
}

/// Reads a parsed tree, and adds the faults of its syntax.
fn read(tree: DeTable<'_>, mut syntax: Syntax, at: Place<'_>) -> Parsed {
    let Place { sources, start, text, folder } = at;
    let tree = if start == 0 { tree } else { shifted(tree, start) };
    let faults = std::mem::take(&mut syntax.faults).into_iter().map(|fault| fault.moved(start));
    let mut reader = Reader::new(folder, faults.collect(), syntax.completeness);
    let mut manifest = sections(&mut reader, tree, Manifest::empty(sources.clone(), folder.to_owned()));
    let (list, mut left_out) = reader.finish();
    leave_out(&mut manifest.params, &mut left_out.params, &syntax.broken.params);
    leave_out(&mut manifest.resources, &mut left_out.resources, &syntax.broken.resources);
    leave_out(&mut manifest.components, &mut left_out.components, &syntax.broken.components);
    leave_out(&mut manifest.tasks, &mut left_out.tasks, &syntax.broken.tasks);
    let mut faults = Faults { sources, list };
    syntax.hide_secrets(&mut faults.list, (text, start));
    if start > 0 {
        // A fault of the whole file would be one of the outermost manifest.
        let unplaced = faults.list.iter_mut().filter(|fault| fault.location.is_none());
        unplaced
            .for_each(|fault| fault.location = Some(Location { span: start..start, label: String::new() }));
    }
    faults.sort();
    Parsed { manifest, left_out, faults }
}

/// Removes the definitions whose lines have syntax errors.
fn leave_out<T>(
    definitions: &mut IndexMap<Name, T>,
    left_out: &mut HashSet<String>,
    broken: &HashSet<String>,
) {
    definitions.retain(|name, _| !broken.contains(name.as_str()));
    left_out.extend(broken.iter().cloned());
}

fn sections(reader: &mut Reader<'_>, mut tree: DeTable<'_>, mut manifest: Manifest) -> Manifest {
    let tasks = tree.remove_entry("tasks");
    let mut root = Table::root(&tree);
    let mark = reader.mark();
    // With an unknown version, faults of other keys would be noise.
    root.required(reader, ("cascade", "cascade = 1"), version);
    if !reader.is_sound_since(mark) {
        reader.left_out.is_partial = true;
        return manifest; // other versions have other keys
    }
    manifest.name = root.required(reader, ("name", "name = \"wordcount\""), title).unwrap_or_default();
    manifest.description = root.optional(reader, "description", text);
    manifest.deadline = root.optional(reader, "deadline", duration);
    manifest.state = root.optional(reader, "state", backend).unwrap_or_default();
    manifest.cache = root.optional(reader, "cache", backend).unwrap_or_default();
    if let Some(slot) = root.slot("params") {
        (manifest.params, reader.left_out.params) = named(reader, &slot, param);
    }
    if let Some(slot) = root.slot("resources") {
        (manifest.resources, reader.left_out.resources) = named(reader, &slot, resource);
    }
    let defaults = Arc::new(root.optional(reader, "defaults", defaults).unwrap_or_default());
    if let Some(slot) = root.slot("components") {
        (manifest.components, reader.left_out.components) = named(reader, &slot, component);
    }
    if let Some(section) = tasks {
        (manifest.tasks, reader.left_out.tasks) =
            named_once(reader, section, |reader, slot| task(reader, slot, &defaults));
    }
    if let Some(slot) = root.slot("finally") {
        finally(reader, &slot, (&defaults, &mut manifest.tasks));
    }
    if let Some(slot) = root.slot("outputs") {
        let OutputsSection { values, files } = outputs(reader, &slot);
        (manifest.outputs, manifest.output_files) = (Some(values), files);
    }
    manifest.notify = root.optional(reader, "notify", notify);
    if let Some(slot) = root.slot("tests") {
        let mark = reader.mark();
        manifest.tests = tests(reader, &slot);
        manifest.test_faults = reader.faults_since(mark);
    }
    for unknown in root.close(reader) {
        // A misspelt section: its entries may be the definitions that other names refer to.
        match unknown.slot.value {
            DeValue::Table(table) => {
                Slot::entries(table).for_each(|entry| reader.left_out.insert_everywhere(entry.name));
            }
            DeValue::Array(_) => reader.left_out.is_partial = true,
            _ => {} // defines nothing
        }
    }
    manifest
}

fn defaults(reader: &mut Reader<'_>, slot: &Slot<'_>) -> Option<Policy> {
    let example = "`[defaults]` and below it `timeout = \"5m\"`";
    let mut table = Table::open(reader, slot, DEFAULTS, ("`[defaults]`", example))?;
    let mut policy = read_policy(reader, &mut table, (Site::Defaults, &Policy::default()));
    policy.retry.inherits_permanent = true;
    table.close(reader);
    Some(policy)
}
