//! Inlining: names, order, what crosses borders, and the bounds of it.
//! Types at the borders are tested with the plan, in `plan/crossing_tests`.

use crate::graph::{Graph, Resolved, resolve};
use crate::manifest::{Texts, load};
use crate::model::{Source, TaskIdx};
use std::path::Path;

const HEAD: &str = "cascade = 1\nname = \"n\"\n[components.c]\npath = \"c.wasm\"\n";

/// Resolves the first of these manifests, each below a common head with the component `c`.
fn resolved(texts: &[(&str, String)]) -> Resolved {
    let files = texts.iter().map(|(name, body)| (Path::new("").join(name), format!("{HEAD}{body}")));
    let mut files = Texts(files.collect(), 0);
    let source = Source { name: texts[0].0.into(), text: format!("{HEAD}{}", texts[0].1).into() };
    resolve(load(source, Path::new(""), None, &mut files))
}

fn sound(texts: &[(&str, &str)]) -> Graph {
    let texts: Vec<(&str, String)> = texts.iter().map(|(name, body)| (*name, (*body).to_owned())).collect();
    let Resolved { graph, faults } = resolved(&texts);
    assert!(faults.is_empty(), "{faults}");
    graph
}

fn faults(texts: &[(&str, String)]) -> String {
    resolved(texts).faults.to_string()
}

fn names(graph: &Graph, tasks: impl Iterator<Item = TaskIdx>) -> String {
    tasks.map(|task| graph.nodes()[task.index()].name.to_string()).collect::<Vec<_>>().join(" ")
}

fn waits(graph: &Graph, name: &str) -> String {
    let node = graph.nodes().iter().find(|node| node.name.as_str() == name).unwrap();
    names(graph, node.waits_for.iter().copied())
}

/// A task that reads these, by name.
fn task(name: &str, rest: &str) -> String {
    format!("[tasks.{name}]\ncall = \"c.f\"\n{rest}\n")
}

const INNER: &str = "[params]\np = { type = \"u32\" }\nq = { type = \"u32\", default = 1 }\n\
    [tasks.a]\ncall = \"c.f\"\nargs.x = { param = \"p\" }\n\
    [tasks.b]\ncall = \"c.f\"\nargs.x = { param = \"q\" }\n\
    [tasks.d]\ncall = \"c.f\"\nargs = { x = { task = \"a\" }, y = { task = \"b\" } }\n\
    [outputs]\na = { task = \"a\" }\nd = { task = \"d\", path = \"part\" }\np = { param = \"p\" }\n";

#[test]
fn tasks_keep_their_order_and_wait_for_what_they_read() {
    let outer = "[tasks.first]\ncall = \"c.f\"\n[tasks.in]\nmanifest = \"inner\"\nargs.p = { task = \"first\" }\n\
        [tasks.last]\ncall = \"c.f\"\nargs = { x = { task = \"in\", path = \"a\" }, y = { task = \"in\", path = \"p\" } }\n";
    let graph = sound(&[("m", outer), ("inner", INNER)]);
    assert_eq!(names(&graph, graph.order().iter().copied()), "first in/a in/b in/d last");
    assert_eq!(waits(&graph, "in/a"), "first");
    assert_eq!(waits(&graph, "in/b"), "");
    assert_eq!(waits(&graph, "in/d"), "in/a in/b");
    // Only what an output needs is waited for: `in/a`, and by way of `p` what the argument needs.
    assert_eq!(waits(&graph, "last"), "first in/a");
    let shown: Vec<&str> = graph.outputs().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(shown, ["last"], "the pipeline is consumed");
}

#[test]
fn after_covers_whole_pipelines() {
    let outer = "[tasks.one]\nmanifest = \"inner\"\nargs.p = 1\n[tasks.two]\nmanifest = \"inner\"\nargs.p = 2\n\
        after = [\"one\"]\n[tasks.last]\ncall = \"c.f\"\nafter = [\"two\"]\n";
    let graph = sound(&[("m", outer), ("inner", INNER)]);
    assert_eq!(waits(&graph, "last"), "two/a two/b two/d");
    assert_eq!(waits(&graph, "two/a"), "one/a one/b one/d");
    assert_eq!(waits(&graph, "two/d"), "two/a two/b", "the rest follows from these");
}

#[test]
fn priorities_add_up_within_their_range_and_grants_are_taken_from_all() {
    let outer = "[tasks.t]\nmanifest = \"middle\"\npriority = 60\n";
    let middle = "[tasks.low]\ncall = \"c.f\"\npriority = -70\n\
        [tasks.t]\nmanifest = \"inner\"\nargs.p = 1\npriority = 70\ngrants = \"none\"\n";
    let graph = sound(&[("m", outer), ("middle", middle), ("inner", INNER)]);
    let shown: Vec<(&str, i8, bool)> =
        graph.nodes().iter().map(|node| (node.name.as_str(), node.priority, node.is_ungranted)).collect();
    assert_eq!(
        shown,
        [("t/low", -10, false), ("t/t/a", 100, true), ("t/t/b", 100, true), ("t/t/d", 100, true)]
    );
}

#[test]
fn conditions_of_pipelines_precede_those_of_tasks() {
    let outer = "[params.go]\ntype = \"bool\"\n[tasks.t]\nmanifest = \"inner\"\nwhen = { param = \"go\" }\n";
    let inner = task("a", "when = true") + &task("b", "");
    let graph = sound(&[("m", outer), ("inner", &inner)]);
    let places: Vec<Vec<usize>> = graph
        .nodes()
        .iter()
        .map(|node| node.conditions.iter().map(|condition| condition.place.manifest).collect())
        .collect();
    assert_eq!(places, [vec![0, 1], vec![0]]);
}

#[test]
fn a_value_that_needs_itself_is_a_fault() {
    let outer = "[tasks.t]\nmanifest = \"inner\"\nargs.p = { task = \"t\", path = \"p\" }\n";
    let shown = faults(&[("m", outer.to_owned()), ("inner", INNER.to_owned())]);
    assert_eq!(shown, "inner:20:5: this value needs itself");
}

#[test]
fn cycles_in_an_included_manifest_are_reported_once() {
    let inner = task("a", "args.x = { task = \"b\" }") + &task("b", "args.x = { task = \"a\" }");
    let outer = "[tasks]\none.manifest = \"inner\"\ntwo.manifest = \"inner\"\n";
    let shown = faults(&[("m", outer.to_owned()), ("inner", inner)]);
    assert_eq!(shown, "inner:7:19: tasks wait for each other in a cycle: a -> b -> a");
}

#[test]
fn names_that_become_too_long_are_faults() {
    let long = "x".repeat(64);
    let level = |next: usize| format!("[tasks.{long}]\nmanifest = \"m{next}\"\n");
    let shown = faults(&[("m0", level(1)), ("m1", level(2)), ("m2", level(3)), ("m3", task(&long, ""))]);
    assert!(shown.starts_with("m0:5:8: the full name of a task has at most 255 bytes"), "{shown}");
}

/// A chain of pipelines that each pass their param on as an output, `often` times.
fn chain(len: usize, output: &str) -> Vec<(&'static str, String)> {
    let inner = format!("[params.p]\ntype = \"u32\"\n[tasks.a]\ncall = \"c.f\"\n[outputs]\nout = {output}\n");
    let mut outer = "[tasks.t0]\nmanifest = \"inner\"\nargs.p = 1\n".to_owned();
    for at in 1..len {
        let before = at - 1;
        outer.push_str(&format!(
            "[tasks.t{at}]\nmanifest = \"inner\"\nargs.p = {{ task = \"t{before}\", path = \"out\" }}\n"
        ));
    }
    vec![("m", outer), ("inner", inner)]
}

#[test]
fn values_that_grow_at_each_border_are_bounded() {
    let once = "[{ param = \"p\" }]";
    let twice = "[{ param = \"p\" }, { param = \"p\" }]";
    assert_eq!(faults(&chain(30, once)), "");
    assert!(faults(&chain(50_000, once)).contains("has too many parts"));
    assert!(faults(&chain(40, twice)).contains("has too many parts"));
}
