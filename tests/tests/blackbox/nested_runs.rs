//! Pipelines that run once per element: failures, resuming, lost hosts, bounds on what runs at the same time, and lists that
//! cross borders. Values are in `nested_flows`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Events, Host, Project, Redis};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn found(events: &Events, kind: &str) -> BTreeSet<String> {
    events.tasks(kind).into_iter().collect()
}

fn set(tasks: &[&str]) -> BTreeSet<String> {
    tasks.iter().map(|task| (*task).to_owned()).collect()
}

/// Returns the outer index of a node of the pipeline `each`.
fn outer(node: &str) -> Option<&str> {
    node.strip_prefix("each[")?.split(']').next()
}

/// Reads a file per word, and joins it with a word of the outer list.
const READER: &str = r#"
[params.files]
type = "list<string>"
[params.end]
type = "string"
[tasks.read]
call = "g.FUNCTION"
for-each.path = { param = "files" }
args.path = { item = "path" }
GRANTS
[tasks.loud]
call = "g.concat"
for-each.text = { task = "read" }
args.parts = [{ item = "text" }, "!"]
[tasks.all]
call = "g.concat"
args.parts = { task = "loud" }
[tasks.closed]
call = "g.concat"
args.parts = [{ task = "all" }, { param = "end" }]
[outputs]
text = { task = "closed" }
"#;

/// `READER` for each of three lists of files, at gates; `after` flows from it.
fn reader(function: &str, more: &str) -> Project {
    let project = gates::project(&format!(
        r#"
        [params.lists]
        type = "list<list<string>>"
        default = [["a", "b"], ["c", "d"], ["e"]]
        [tasks.each]
        manifest = "reader.toml"
        for-each.files = {{ param = "lists" }}
        for-each.end = ["1", "2", "3"]
        args = {{ files = {{ item = "files" }}, end = {{ item = "end" }} }}
        {more}
        [tasks.after]
        call = "g.concat"
        for-each.each = {{ task = "each" }}
        args.parts = [{{ item = "each", path = "text" }}, "?"]
        [tasks.free]
        call = "g.double"
        args.x = 1
        [outputs]
        after = {{ task = "after" }}
        free = {{ task = "free" }}
        "#
    ));
    project.include("reader.toml", &READER.replace("FUNCTION", function).replace("GRANTS\n", GRANTS));
    project
}

const ALL_TEXTS: [&str; 3] = ["a!b!1?", "c!d!2?", "e!3?"];

#[test]
fn failed_element_inside_of_an_element_spares_all_others() {
    let server = Redis::start("");
    let project = reader("read-file", "");
    open(&project, "abce");
    let uri = server.uri();
    let host = || project.host().args(["--state", &uri, "--run-id", "r1", "--keep-going"]);
    let finished = host().run().expect(1).says(["each[1]/read[1]"]);
    assert_eq!(finished.json(), json!({ "free": 2 }));
    let events = project.events();
    let failed = found(&events, "task.failed");
    assert!(set(&["each[1]/read[1]", "each[1]/read"]).is_subset(&failed), "{failed:?}");
    assert!(failed.iter().all(|node| node.starts_with("each[1]/") || node == "each/read"), "{failed:?}");
    let skipped = found(&events, "task.skipped");
    let later = ["each[1]/loud[1]", "each[1]/loud", "each[1]/all", "each[1]/closed", "after[1]", "after"];
    assert!(set(&later).is_subset(&skipped), "{skipped:?}");
    assert!(!skipped.iter().any(|node| node.contains("[0]") || node.contains("[2]")), "{skipped:?}");
    let done = found(&events, "task.finished");
    let others =
        ["each[1]/read[0]", "each[1]/loud[0]", "each[0]/closed", "each[2]/closed", "after[0]", "after[2]"];
    assert!(set(&others).is_subset(&done), "{done:?}");

    // The resumed run does what is missing, and nothing twice.
    open(&project, "d");
    assert_eq!(host().run().expect(0).json(), json!({ "after": ALL_TEXTS, "free": 2 }));
    let missing = ["each[1]/read[1]", "each[1]/loud[1]", "each[1]/all", "each[1]/closed", "after[1]"];
    assert_eq!(found(&project.events(), "task.started"), set(&missing));
    assert_eq!(host().run().expect(0).json(), json!({ "after": ALL_TEXTS, "free": 2 }));
    assert_eq!(project.events().tasks("task.started"), Vec::<String>::new());
}

#[test]
fn elements_of_a_killed_host_are_taken_over() {
    let server = Redis::start("");
    let project = reader("await-file", "");
    let uri = format!("{}?lease=1s", server.uri());
    let host = |host: Host| host.args(["--state", &uri, "--run-id", "r1", "-j", "2", "--log-level", "debug"]);
    let mut one = host(project.host()).start();
    let mut other = host(project.other_host("other.jsonl")).start();
    open(&project, "a");
    one.until("started");
    other.until("started");
    one.signal("KILL");
    one.wait();
    open(&project, "bcde");
    assert_eq!(other.wait().expect(0).json(), json!({ "after": ALL_TEXTS, "free": 2 }));
    let mut all = project.events().tasks("task.finished");
    all.extend(project.events_in("other.jsonl").tasks("task.finished"));
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!(distinct.len(), all.len(), "{all:?}");
}

#[test]
fn update_of_a_list_keeps_the_results_of_other_tasks() {
    let server = Redis::start("");
    let project = reader("read-file", "");
    open(&project, "abcdefg");
    let uri = server.uri();
    let run = |lists: &str| {
        let host = project.host().args(["--state", &uri, "--run-id", "r1", "--update"]);
        host.args(["-p", &format!("lists={lists}")]).run().expect(0).json()["after"].clone()
    };
    assert_eq!(run(r#"[["a","b"],["c"],["d"]]"#), json!(["a!b!1?", "c!2?", "d!3?"]));
    assert_eq!(run(r#"[["a","g"],["c"],["d"]]"#), json!(["a!g!1?", "c!2?", "d!3?"]));
    let started = found(&project.events(), "task.started");
    assert!(started.contains("each[0]/read[1]") && !started.contains("free"), "{started:?}");
}

#[test]
fn retries_belong_to_each_inner_element() {
    let project = Project::new(
        "[tasks.each]\nmanifest = \"flaky.toml\"\nfor-each.untils = [[1, 2], [3]]\nargs.untils = { item = \"untils\" }\n",
    );
    project.write_to(
        "flaky.toml",
        r#"
        cascade = 1
        name = "flaky"
        [components.h]
        path = "{guest:host-calls}"
        grants.context = true
        [params.untils]
        type = "list<u32>"
        [tasks.t]
        call = "h.flaky"
        for-each.until = { param = "untils" }
        args.until = { item = "until" }
        retry = { attempts = 3, delay = "1ms" }
        "#,
    );
    assert_eq!(project.run().expect(0).json(), json!({ "each": [{ "t": [1, 2] }, { "t": [3] }] }));
    let mut again = project.events().tasks("task.retrying");
    again.sort();
    assert_eq!(again, ["each[0]/t[1]", "each[1]/t[0]", "each[1]/t[0]"]);
}

/// Returns, for each task of the pipeline `each`, how many of its elements were open at the same time at most. An element is
/// open from its first event to the end of its task.
fn widest(events: &Events) -> BTreeMap<String, usize> {
    let mut open: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut widest = BTreeMap::new();
    for event in &events.0 {
        let Some(node) = event["task"].as_str().filter(|node| node.starts_with("each[")) else { continue };
        let (Some(element), Some((_, task))) = (outer(node), node.split_once('/')) else { continue };
        let of_task = open.entry(task.to_owned()).or_default();
        match event["event"].as_str() {
            Some("task.started") => drop(of_task.insert(element.to_owned())),
            Some("task.finished") if event["item"].is_null() => drop(of_task.remove(element)),
            _ => {}
        }
        let now = of_task.len();
        let most = widest.entry(task.to_owned()).or_default();
        *most = now.max(*most);
    }
    widest
}

#[test]
fn max_parallel_of_a_pipeline_bounds_each_of_its_tasks() {
    let server = Redis::start("");
    for uri in ["memory:", &*server.uri()] {
        let project = reader("await-file", "max-parallel = 1\n");
        let mut running = project
            .host()
            .args(["--state", uri, "--run-id", "r1", "-j", "8", "--log-level", "debug"])
            .start();
        // The second element has no place while one of the first waits, although there are six slots left.
        open(&project, "acde");
        running.until("finished   each[0]/loud[0]");
        open(&project, "b");
        assert_eq!(running.wait().expect(0).json(), json!({ "after": ALL_TEXTS, "free": 2 }), "{uri}");
        let events = project.events();
        let widest = widest(&events);
        assert_eq!(widest.len(), 4, "{widest:?}");
        assert!(widest.values().all(|most| *most == 1), "{uri}: {widest:?}");
        // The places are those of each task: another element is read while the first is closed.
        let order = found(&events, "task.finished");
        assert!(order.contains("each[2]/closed"));
    }
}

#[test]
fn without_a_bound_all_elements_run_at_the_same_time() {
    for (bound, at_once) in [("", 3), ("max-parallel = 2\n", 2)] {
        let project = reader("await-file", bound);
        let mut running = project.host().args(["-j", "8", "--log-level", "debug"]).start();
        // As many wait at their gates as may.
        let mut seen = String::new();
        let is_full = |seen: &str| {
            let started = seen.lines().filter_map(|line| line.strip_prefix("started    "));
            started.filter_map(outer).collect::<BTreeSet<&str>>().len() == at_once
        };
        while !is_full(&seen) {
            seen.push_str(&running.until("started    each["));
        }
        open(&project, "abcde");
        assert_eq!(running.wait().expect(0).json(), json!({ "after": ALL_TEXTS, "free": 2 }));
        let widest = widest(&project.events());
        assert_eq!(widest["read"], at_once, "{widest:?}");
    }
}

/// Doubles each number of a list, next to the list that it was made from.
const BORDER: &str = r#"
[params.xs]
type = "list<u64>"
[params.names]
type = "list<string>"
[tasks.seen]
call = "g.echo-u64"
for-each.x = { param = "xs" }
args.value = { item = "x" }
[tasks.named]
call = "g.concat"
for-each.x = { task = "seen" }
for-each.name = { param = "names" }
args.parts = [{ item = "name" }, "."]
[outputs]
seen = { task = "seen" }
named = { task = "named" }
same = { param = "names" }
"#;

/// Elements that wait at gates, go through `BORDER` as lists, and come out of it.
fn border(kind: &str) -> Project {
    let project = gates::project(&format!(
        r#"
        [params.names]
        type = "list<string>"
        default = ["a", "b", "c"]
        [tasks.first]
        call = "g.await-file"
        for-each.name = {{ param = "names" }}
        args.path = {{ item = "name" }}
        {GRANTS}
        [tasks.lengths]
        call = "g.sum"
        for-each.text = {{ task = "first" }}
        for-each.name = {{ param = "names" }}
        args.xs = [1, 2]
        [tasks.inner]
        manifest = "{kind}"
        args = {{ xs = {{ task = "lengths" }}, names = {{ param = "names" }} }}
        [tasks.last]
        call = "g.concat"
        for-each.named = {{ task = "inner", path = "named" }}
        for-each.text = {{ task = "first" }}
        for-each.name = {{ task = "inner", path = "same" }}
        args.parts = [{{ item = "named" }}, {{ item = "text" }}, {{ item = "name" }}]
        [outputs]
        last = {{ task = "last" }}
        seen = {{ task = "inner", path = "seen" }}
        "#
    ));
    project.include("border.toml", BORDER);
    project.include(
        "twice.toml",
        "[params.xs]\ntype = \"list<u32>\"\n[params.names]\ntype = \"list<string>\"\n[tasks.again]\nmanifest = \"border.toml\"\n\
         args = { xs = { param = \"xs\" }, names = { param = \"names\" } }\n\
         [outputs]\nseen = { task = \"again\", path = \"seen\" }\nnamed = { task = \"again\", path = \"named\" }\n\
         same = { task = \"again\", path = \"same\" }\n",
    );
    project
}

#[test]
fn lists_flow_through_the_borders_of_pipelines() {
    let server = Redis::start("");
    for kind in ["border.toml", "twice.toml"] {
        for uri in ["memory:", &*server.uri()] {
            let project = border(kind);
            let host = project.host().args(["--state", uri, "--run-id", "r1", "--fresh", "-j", "4"]);
            let mut running = host.args(["--log-level", "debug"]).start();
            open(&project, "b");
            // Neither the list that goes in nor the one that comes out is complete: two gates are shut.
            running.until("finished   last[1]");
            open(&project, "ca");
            let expected = json!({ "last": ["a.aa", "b.bb", "c.cc"], "seen": [3, 3, 3] });
            assert_eq!(running.wait().expect(0).json(), expected, "{kind}, {uri}");
        }
    }
}

#[test]
fn elements_of_a_pipeline_flow_into_another_that_runs_per_element() {
    let project = gates::project(
        r#"
        [tasks.one]
        manifest = "one.toml"
        for-each.name = ["a", "b"]
        args.name = { item = "name" }
        [tasks.two]
        manifest = "two.toml"
        for-each.made = { task = "one" }
        args.text = { item = "made", path = "text" }
        [tasks.three]
        call = "g.concat"
        for-each.two = { task = "two" }
        for-each.one = { task = "one" }
        args.parts = [{ item = "two", path = "twice" }, { item = "one", path = "text" }]
        "#,
    );
    let one = format!(
        "[params.name]\ntype = \"string\"\n[tasks.text]\ncall = \"g.await-file\"\nargs.path = {{ param = \"name\" }}\n{GRANTS}"
    );
    project.include("one.toml", &one);
    let two = "[params.text]\ntype = \"string\"\n[tasks.twice]\ncall = \"g.concat\"\nargs.parts = [{ param = \"text\" }, { param = \"text\" }]\n";
    project.include("two.toml", two);
    let mut running = project.host().args(["-j", "2", "--log-level", "debug"]).start();
    open(&project, "b");
    running.until("finished   three[1]");
    open(&project, "a");
    assert_eq!(running.wait().expect(0).json(), json!({ "three": ["aaa", "bbb"] }));
    let order = project.events().tasks("task.finished");
    let place = |node: &str| order.iter().position(|other| other == node).expect("it ends");
    assert!(place("three[1]") < place("one[0]/text"), "{order:?}");
}

#[test]
fn values_of_secret_params_stay_secret_in_elements() {
    const SECRETS: [&str; 2] = ["s3cret-Value-one", "s3cret-Value-two"];
    let project = Project::new(
        "[params.keys]\ntype = \"list<string>\"\nsecret = true\n[tasks.each]\nmanifest = \"teller.toml\"\n\
         for-each.key = { param = \"keys\" }\nargs.key = { item = \"key\" }\n",
    );
    project.include(
        "teller.toml",
        "[params.key]\ntype = \"string\"\nsecret = true\n[tasks.tell]\ncall = \"g.tell-lines\"\nargs.text = { param = \"key\" }\n",
    );
    let keys: Value = SECRETS.into();
    let host = project.host().args(["--log-level", "debug", "-p", &format!("keys={keys}")]);
    let finished = host.run().expect(0).says(["***"]);
    let events = std::fs::read_to_string(project.folder().join("events.jsonl")).expect("there are events");
    for secret in SECRETS {
        assert!(!finished.stderr.contains(secret) && !events.contains(secret), "{secret} was told");
    }
}

#[test]
fn skip_that_began_in_an_element_names_it() {
    let project = Project::basic(
        "[tasks.p]\nmanifest = \"some.toml\"\nfor-each.x = [0, 1, 2, 3]\nargs.x = { item = \"x\" }\n\
         [tasks.whole]\ncall = \"g.double\"\nfor-each.t = { task = \"p\" }\nargs.x = { item = \"t\", path = \"only\" }\n",
    );
    project.include(
        "some.toml",
        "[params.x]\ntype = \"u32\"\n[tasks.even]\ncall = \"g.is-even\"\nargs.x = { param = \"x\" }\n\
         [tasks.only]\ncall = \"g.double\"\nargs.x = { param = \"x\" }\nwhen = { task = \"even\" }\n\
         [outputs]\nonly = { task = \"only\" }\n",
    );
    let server = Redis::start("");
    for uri in ["memory:", &server.uri()] {
        project.host().args(["--state", uri]).run().expect(0);
        let events = project.events();
        let of_whole = |event: &&Value| event["task"] == "whole" && event["item"].is_null();
        let skipped = events.of("task.skipped").find(|event| of_whole(event)).expect("it is skipped");
        assert_eq!((&skipped["reason"], &skipped["cause"]), (&"UpstreamSkipped".into(), &"p[1]/only".into()));
    }
}
