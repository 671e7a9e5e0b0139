//! Fan-outs that flow: element `i` of a `for-each` over another one starts once element `i` of that has ended.
//! Lists, ranges and products are in `fan_outs`, pipelines that run once per element in `nested_flows`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Events, Host, Project, Redis};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A run of this project, with its state in memory and then in Redis.
fn everywhere(check: impl Fn(&str)) {
    let server = Redis::start("");
    for uri in ["memory:", &server.uri()] {
        check(uri);
    }
}

fn start(host: Host, uri: &str, run: &str, jobs: &str) -> cascade_host_tests::Running {
    host.args(["--state", uri, "--run-id", run, "-j", jobs, "--log-level", "debug"]).start()
}

fn set(tasks: &[&str]) -> BTreeSet<String> {
    tasks.iter().map(|task| (*task).to_owned()).collect()
}

fn found(events: &Events, kind: &str) -> BTreeSet<String> {
    events.tasks(kind).into_iter().collect()
}

/// Returns the position of the event of this kind about an element, or about the whole task.
#[track_caller]
fn position(events: &Events, kind: &str, task: &str, item: Option<u64>) -> usize {
    let is_it =
        |event: &Value| event["event"] == kind && event["task"] == task && event["item"].as_u64() == item;
    events.0.iter().position(is_it).unwrap_or_else(|| panic!("no {kind} of {task}, {item:?}"))
}

/// Three steps: each element waits at a gate, is repeated, and is joined with its name and its first result.
fn gated() -> Project {
    gates::project(&format!(
        r#"
        [params.names]
        type = "list<string>"
        default = ["x", "y"]
        [tasks.a]
        call = "g.await-file"
        for-each.name = {{ param = "names" }}
        args.path = {{ item = "name" }}
        {GRANTS}
        [tasks.b]
        call = "g.echo-string"
        for-each.text = {{ task = "a" }}
        args.value = {{ item = "text" }}
        [tasks.c]
        call = "g.concat"
        for-each.b = {{ task = "b" }}
        for-each.a = {{ task = "a" }}
        for-each.name = {{ param = "names" }}
        args.parts = [{{ item = "b" }}, {{ item = "a" }}, {{ item = "name" }}]
        [tasks.all]
        call = "g.concat"
        args.parts = {{ task = "c" }}
        "#
    ))
}

#[test]
fn second_step_starts_before_the_first_is_complete() {
    everywhere(|uri| {
        let project = gated();
        let mut running = start(project.host(), uri, "r1", "2");
        open(&project, "x");
        // `y` keeps `a` from ending. The three lists of `c` have one origin, so it does not wait for `a` either.
        running.until("finished   c[0]");
        open(&project, "y");
        assert_eq!(running.wait().expect(0).json(), json!({ "all": "xxxyyy" }), "{uri}");
        let events = project.events();
        assert!(
            position(&events, "task.finished", "c", Some(0))
                < position(&events, "task.finished", "a", Some(1))
        );
        assert_eq!(events.tasks("task.finished").len(), 10, "six elements and four tasks");
    });
}

#[test]
fn elements_that_have_come_far_go_first() {
    let project = Project::basic(
        r#"
        [tasks.a]
        call = "g.double"
        for-each.x = { range = 30 }
        args.x = { item = "x" }
        [tasks.b]
        call = "g.double"
        for-each.x = { task = "a" }
        args.x = { item = "x" }
        [tasks.c]
        call = "g.add"
        for-each.x = { task = "b" }
        for-each.y = { task = "a" }
        args = { a = { item = "x" }, b = { item = "y" } }
        [outputs]
        c = { task = "c" }
        "#,
    );
    let finished = project.host().args(["-j", "1"]).run().expect(0);
    assert_eq!(finished.json(), json!({ "c": (0..30).map(|x| 6 * x).collect::<Vec<u32>>() }));
    let events = project.events();
    let whole = position(&events, "task.finished", "a", None);
    let started = |task: &str, item| position(&events, "task.started", task, Some(item));
    for item in 0..27 {
        let end = position(&events, "task.finished", "c", Some(item));
        assert!(end < started("a", item + 3), "c[{item}] waits for elements that come later");
        assert!(started("b", item) < whole && end < whole);
    }
    // The whole tasks end in order all the same, each with its last element.
    let ends = ["a", "b", "c"].map(|task| position(&events, "task.finished", task, None));
    assert!(ends.is_sorted(), "{ends:?}");
}

/// Chains of `steps`, in which `a` fails on odd numbers.
const FRAGILE: &str = r#"
    [tasks.a]
    call = "g.maybe-fail"
    for-each.x = [0, 1, 2, 4]
    args.x = { item = "x" }
    [tasks.b]
    call = "g.double"
    for-each.x = { task = "a" }
    args.x = { item = "x" }
    [tasks.c]
    call = "g.add"
    for-each.x = { task = "b" }
    for-each.y = { task = "a" }
    args = { a = { item = "x" }, b = { item = "y" } }
    [tasks.whole]
    call = "g.sum"
    args.xs = { task = "c" }
    [tasks.free]
    call = "g.double"
    args.x = 21
"#;

#[test]
fn failed_element_skips_the_same_element_of_later_steps_alone() {
    everywhere(|uri| {
        let project = Project::basic(FRAGILE);
        let host = project.host().args(["--keep-going", "--state", uri, "--run-id", "r1"]);
        let finished = host.run().expect(1).says(["a[1]", "element 1"]);
        assert_eq!(finished.json(), json!({ "free": 42 }));
        let events = project.events();
        assert_eq!(found(&events, "task.failed"), set(&["a", "a[1]"]));
        assert_eq!(found(&events, "task.skipped"), set(&["b", "b[1]", "c", "c[1]", "whole"]));
        for event in events.of("task.skipped") {
            assert_eq!(event["reason"], "UpstreamFailed", "{event}");
        }
        let elements = ["a", "b", "c"].map(|task| [0, 2, 3].map(|item| format!("{task}[{item}]")));
        let mut expected: BTreeSet<String> = elements.into_iter().flatten().collect();
        expected.insert("free".to_owned());
        assert_eq!(found(&events, "task.finished"), expected, "{uri}");
    });
}

#[test]
fn errors_as_values_flow_on() {
    let project = Project::basic(
        r#"
        [tasks.a]
        call = "g.maybe-fail"
        for-each.x = { range = 3 }
        args.x = { item = "x" }
        on-error = "value"
        [tasks.texts]
        call = "std.to-json"
        for-each.x = { task = "a" }
        args.value = { item = "x" }
        [tasks.doubled]
        call = "g.double"
        for-each.x = { task = "a" }
        args.x = { item = "x", path = "ok" }
        "#,
    );
    let finished = project.host().args(["--keep-going"]).run().expect(1);
    assert_eq!(finished.json(), json!({ "texts": [r#"{"ok":0}"#, r#"{"err":"1 is odd"}"#, r#"{"ok":2}"#] }));
    let events = project.events();
    // The error has reached its element of the next step, where a path misses, and nothing else.
    assert_eq!(found(&events, "task.failed"), set(&["doubled", "doubled[1]"]));
    assert!(events.of("task.failed").all(|event| event["class"] == "input"), "{events:?}");
    assert!(set(&["a", "doubled[0]", "doubled[2]"]).is_subset(&found(&events, "task.finished")));
}

#[test]
fn each_element_is_retried_by_itself() {
    everywhere(|uri| {
        let project = Project::new(
            r#"
            [components.h]
            path = "{guest:host-calls}"
            grants.context = true
            [defaults]
            retry = { delay = "1ms" }
            [tasks.a]
            call = "h.flaky"
            for-each.until = [1, 3, 2]
            args.until = { item = "until" }
            retry = 3
            [tasks.b]
            call = "h.flaky"
            for-each.until = { task = "a" }
            args.until = { item = "until" }
            retry = 3
            [outputs]
            b = { task = "b" }
            "#,
        );
        let finished = project.host().args(["--state", uri, "--run-id", "r1"]).run().expect(0);
        assert_eq!(finished.json(), json!({ "b": [1, 3, 2] }));
        let mut again = project.events().tasks("task.retrying");
        again.sort();
        assert_eq!(again, ["a[1]", "a[1]", "a[2]", "b[1]", "b[1]", "b[2]"], "{uri}");
    });
}

#[test]
fn resumed_run_executes_only_what_is_missing() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        r#"
        [tasks.a]
        call = "g.read-file"
        for-each.path = ["x", "y", "z"]
        args.path = {{ item = "path" }}
        {GRANTS}
        [tasks.b]
        call = "g.echo-string"
        for-each.text = {{ task = "a" }}
        args.value = {{ item = "text" }}
        [tasks.c]
        call = "g.echo-string"
        for-each.text = {{ task = "b" }}
        args.value = {{ item = "text" }}
        [tasks.all]
        call = "g.concat"
        args.parts = {{ task = "c" }}
        "#
    ));
    open(&project, "xz");
    let uri = server.uri();
    let host = || project.host().args(["--state", &uri, "--run-id", "r1", "--keep-going"]);
    host().run().expect(1).says(["a[1]"]);
    open(&project, "y");
    assert_eq!(host().run().expect(0).json(), json!({ "all": "xyz" }));
    let mut started = project.events().tasks("task.started");
    started.sort();
    assert_eq!(started, ["a[1]", "all", "b[1]", "c[1]"]);
    // Nothing is left to do for a third run.
    assert_eq!(host().run().expect(0).json(), json!({ "all": "xyz" }));
    assert!(project.events().tasks("task.started").is_empty());
}

#[test]
fn second_run_takes_all_elements_from_the_cache() {
    let server = Redis::start("");
    let project = Project::basic(&FRAGILE.replace("[0, 1, 2, 4]", "[0, 2, 4, 6]"));
    let host = || project.host().args(["--cache", &server.uri()]);
    let expected = json!({ "whole": 36, "free": 42 });
    assert_eq!(host().run().expect(0).json(), expected);
    assert_eq!(host().run().expect(0).json(), expected);
    let events = project.events();
    assert!(events.tasks("task.started").is_empty(), "{:?}", events.tasks("task.started"));
    let cached = found(&events, "task.cached");
    assert!(set(&["a[0]", "b[1]", "c[3]", "whole", "free"]).is_subset(&cached), "{cached:?}");
    assert_eq!(cached.len(), 14, "twelve elements and two tasks");
}

#[test]
fn two_hosts_share_the_elements_of_one_run() {
    let server = Redis::start("");
    let project = gated();
    let mut one = start(project.host(), &server.uri(), "r1", "1");
    one.until("started    a[");
    let mut other = start(project.other_host("other.jsonl"), &server.uri(), "r1", "1");
    other.until("started    a[");
    // Each waits at a gate now. What follows an element runs on the one or the other.
    open(&project, "yx");
    for finished in [one.wait(), other.wait()] {
        assert_eq!(finished.expect(0).json(), json!({ "all": "xxxyyy" }));
    }
    let mut all = project.events().tasks("task.finished");
    all.extend(project.events_in("other.jsonl").tasks("task.finished"));
    all.sort();
    assert_eq!(all, ["a", "a[0]", "a[1]", "all", "b", "b[0]", "b[1]", "c", "c[0]", "c[1]"]);
}

#[test]
fn element_of_a_killed_host_flows_on_from_another() {
    let server = Redis::start("");
    let project = gated();
    let uri = format!("{}?lease=1s", server.uri());
    let mut one = start(project.host(), &uri, "r1", "2");
    open(&project, "x");
    one.until("finished   c[0]");
    one.signal("KILL");
    one.wait();
    open(&project, "y");
    let resumed = start(project.other_host("other.jsonl"), &uri, "r1", "2").wait().expect(0);
    assert_eq!(resumed.json(), json!({ "all": "xxxyyy" }));
    let events = project.events_in("other.jsonl");
    assert_eq!(found(&events, "task.started"), set(&["a[1]", "b[1]", "c[1]", "all"]));
}

#[test]
fn skipped_first_step_skips_all_that_flow_from_it() {
    everywhere(|uri| {
        let project = Project::basic(
            r#"
            [tasks.a]
            call = "g.double"
            for-each.x = { range = 3 }
            args.x = { item = "x" }
            when = { value = false }
            [tasks.b]
            call = "g.double"
            for-each.x = { task = "a" }
            args.x = { item = "x" }
            [tasks.copes]
            call = "g.double"
            for-each.x = { task = "b", default = [5] }
            args.x = { item = "x" }
            [tasks.later]
            call = "g.double"
            for-each.x = { task = "copes" }
            args.x = { item = "x" }
            when = { task = "yes" }
            [tasks.yes]
            call = "g.is-even"
            args.x = 2
            [outputs]
            later = { task = "later" }
            "#,
        );
        let finished = project.host().args(["--state", uri, "--run-id", "r1"]).run().expect(0);
        assert_eq!(finished.json(), json!({ "later": [20] }));
        assert_eq!(found(&project.events(), "task.skipped"), set(&["a", "b"]), "{uri}");
    });
}
