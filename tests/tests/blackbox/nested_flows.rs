//! Pipelines that run once per element: values, order, conditions, caching, with fan-outs inside of fan-outs.
//! Failures, bounds and borders are in `nested_runs`, pipelines that run once in `pipelines`.

use crate::gates::{self, GRANTS, open, two_texts};
use cascade_host_tests::{Events, Finished, Host, Project, Redis};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// For each number below `n`: itself and `scale` added, doubled, and the sum of all.
const LEAF: &str = r#"
[params.n]
type = "u32"
[params.scale]
type = "u32"
default = 1
[tasks.added]
call = "g.add"
for-each.x = { range = { param = "n" } }
args = { a = { item = "x" }, b = { param = "scale" } }
[tasks.doubled]
call = "g.double"
for-each.x = { task = "added" }
args.x = { item = "x" }
[tasks.sum]
call = "g.sum"
args.xs = { task = "doubled" }
[outputs]
doubled = { task = "doubled" }
sum = { task = "sum" }
n = { param = "n" }
"#;

/// `LEAF` for each of some numbers, and what flows on from it.
const MIDDLE: &str = r#"
[params.ns]
type = "list<u32>"
[tasks.leaf]
manifest = "leaf.toml"
for-each.n = { param = "ns" }
for-each.scale = { param = "ns" }
args = { n = { item = "n" }, scale = { item = "scale" } }
[tasks.sums]
call = "g.double"
for-each.leaf = { task = "leaf" }
args.x = { item = "leaf", path = "sum" }
[tasks.flat]
call = "std.flatten"
args.lists = [{ task = "sums" }, { param = "ns" }]
[outputs]
leaf = { task = "leaf" }
flat = { task = "flat" }
first = { task = "leaf", path = "[0].sum", default = 77 }
"#;

/// Three levels: lists of numbers, `MIDDLE` for each list, `LEAF` for each number.
fn three_levels() -> Project {
    let project = Project::basic(
        r#"
        [tasks.lists]
        call = "g.numbers"
        for-each.n = { range = 4 }
        args.n = { item = "n" }
        [tasks.mid]
        manifest = "middle.toml"
        for-each.ns = { task = "lists" }
        args.ns = { item = "ns" }
        [tasks.end]
        call = "g.sum"
        for-each.mid = { task = "mid" }
        args.xs = { item = "mid", path = "flat" }
        [tasks.one]
        call = "g.sum"
        args.xs = { task = "mid", path = "[2].flat" }
        [outputs]
        mid = { task = "mid" }
        end = { task = "end" }
        one = { task = "one" }
        "#,
    );
    project.include("middle.toml", MIDDLE);
    project.include("leaf.toml", LEAF);
    project
}

fn leaf(n: u32) -> Value {
    let doubled: Vec<u32> = (0..n).map(|x| 2 * (x + n)).collect();
    json!({ "doubled": doubled, "sum": doubled.iter().sum::<u32>(), "n": n })
}

fn middle(ns: &[u32]) -> Value {
    let leaves: Vec<Value> = ns.iter().map(|n| leaf(*n)).collect();
    let sums = leaves.iter().map(|leaf| leaf["sum"].as_u64().expect("a number"));
    let flat: Vec<u64> = sums.clone().map(|sum| 2 * sum).chain(ns.iter().map(|n| u64::from(*n))).collect();
    json!({ "leaf": leaves, "flat": flat, "first": sums.clone().next().unwrap_or(77) })
}

fn of_three_levels() -> Value {
    let mid: Vec<Value> = (0..4).map(|n| middle(&(0..n).collect::<Vec<u32>>())).collect();
    let flat = |mid: &Value| -> u64 {
        mid["flat"].as_array().expect("a list").iter().filter_map(Value::as_u64).sum()
    };
    let end: Vec<u64> = mid.iter().map(flat).collect();
    json!({ "mid": mid, "end": end, "one": end[2] })
}

fn found(events: &Events, kind: &str) -> BTreeSet<String> {
    events.tasks(kind).into_iter().collect()
}

fn set(tasks: &[&str]) -> BTreeSet<String> {
    tasks.iter().map(|task| (*task).to_owned()).collect()
}

#[test]
fn three_levels_of_elements_give_nested_lists() {
    let server = Redis::start("");
    let project = three_levels();
    for (uri, jobs) in [("memory:", "1"), ("memory:", "4"), (&*server.uri(), "4")] {
        let host = project.host().args(["--state", uri, "--run-id", "r1", "-j", jobs]);
        assert_eq!(host.run().expect(0).json(), of_three_levels(), "{uri}, -j {jobs}");
    }
    let finished = found(&project.events(), "task.finished");
    // A task without lists of its own is named by the elements around it.
    for node in ["mid[3]/leaf[2]/added[1]", "mid[3]/leaf[2]/sum", "mid[1]/sums[0]", "mid[0]/flat", "end[3]"] {
        assert!(finished.contains(node), "{node} is not in {finished:?}");
    }
}

#[test]
fn elements_flow_into_pipelines_and_out_of_them() {
    let project = two_texts(
        r#"
        [tasks.inner]
        manifest = "inner.toml"
        for-each.text = { task = "texts" }
        args.text = { item = "text" }
        [tasks.end]
        call = "g.concat"
        for-each.inner = { task = "inner" }
        args.parts = [{ item = "inner", path = "whole" }]
        [outputs]
        end = { task = "end" }
        "#,
    );
    project.include(
        "inner.toml",
        r#"
        [params.text]
        type = "string"
        [tasks.twice]
        call = "g.concat"
        for-each.n = { range = 2 }
        args.parts = [{ param = "text" }, { param = "text" }]
        [tasks.whole]
        call = "g.concat"
        args.parts = { task = "twice" }
        [outputs]
        whole = { task = "whole" }
        "#,
    );
    let mut running = project.host().args(["-j", "2", "--log-level", "debug"]).start();
    open(&project, "a");
    running.until("finished   end[0]");
    open(&project, "b");
    assert_eq!(running.wait().expect(0).json(), json!({ "end": ["aaaa", "bbbb"] }));
}

#[test]
fn two_hosts_share_nested_elements() {
    let server = Redis::start("");
    let project = three_levels();
    let start = |host: Host| host.args(["--state", &server.uri(), "--run-id", "r1", "-j", "1"]).start();
    let (one, other) = (start(project.host()), start(project.other_host("other.jsonl")));
    for finished in [one.wait(), other.wait()] {
        assert_eq!(finished.expect(0).json(), of_three_levels());
    }
    // Started, not finished: a host that comes after the end puts lists together again that are stored nowhere.
    let mut all = project.events().tasks("task.started");
    all.extend(project.events_in("other.jsonl").tasks("task.started"));
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "{all:?}");
}

#[test]
fn targets_inside_of_elements_are_lists_of_lists() {
    let project = three_levels();
    let run = |target: &str| project.host().args(["--target", target]).run().expect(0).json();
    assert_eq!(run("mid/leaf/added"), json!({ "mid/leaf/added": [[], [[]], [[], [1]], [[], [1], [2, 3]]] }));
    assert!(!found(&project.events(), "task.finished").contains("mid[1]/leaf[0]/sum"));
    assert_eq!(run("mid/leaf/sum"), json!({ "mid/leaf/sum": [[], [0], [0, 2], [0, 2, 10]] }));
    let leaves: Vec<Vec<Value>> = (0..4).map(|n| (0..n).map(leaf).collect()).collect();
    assert_eq!(run("mid/leaf"), json!({ "mid/leaf": leaves }));
    let refused = project.host().args(["--target", "mid[1]"]).run().expect(2);
    refused.says(["elements run with their task: `--target mid`"]);
}

/// `LEAF` for each number of a param, over a cache.
fn leaves() -> (Redis, Project) {
    let project = Project::new(
        r#"
        [params.ns]
        type = "list<u32>"
        [tasks.leaf]
        manifest = "leaf.toml"
        for-each.n = { param = "ns" }
        args.n = { item = "n" }
        [tasks.last]
        call = "std.last"
        args.items = { task = "leaf" }
        [outputs]
        leaf = { task = "leaf" }
        last = { task = "last", path = "some.sum", default = 0 }
        "#,
    );
    project.include("leaf.toml", LEAF);
    (Redis::start(""), project)
}

#[test]
fn added_elements_run_alone_and_all_others_are_cached() {
    let (server, project) = leaves();
    let run = |ns: &str| -> Finished {
        project.host().args(["--cache", &server.uri(), "-p", &format!("ns={ns}")]).run().expect(0)
    };
    assert_eq!(run("[2,3]").json()["last"], 12);
    assert_eq!(run("[2,3]").json()["last"], 12);
    // Built-in tasks are not cached.
    assert_eq!(project.events().tasks("task.started"), ["last"]);
    // `added` and `doubled` have equal calls in all elements: only what has no equal runs.
    run("[2,3,5]");
    let started = found(&project.events(), "task.started");
    let new = [
        "leaf[2]/added[3]",
        "leaf[2]/added[4]",
        "leaf[2]/doubled[3]",
        "leaf[2]/doubled[4]",
        "leaf[2]/sum",
        "last",
    ];
    assert_eq!(started, set(&new));
    // In front, it moves all others, whose names are in no key of the cache.
    run("[7,2,3,5]");
    let started = found(&project.events(), "task.started");
    assert!(started.iter().all(|node| node == "last" || node.starts_with("leaf[0]/")), "{started:?}");
    assert!(
        started.contains("leaf[0]/sum") && found(&project.events(), "task.cached").contains("leaf[3]/sum")
    );
}

#[test]
fn empty_lists_at_every_level_give_empty_lists() {
    let (server, project) = leaves();
    for uri in ["memory:", &*server.uri()] {
        let run = |ns: &str| {
            let host = project.host().args(["--state", uri, "--run-id", "r1", "--fresh"]);
            host.args(["-p", &format!("ns={ns}")]).run().expect(0).json()
        };
        assert_eq!(run("[]"), json!({ "leaf": [], "last": 0 }), "{uri}");
        assert!(
            project.events().tasks("task.started").iter().all(|node| node == "last"),
            "nothing else runs"
        );
        let empty = json!({ "doubled": [], "sum": 0, "n": 0 });
        assert_eq!(run("[0]"), json!({ "leaf": [empty], "last": 0 }), "{uri}");
        assert_eq!(
            run("[0,1,0]"),
            json!({ "leaf": [empty, { "doubled": [2], "sum": 2, "n": 1 }, empty], "last": 0 })
        );
    }
}

/// Doubles even numbers alone: `doubled` is skipped for others, and so is what needs it without a default.
const EVEN: &str = r#"
[params.n]
type = "u32"
[tasks.is-even]
call = "g.is-even"
args.x = { param = "n" }
[tasks.doubled]
call = "g.double"
args.x = { param = "n" }
when = { task = "is-even" }
[tasks.copes]
call = "g.add"
args = { a = { task = "doubled", default = 100 }, b = { param = "n" } }
[tasks.needs]
call = "g.double"
args.x = { task = "doubled" }
[outputs]
copes = { task = "copes" }
needs = { task = "needs", default = 0 }
"#;

#[test]
fn condition_and_defaults_are_judged_for_each_element() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [tasks.even]
        manifest = "even.toml"
        for-each.n = { range = [1, 5] }
        args.n = { item = "n" }
        [tasks.after]
        call = "g.double"
        for-each.even = { task = "even" }
        args.x = { item = "even", path = "copes" }
        [outputs]
        even = { task = "even" }
        after = { task = "after" }
        "#,
    );
    project.include("even.toml", EVEN);
    let values = [(101, 0), (6, 8), (103, 0), (12, 16)]
        .map(|(copes, needs)| json!({ "copes": copes, "needs": needs }));
    for uri in ["memory:", &*server.uri()] {
        let finished = project.host().args(["--state", uri, "--run-id", "r1"]).run().expect(0);
        assert_eq!(finished.json(), json!({ "even": values, "after": [202, 12, 206, 24] }), "{uri}");
        let skipped = found(&project.events(), "task.skipped");
        let elements = ["even[0]/doubled", "even[0]/needs", "even[2]/doubled", "even[2]/needs"];
        assert!(set(&elements).is_subset(&skipped), "{skipped:?}");
        assert!(!skipped.iter().any(|node| node.contains("[1]") || node.contains("[3]")), "{skipped:?}");
    }
    // An output that some elements skip takes the whole list away, and what flows from it element by element.
    project.include("even.toml", &EVEN.replace("task = \"needs\", default = 0", "task = \"needs\""));
    let finished =
        project.host().run().expect(0).says(["output `even` is left out", "output `after` is left out"]);
    assert_eq!(finished.json(), json!({}));
    let finished = found(&project.events(), "task.finished");
    assert!(finished.contains("after[1]") && !finished.contains("after[0]"), "{finished:?}");
}

#[test]
fn parts_of_a_pipeline_that_was_skipped_as_a_whole_are_skipped_too() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [tasks.bad]
        call = "g.maybe-fail"
        args.x = 1
        [tasks.never]
        manifest = "middle.toml"
        for-each.ns = [[1], [2]]
        args.ns = { item = "ns" }
        when = { value = false }
        [tasks.lost]
        manifest = "middle.toml"
        for-each.ns = [[1], [2]]
        args.ns = { item = "ns" }
        after = ["bad"]
        [tasks.copes]
        call = "g.sum"
        args.xs = { task = "never", path = "[1].flat", default = [3, 4] }
        [tasks.deep]
        call = "g.double"
        args.x = { task = "never", path = "[1].leaf[0].sum", default = 4 }
        [tasks.cannot]
        call = "g.sum"
        args.xs = { task = "lost", path = "[1].flat", default = [3, 4] }
        [outputs]
        never = { task = "never" }
        lost = { task = "lost" }
        copes = { task = "copes" }
        deep = { task = "deep" }
        cannot = { task = "cannot" }
        "#,
    );
    project.include("middle.toml", MIDDLE);
    project.include("leaf.toml", LEAF);
    for uri in ["memory:", &*server.uri()] {
        let host = project.host().args(["--state", uri, "--run-id", "r1", "--keep-going"]);
        let finished = host.run().expect(1);
        assert_eq!(finished.json(), json!({ "copes": 7, "deep": 8 }), "{uri}");
        finished.says([
            "output `never` is left out",
            "output `lost` is left out",
            "output `cannot` is left out",
        ]);
    }
}

#[test]
fn elements_pass_on_what_comes_from_outside() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [tasks.outside]
        call = "g.double"
        args.x = 5
        [tasks.texts]
        call = "g.echo-string"
        for-each.text = ["a", "b"]
        args.value = { item = "text" }
        [tasks.one]
        manifest = "pass.toml"
        for-each.text = { task = "texts" }
        args = { text = { item = "text" }, number = { task = "outside" } }
        [tasks.two]
        manifest = "pass.toml"
        for-each.one = { task = "one" }
        args = { text = { item = "one", path = "text" }, number = { item = "one", path = "number" } }
        [tasks.last]
        call = "g.double"
        for-each.two = { task = "two" }
        args.x = { item = "two", path = "number" }
        [outputs]
        two = { task = "two" }
        last = { task = "last" }
        "#,
    );
    // No task makes what each element gives.
    let unread = "[tasks.unread]\ncall = \"g.nothing\"\n[outputs]\ntext = { param = \"text\" }\nnumber = { param = \"number\" }\n";
    project.include(
        "pass.toml",
        &format!("[params.text]\ntype = \"string\"\n[params.number]\ntype = \"u32\"\n{unread}"),
    );
    let two = ["a", "b"].map(|text| json!({ "text": text, "number": 10 }));
    for (uri, jobs) in [("memory:", "1"), ("memory:", "4"), (&*server.uri(), "1"), (&*server.uri(), "4")] {
        let host = project.host().args(["--state", uri, "--run-id", "r1", "--fresh", "-j", jobs]);
        assert_eq!(host.run().expect(0).json(), json!({ "two": two, "last": [20, 20] }), "{uri}, -j {jobs}");
    }
}

/// Elements that skip tasks, or take what is slow, or both.
const LATE: &str = r#"
[params.n]
type = "u32"
[params.late]
type = "u32"
[tasks.even]
call = "g.is-even"
args.x = { param = "n" }
[tasks.only]
call = "g.double"
args.x = { param = "n" }
when = { task = "even" }
[tasks.copes]
call = "g.add"
args = { a = { task = "only", default = 100 }, b = { param = "late" } }
[tasks.needs]
call = "g.add"
args = { a = { task = "only" }, b = { param = "late" } }
[tasks.ordered]
call = "g.double"
args.x = { param = "late" }
after = ["only"]
[outputs]
copes = { task = "copes" }
needs = { task = "needs", default = 0 }
ordered = { task = "ordered" }
"#;

#[test]
fn skipped_elements_skip_no_others_however_late_these_are() {
    let server = Redis::start("");
    // `late` is skipped long after `only` has ended in each element, and is there by its default.
    let project = gates::project(&format!(
        r#"
        [tasks.gate]
        call = "g.await-file"
        args.path = "a"
        {GRANTS}
        [tasks.late]
        call = "g.double"
        args.x = 1
        when = {{ task = "gate", equals = "never" }}
        [tasks.each]
        manifest = "late.toml"
        for-each.n = [1, 2, 3]
        args = {{ n = {{ item = "n" }}, late = {{ task = "late", default = 7 }} }}
        [tasks.last]
        call = "g.sum"
        for-each.each = {{ task = "each" }}
        args.xs = [{{ item = "each", path = "copes" }}, {{ item = "each", path = "needs" }}]
        after = ["each"]
        [outputs]
        each = {{ task = "each" }}
        last = {{ task = "last" }}
        "#
    ));
    project.include("late.toml", LATE);
    let each = [(107, 0), (11, 11), (107, 0)];
    let each = each.map(|(copes, needs)| json!({ "copes": copes, "needs": needs, "ordered": 14 }));
    for uri in ["memory:", &*server.uri()] {
        let host = project.host().args(["--state", uri, "--run-id", "r1", "-j", "2", "--log-level", "debug"]);
        let mut running = host.start();
        running.until("finished   each/only");
        open(&project, "a");
        assert_eq!(running.wait().expect(0).json(), json!({ "each": each, "last": [107, 22, 107] }), "{uri}");
        std::fs::remove_file(project.folder().join("gates/a")).expect("it was opened");
    }
}
