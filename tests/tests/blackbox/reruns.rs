//! `--rerun`: nodes of a stored run that run again, with all that depends on them by data.
//! How backends discard results is tested in their conformance suite; changed plans are in `updates`.

use crate::gates::{self, GRANTS, open};
use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Finished, Host, Project, Redis};
use serde_json::json;
use std::collections::BTreeSet;

/// Files that are read one by one, their texts doubled, all of them together, and a task that reads none of it.
const FILES: &str = r#"
[tasks.texts]
call = "g.read-file"
for-each.path = ["in/a", "in/b", "in/c"]
args.path = { item = "path" }
on-error = "skip"
grants = { read = ["in"] }
[tasks.twice]
call = "g.concat"
for-each.text = { task = "texts" }
args.parts = [{ item = "text" }, { item = "text" }]
[tasks.all]
call = "g.concat"
args.parts = { task = "twice" }
[tasks.other]
call = "g.double"
args.x = 4
[tasks.last]
call = "g.double"
args.x = 1
after = ["all"]
"#;

fn on(project: &Project, server: &Redis, arguments: &[&str]) -> Host {
    let host = project.host().args(["--state", &server.uri(), "--run-id", "r1"]);
    arguments.iter().fold(host, |host, argument| host.args([*argument]))
}

/// The calls of the last process.
fn started(project: &Project) -> BTreeSet<String> {
    project.events().tasks("task.started").into_iter().collect()
}

fn set(nodes: &[&str]) -> BTreeSet<String> {
    nodes.iter().map(|node| (*node).to_owned()).collect()
}

/// Runs nodes again, and returns what was called.
fn again(project: &Project, server: &Redis, arguments: &[&str]) -> (Finished, BTreeSet<String>) {
    let finished = on(project, server, &[&["--rerun"], arguments].concat()).run().expect(0);
    (finished, started(project))
}

#[test]
fn element_that_was_left_out_runs_again_with_what_flows_from_it() {
    let server = Redis::start("");
    let project = Project::basic(FILES);
    project.file("in/a", b"a");
    project.file("in/c", b"c");
    let finished = on(&project, &server, &[]).run().expect(0);
    assert_eq!(finished.json()["all"], "aacc");
    finished.says(["--rerun 'texts[left-out]'"]);
    project.file("in/b", b"b");
    project.file("in/a", b"changed");
    on(&project, &server, &[]).run().expect(0);
    assert_eq!(started(&project), set(&[]), "what was left out is final");
    let planned =
        on(&project, &server, &["--rerun", "texts[1]", "--dry-run", "--json"]).run().expect(0).json();
    let shown = |name: &str| {
        let rows = planned["tasks"].as_array().expect("rows").iter();
        let row = rows.clone().find(|row| row["name"] == name).expect("a row");
        (row["fate"].clone(), row["why"].clone())
    };
    for (name, why) in [
        ("texts", "one of its elements runs again, by `--rerun`"),
        ("twice", "one of its elements runs again, by `--rerun`"),
        ("all", "it runs again, by `--rerun`"),
    ] {
        assert_eq!(shown(name), (json!("run"), json!(why)), "{name}");
    }
    assert_eq!((shown("other").0, shown("last").0), (json!("stored"), json!("stored")));
    let (finished, calls) = again(&project, &server, &["texts[1]"]);
    assert_eq!(finished.json()["all"], "aabbcc", "the other elements are kept");
    assert_eq!(calls, set(&["texts[1]", "twice[1]", "all"]));
    let (finished, calls) = again(&project, &server, &["texts", "other"]);
    assert_eq!(finished.json()["all"], "changedchangedbbcc");
    let all = ["texts[0]", "texts[1]", "texts[2]", "twice[0]", "twice[1]", "twice[2]", "all", "other"];
    assert_eq!(calls, set(&all), "an order without data is no dependency");
    let (_, calls) = again(&project, &server, &["twice[2]"]);
    assert_eq!(calls, set(&["twice[2]", "all"]));
}

/// Pure tasks, of which `late` is called once the gate `g` is open.
const CACHED: &str = r#"
[tasks.a]
call = "g.double"
for-each.x = [1, 2]
args.x = { item = "x" }
[tasks.even]
call = "g.is-even"
args.x = { task = "a", path = "[0]" }
[tasks.gate]
call = "g.await-file"
args.path = "g"
when = { task = "even" }
"#;

const LATE: &str = r#"
[tasks.late]
call = "g.double"
args.x = 21
when = { task = "gate", equals = "g" }
[tasks.chosen]
call = "g.double"
args.x = { select = { task = "gate" }, cases = { g = 5 } }
"#;

#[test]
fn cache_has_no_result_of_what_runs_again_even_after_an_interruption() {
    let server = Redis::start("");
    let project = gates::project(&format!("{CACHED}{GRANTS}{LATE}"));
    let cached = |arguments: &[&str]| on(&project, &server, arguments).args(["--cache", &server.uri()]);
    open(&project, "g");
    cached(&[]).run().expect(0);
    cached(&["--fresh"]).run().expect(0);
    assert_eq!(started(&project), set(&["gate"]), "all else is cached");
    cached(&["--rerun", "a[0]"]).run().expect(0);
    let all = ["a[0]", "even", "gate", "late", "chosen"];
    assert_eq!(started(&project), set(&all));
    std::fs::remove_file(project.folder().join("gates/g")).expect("it was open");
    let mut running = cached(&["--rerun", "a[0]", "--log-level", "debug"]).start();
    running.until("started    gate");
    let other = project.other_host("other.jsonl").args(["--state", &server.uri(), "--run-id", "r1"]);
    other.args(["--rerun", "a[0]"]).run().expect(3).says(["which another host works on"]);
    running.signal("KILL");
    running.wait();
    open(&project, "g");
    cached(&[]).run().expect(0);
    assert_eq!(started(&project), set(&["gate", "late", "chosen"]));
    cached(&["--fresh"]).run().expect(0);
    assert_eq!(started(&project), set(&["gate"]), "the new results are in the cache");
}

#[test]
fn failures_that_are_values_and_iterations_run_again() {
    let server = Redis::start("");
    let manifest = |max: u32| {
        let repeat = format!("repeat = {{ feed = \"tally\", until = \"done\", max = {max} }}");
        let count = "call = \"r.step\"\nargs.tally = { count = 0, words = [] }\nargs.until = 3\non-error = \"failure\"";
        format!("{}[tasks.count]\n{count}\n{repeat}\n", named("r", Guest::Repeat))
    };
    let project = Project::new(&manifest(2));
    let finished = on(&project, &server, &[]).run().expect(0).json();
    let message = finished["count"]["err"]["message"].as_str().expect("a message");
    assert!(message.contains("raise `max` and begin again by `--rerun 'count'`"), "{message}");
    let project = Project::new(&manifest(3));
    on(&project, &server, &[]).run().expect(0);
    assert_eq!(started(&project), set(&[]), "a failure that is a value is a result");
    let finished = on(&project, &server, &["--rerun", "count"]).run().expect(0);
    assert_eq!(finished.json()["count"]["ok"]["count"], 3);
    let iterations: Vec<_> =
        project.events().of("task.started").map(|event| event["iteration"].clone()).collect();
    assert_eq!(iterations, [0, 1, 2]);
}

#[test]
fn nodes_of_pipelines_run_again_in_their_elements() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [tasks.numbers]
        call = "g.numbers"
        args.n = 3
        [tasks.leaf]
        manifest = "leaf.toml"
        for-each.n = { task = "numbers" }
        args.n = { item = "n" }
        [tasks.next]
        call = "g.double"
        for-each.leaf = { task = "leaf" }
        args.x = { item = "leaf", path = "sum" }
        [tasks.once]
        manifest = "leaf.toml"
        args.n = 2
        [tasks.end]
        call = "g.sum"
        args.xs = [{ task = "once", path = "sum" }, { task = "next", path = "[0]" }]
        "#,
    );
    let leaf = r#"
        [params.n]
        type = "u32"
        [tasks.each]
        call = "g.double"
        for-each.x = { range = { param = "n" } }
        args.x = { item = "x" }
        [tasks.sum]
        call = "g.sum"
        args.xs = { task = "each" }
        [tasks.apart]
        call = "g.double"
        args.x = { param = "n" }
        [outputs]
        sum = { task = "sum" }
        apart = { task = "apart" }
        "#;
    project.include("leaf.toml", leaf);
    let outputs = on(&project, &server, &[]).run().expect(0).json();
    let runs = |names: &[&str], calls: &[&str]| {
        let (finished, called) = again(&project, &server, names);
        assert_eq!(finished.json(), outputs, "{names:?}");
        assert_eq!(called, set(calls), "{names:?}");
    };
    runs(&["leaf[2]/each[1]"], &["leaf[2]/each[1]", "leaf[2]/sum", "next[2]", "end"]);
    let element = ["leaf[1]/each[0]", "leaf[1]/sum", "leaf[1]/apart", "next[1]", "end"];
    runs(&["leaf[1]"], &element);
    runs(&["leaf[1]/apart"], &["leaf[1]/apart", "next[1]", "end"]);
    runs(&["once"], &["once/each[0]", "once/each[1]", "once/sum", "once/apart", "end"]);
    let sums = ["leaf[0]/sum", "leaf[1]/sum", "leaf[2]/sum", "next[0]", "next[1]", "next[2]", "end"];
    runs(&["leaf/sum"], &sums);
    let fails = |name: &str, code: i32, text: &str| {
        on(&project, &server, &["--rerun", name]).run().expect(code).says([text]);
    };
    fails("lef", 4, "did you mean `leaf");
    fails("next[3]", 4, "`next` has 3 elements, `next[0]` to `next[2]`");
    fails("leaf[3]", 4, "`leaf` has 3 elements");
    fails("leaf[2]/each[2]", 4, "`leaf[2]/each` has 2 elements");
    fails("once[0]", 4, "run `r1` has no element `once[0]`");
    on(&project, &server, &["--rerun", "next[0]", "--target", "once"]).run().expect(2).says(["--target"]);
    on(&project, &server, &["--rerun", "numbers", "--target", "numbers"]).run().expect(0);
    assert_eq!(started(&project), set(&["numbers"]));
    on(&project, &server, &[]).run().expect(0);
    assert_eq!(started(&project).len(), 13, "what depends on it runs once it is included");
}

#[test]
fn rerun_needs_a_stored_run() {
    let server = Redis::start("");
    let project = Project::basic(FILES);
    project.file("in/a", b"a");
    project.host().args(["--rerun", "all"]).run().expect(2).says(["--run-id"]);
    on(&project, &server, &["--rerun", "all", "--fresh"]).run().expect(2).says(["--fresh"]);
    for command in [&["--rerun", "all"][..], &["--rerun", "all", "--dry-run"]] {
        on(&project, &server, command).run().expect(4).says(["there is no run `r1`", "leave out `--rerun`"]);
    }
    let memory = project.host().args(["--run-id", "r1", "--rerun", "all"]);
    memory.run().expect(4).says(["there is no run `r1`"]);
}

#[test]
fn all_elements_that_are_left_out_run_again_at_once() {
    let server = Redis::start("");
    let project = Project::basic(FILES);
    project.file("in/b", b"b");
    on(&project, &server, &[]).run().expect(0).says(["2 of 3 elements of `texts` failed", "texts[left-out]"]);
    // An element that waits for one that has failed runs again with that one.
    let refused = on(&project, &server, &["--rerun", "twice[0]"]).run().expect(2);
    refused.says(["would change nothing", "`texts[0]` has failed", "`--rerun 'texts[0]'` runs both"]);
    project.file("in/a", b"a");
    project.file("in/c", b"c");
    let (finished, called) = again(&project, &server, &["texts[left-out]"]);
    assert_eq!(finished.json()["all"], "aabbcc");
    assert_eq!(called, set(&["texts[0]", "texts[2]", "twice[0]", "twice[2]", "all"]));
    let none = on(&project, &server, &["--rerun", "texts[left-out]"]).run().expect(4);
    none.says(["has no element `texts[left-out]`: none of `texts` has failed"]);
}

#[test]
fn dependents_that_targets_leave_out_are_called_later_without_the_cache() {
    let server = Redis::start("");
    let project = Project::basic(FILES);
    for file in ["in/a", "in/b", "in/c"] {
        project.file(file, b"x");
    }
    let cache = format!("{}/1", server.uri().trim_end_matches("/0"));
    let run = |arguments: &[&str]| {
        let finished = on(&project, &server, &[&["--cache", &cache], arguments].concat()).run().expect(0);
        drop(finished);
        started(&project)
    };
    run(&[]);
    assert_eq!(run(&["--rerun", "texts[1]", "--target", "twice"]), set(&["texts[1]", "twice[1]"]));
    let planned = on(&project, &server, &["--cache", &cache, "--dry-run", "--json"]).run().expect(0).json();
    let rows = planned["tasks"].as_array().expect("rows");
    let all = rows.iter().find(|row| row["name"] == "all").expect("a row");
    assert_eq!((&all["fate"], &all["why"]), (&json!("run"), &json!("it runs again, by `--rerun`")));
    assert_eq!(run(&[]), set(&["all"]), "its arguments are those of a cached result");
    assert_eq!(run(&[]), set(&[]));
}

#[test]
fn elements_that_an_update_adds_can_be_named() {
    let server = Redis::start("");
    let project = Project::basic(
        "[params.xs]\ntype = \"list<u32>\"\n[tasks.fan]\ncall = \"g.double\"\nfor-each.x = { param = \"xs\" }\n\
         args.x = { item = \"x\" }\n[tasks.flow]\ncall = \"g.double\"\nfor-each.x = { task = \"fan\" }\n\
         args.x = { item = \"x\" }\n[tasks.ns]\ncall = \"g.numbers\"\nargs.n = { param = \"n\" }\n\
         [params.n]\ntype = \"u32\"\n[tasks.late]\ncall = \"g.double\"\nfor-each.x = { task = \"ns\" }\nargs.x = { item = \"x\" }\n",
    );
    on(&project, &server, &["-p", "xs=[1, 2]", "-p", "n=2"]).run().expect(0);
    let update = |names: &[&str]| {
        on(&project, &server, &[&["-p", "xs=[1, 2, 3]", "-p", "n=3", "--update", "--rerun"], names].concat())
            .run()
    };
    update(&["fan[3]"]).expect(4).says(["`fan` has"]);
    update(&["late[2]"])
        .expect(4)
        .says(["in a list that is not known yet, runs by `--update` without `--rerun`"]);
    update(&["fan[2]", "flow[0]"]).expect(0);
    assert_eq!(started(&project), set(&["fan[2]", "flow[0]", "flow[2]", "ns", "late[2]"]));
}

#[test]
fn plan_counts_what_is_stored_in_pipelines_over_lists() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.p]\nmanifest = \"p.toml\"\nfor-each.x = [2, 3, 4]\nargs.x = { item = \"x\" }\n",
    );
    project.include(
        "p.toml",
        "[params.x]\ntype = \"u32\"\n[tasks.t]\ncall = \"g.maybe-fail\"\nargs.x = { param = \"x\" }\n\
         [tasks.each]\ncall = \"g.double\"\nfor-each.y = [1, 2]\nargs.x = { item = \"y\" }\nafter = [\"t\"]\n",
    );
    on(&project, &server, &["--keep-going"]).run().expect(1);
    let plan = on(&project, &server, &["--dry-run", "--json"]).run().expect(0).json();
    for task in plan["tasks"].as_array().expect("tasks") {
        let why = task["why"].as_str().expect("a reason");
        assert!(why.starts_with("2 of its 3 elements are stored; of the others: "), "{task}");
    }
}
