//! Tasks that repeat: what is fed, stored and shown of each iteration, and where a run goes on.
//! Other conditions of calls, such as retries, have modules of their own.

use crate::gates::open;
use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Events, Finished, Host, Project, Redis, wait_until};
use serde_json::json;
use std::collections::BTreeSet;

/// A task `count` that is done at `until`; `more` are further keys of it.
fn manifest(until: u32, more: &str) -> String {
    format!(
        "{}[tasks.count]\ncall = \"r.step\"\nargs.tally = {{ count = 0, words = [] }}\nargs.until = {until}\n{more}\n",
        named("r", Guest::Repeat)
    )
}

const REPEAT: &str = "repeat = { feed = \"tally\", until = \"done\" }";

/// A task `count` that waits at the gate `3`, in its third iteration.
fn held(until: u32) -> Project {
    let grants = "grants = { read = [\"gates:.\"], clock = true }";
    let project = Project::new(&manifest(until, &format!("args.held = 3\n{grants}\n{REPEAT}")));
    std::fs::create_dir(project.folder().join("gates")).expect("a folder can be made");
    project
}

/// The iterations of events of this kind, in order.
fn iterations(events: &Events, kind: &str) -> Vec<u64> {
    events.of(kind).filter_map(|event| event["iteration"].as_u64()).collect()
}

fn on(server: &Redis, run: &str, host: Host) -> Host {
    host.args(["--state", &server.uri(), "--run-id", run])
}

/// A command on the stored run.
fn ask(server: &Redis, command: &str, run: &str) -> Host {
    Host::new([command, run, "--state", &server.uri()])
}

/// Checks that a command prints all of these texts.
fn prints<const N: usize>(host: Host, texts: [&str; N]) {
    let printed = host.run().expect(0).text();
    for text in texts {
        assert!(printed.contains(text), "{text:?} is not in:\n{printed}");
    }
}

fn counted(count: u32) -> serde_json::Value {
    json!({ "count": { "count": count, "words": [], "done": true } })
}

#[test]
fn output_of_each_call_is_fed_to_the_next() {
    let project = Project::new(&manifest(5, REPEAT));
    assert_eq!(project.run().expect(0).json(), counted(5));
    let events = project.events();
    assert_eq!(iterations(&events, "task.started"), [0, 1, 2, 3, 4]);
    assert_eq!(iterations(&events, "task.finished"), [0, 1, 2, 3, 4]);
    assert_eq!(events.of("task.ready").count(), 1);
    let whole = events.of("task.finished").last().expect("the task has finished");
    assert_eq!((&whole["iterations"], whole.get("iteration")), (&json!(5), None));
    let lines = iterations(&events, "task.log");
    assert_eq!(lines, [0, 1, 2, 3, 4], "each iteration has written a line");
}

#[test]
fn killed_host_loses_one_iteration() {
    let server = Redis::start("");
    let project = held(5);
    let mut running = on(&server, "r1", project.host()).args(["--log-level", "debug"]).start();
    running.until("started    count@2");
    running.signal("KILL");
    running.wait();
    let stored = || server.command(&["HKEYS", "cascade:run:r1:results"]);
    let names: BTreeSet<String> = stored().lines().map(str::to_owned).collect();
    assert_eq!(names, BTreeSet::from(["count@0", "count@1"].map(str::to_owned)));
    open(&project, "3");
    assert_eq!(on(&server, "r1", project.host()).run().expect(0).json(), counted(5));
    assert_eq!(iterations(&project.events(), "task.started"), [2, 3, 4]);
    let names: BTreeSet<String> = stored().lines().map(str::to_owned).collect();
    let all = ["count", "count@0", "count@1", "count@2", "count@3", "count@4"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(all));
}

#[test]
fn hosts_compute_each_iteration_once() {
    let server = Redis::start("");
    let project = Project::new(&manifest(60, REPEAT));
    let one = on(&server, "r1", project.host()).start();
    let other = on(&server, "r1", project.other_host("other.jsonl")).start();
    for finished in [one.wait(), other.wait()] {
        assert_eq!(finished.expect(0).json(), counted(60));
    }
    let mut all = iterations(&project.events(), "task.finished");
    all.extend(iterations(&project.events_in("other.jsonl"), "task.finished"));
    all.sort_unstable();
    assert_eq!(all, (0..60).collect::<Vec<u64>>());
}

#[test]
fn task_takes_over_where_a_dead_host_was() {
    let server = Redis::start("");
    let project = held(5);
    let uri = format!("{}?lease=1s", server.uri());
    let start = |host: Host| host.args(["--state", &uri, "--run-id", "r1", "--log-level", "debug"]).start();
    let mut one = start(project.host());
    one.until("started    count@2");
    let mut other = start(project.other_host("other.jsonl"));
    other.until("run        test");
    one.signal("KILL");
    one.wait();
    open(&project, "3");
    assert_eq!(other.wait().expect(0).json(), counted(5));
    let events = project.events_in("other.jsonl");
    assert_eq!(iterations(&events, "task.started"), [2, 3, 4]);
    assert_eq!(iterations(&events, "task.taken_over"), [2]);
}

#[test]
fn limit_of_iterations_may_be_raised_and_the_run_goes_on() {
    let server = Redis::start("");
    let with_max =
        |max: u32| manifest(5, &format!("repeat = {{ feed = \"tally\", until = \"done\", max = {max} }}"));
    let project = Project::new(&with_max(3));
    let finished = on(&server, "r1", project.host()).run().expect(1);
    finished.says(["limit: `done` is not true after 3 iterations", "raise `max`"]);
    assert_eq!(project.events().of("task.failed").next().expect("it failed")["class"], "limit");
    prints(ask(&server, "show", "r1"), ["3 iterations of at most 3"]);
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", with_max(10)));
    assert_eq!(on(&server, "r1", project.host()).run().expect(0).json(), counted(5));
    assert_eq!(iterations(&project.events(), "task.started"), [3, 4]);
}

#[test]
fn each_iteration_is_retried_and_has_a_key_of_its_own() {
    let grants = "grants.context = true\n";
    let task =
        "[tasks.count]\ncall = \"r.careful\"\nargs.tally = { count = 0, words = [] }\nargs.until = 3\n";
    let retry = "retry = { attempts = 2, delay = \"1ms\" }\n";
    let project = Project::new(&format!("{}{grants}{task}{retry}{REPEAT}\n", named("r", Guest::Repeat)));
    let output = project.run().expect(0).json();
    let words: BTreeSet<&str> = output["count"]["words"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|word| word.as_str())
        .collect();
    assert_eq!((output["count"]["count"].as_u64(), words.len()), (Some(3), 3), "{output}");
    assert_eq!(iterations(&project.events(), "task.retrying"), [0, 1, 2]);
    assert_eq!(iterations(&project.events(), "task.started"), [0, 0, 1, 1, 2, 2]);
}

#[test]
fn failed_iteration_is_named_and_computed_again() {
    let server = Redis::start("");
    let task = |at: u32| {
        format!(
            "{}[tasks.count]\ncall = \"r.fail-at\"\nargs.tally = {{ count = 0, words = [] }}\nargs.at = {at}\n\
             repeat = {{ feed = \"tally\", until = \"done\", max = 4 }}\n",
            named("r", Guest::Repeat)
        )
    };
    let project = Project::new(&task(3));
    on(&server, "r1", project.host()).run().expect(1).says(["count@2", "no step 3"]);
    assert_eq!(iterations(&project.events(), "task.failed"), [2]);
    prints(ask(&server, "show", "r1"), ["2 iterations of at most 4", "iteration 2 failed", "no step 3"]);
    on(&server, "r1", project.host()).run().expect(1);
    assert_eq!(iterations(&project.events(), "task.started"), [2]);
    // As a value, the error is the output of the whole task.
    let project = Project::new(&format!("{}on-error = \"value\"\n", task(3)));
    assert_eq!(project.run().expect(0).json(), json!({ "count": { "err": "no step 3" } }));
}

#[test]
fn each_iteration_is_cached() {
    let server = Redis::start("");
    let project = Project::new(&manifest(4, REPEAT));
    let cached = |host: Host| host.args(["--cache", &server.uri()]).run().expect(0).json();
    assert_eq!(cached(project.host()), counted(4));
    let plan = project.command("plan").args(["--cache", &server.uri()]).run().expect(0).text();
    assert!(
        plan.contains("cached") && plan.contains("repeats with tally until done, 100 times at most"),
        "{plan}"
    );
    assert_eq!(cached(project.host()), counted(4));
    let events = project.events();
    assert_eq!(
        (iterations(&events, "task.cached"), events.of("task.started").count()),
        (vec![0, 1, 2, 3], 0)
    );
    // Another end shares the first iterations only if their results are equal, and here `done` is not.
    project.write(&format!(
        "cascade = 1\nname = \"test\"\n{}",
        manifest(4, &format!("args.held = 9\n{REPEAT}"))
    ));
    cached(project.host());
    assert_eq!(project.events().of("task.cached").count(), 0, "other arguments are other calls");
}

#[test]
fn verification_calls_each_iteration_twice() {
    let project = Project::new(&manifest(2, REPEAT));
    project.host().args(["--verify"]).run().expect(0);
    assert_eq!(iterations(&project.events(), "task.finished"), [0, 1]);
}

#[test]
fn progress_results_and_logs_are_shown() {
    let server = Redis::start("");
    let project = held(4);
    let mut running = on(&server, "r1", project.host()).args(["--log-level", "debug"]).start();
    running.until("started    count@2");
    prints(ask(&server, "show", "r1"), ["iteration 3 of at most 100"]);
    let row = |finished: Finished| finished.json()["tasks"][0].clone();
    let shown = row(ask(&server, "show", "r1").args(["--json"]).run().expect(0));
    assert_eq!(
        (&shown["iterations"], &shown["max_iterations"], &shown["state"]),
        (&json!(2), &json!(100), &json!("running"))
    );
    open(&project, "3");
    running.wait().expect(0);
    prints(ask(&server, "show", "r1"), ["done", "4 iterations"]);
    let output = |name: &str| ask(&server, "output", "r1").args([name]).run();
    assert_eq!(output("count@1").expect(0).json(), json!({ "count": 2, "words": [], "done": false }));
    assert_eq!(output("count").expect(0).json()["count"], 4);
    output("count@4").expect(4).says(["no iteration 4 of `count`", "4 iterations", "`count@0` to `count@3`"]);
    output("other@0").expect(4).says(["no task `other`"]);
    let log = || ask(&server, "logs", "r1").args(["count"]).run().expect(0).text();
    wait_until("the log has every line", || log() == "step 1\nstep 2\nstep 3\nstep 4\n");
    ask(&server, "logs", "r1").args(["count@1"]).run().expect(4).says(["share one log"]);
}

#[test]
fn update_keeps_iterations_of_an_unchanged_call() {
    let server = Redis::start("");
    let project = held(5);
    let with_other = |text: &str| {
        let grants = "grants = { read = [\"gates:.\"], clock = true }";
        let count = manifest(5, &format!("args.held = 3\n{grants}\n{REPEAT}"));
        format!(
            "cascade = 1\nname = \"test\"\n{count}[tasks.other]\ncall = \"r.double\"\nargs.text = \"{text}\"\n"
        )
    };
    project.write(&with_other("a"));
    let mut running = on(&server, "r1", project.host()).args(["--log-level", "debug"]).start();
    running.until("started    count@2");
    running.signal("KILL");
    running.wait();
    open(&project, "3");
    project.write(&with_other("b"));
    on(&server, "r1", project.host()).run().expect(2).says(["`args.text` has changed"]);
    on(&server, "r1", project.host()).args(["--update"]).run().expect(0);
    assert_eq!(iterations(&project.events(), "task.started"), [2, 3, 4]);
    // Another `until` is another task.
    let other_feed = with_other("b")
        .replace("until = \"done\"", "until = \"done\", max = 7")
        .replace("args.until = 5", "args.until = 6");
    project.write(&other_feed);
    on(&server, "r1", project.host()).args(["--update"]).run().expect(0);
    assert_eq!(iterations(&project.events(), "task.started"), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn task_in_a_pipeline_repeats() {
    let server = Redis::start("");
    let project = Project::new("[tasks.inner]\nmanifest = \"inner.toml\"\nargs.until = 3\n");
    let count = manifest(3, REPEAT).replace("args.until = 3", "args.until = { param = \"until\" }");
    project.include(
        "inner.toml",
        &format!("{count}[params.until]\ntype = \"u32\"\n[outputs]\nlast = {{ task = \"count\" }}\n"),
    );
    let output = on(&server, "r1", project.host()).run().expect(0).json();
    assert_eq!(output["inner"]["last"]["count"], 3, "{output}");
    let stored = ask(&server, "output", "r1").args(["inner/count@1"]).run().expect(0).json();
    assert_eq!(stored["count"], 2);
}

/// A pipeline `each` that runs once per number and counts to it, and a task `more` that goes on from each of its elements.
/// Counts of 3 wait at the gate.
fn counting_elements() -> Project {
    let r = named("r", Guest::Repeat);
    let project = held(9);
    project.write(&format!(
        "cascade = 1\nname = \"test\"\n{r}[tasks.each]\nmanifest = \"inner.toml\"\nfor-each.n = [2, 4, 3]\n\
         args.until = {{ item = \"n\" }}\n[tasks.more]\ncall = \"r.step\"\nfor-each.x = {{ task = \"each\" }}\n\
         args = {{ tally = {{ item = \"x\", path = \"last\" }}, until = 1 }}\n"
    ));
    let grants = "grants = { read = [\"gates:.\"], clock = true }";
    let count = manifest(0, &format!("args.held = 3\n{grants}\n{REPEAT}"));
    let count = count.replace("args.until = 0", "args.until = { param = \"until\" }");
    project.include(
        "inner.toml",
        &format!("{count}[params.until]\ntype = \"u32\"\n[outputs]\nlast = {{ task = \"count\" }}\n"),
    );
    project
}

/// The names of iterations of events of this kind, sorted.
fn iteration_names(events: &Events, kind: &str) -> BTreeSet<String> {
    let name =
        |event: &serde_json::Value| Some(format!("{}@{}", event["task"].as_str()?, event["iteration"]));
    events.of(kind).filter(|event| event["iteration"].is_u64()).filter_map(name).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

#[test]
fn elements_of_a_pipeline_repeat_and_flow_on() {
    let server = Redis::start("");
    let project = counting_elements();
    let stored = set([
        "each[0]/count@0",
        "each[0]/count@1",
        "each[0]/count",
        "more[0]",
        "each[1]/count@0",
        "each[1]/count@1",
        "each[2]/count@0",
        "each[2]/count@1",
    ]);
    let running = on(&server, "r1", project.host()).args(["-j", "9"]).start();
    // The first element has gone through, while the others wait in their third iteration.
    let names = || server.command(&["HKEYS", "cascade:run:r1:results"]).lines().map(str::to_owned).collect();
    wait_until("all that does not wait is stored", || stored == names());
    running.signal("KILL");
    running.wait();
    open(&project, "3");
    let output = on(&server, "r1", project.host()).run().expect(0).json();
    let counts: Vec<_> = output["more"].as_array().into_iter().flatten().map(|one| &one["count"]).collect();
    assert_eq!(counts, [3, 5, 4], "{output}");
    let events = project.events();
    let rest = ["each[1]/count@2", "each[1]/count@3", "each[2]/count@2"];
    for kind in ["task.started", "task.finished"] {
        assert_eq!(iteration_names(&events, kind), set(rest), "{kind}");
    }
    let second = ask(&server, "output", "r1").args(["each[1]/count@1"]).run().expect(0).json();
    assert_eq!(second, json!({ "count": 2, "words": [], "done": false }));
    let fault = ask(&server, "output", "r1").args(["each/count@1"]).run().expect(4);
    fault.says(["runs once per element of `each`", "name one, as `each[i]/count@1`; `each` has 3 elements"]);
    let fault = ask(&server, "output", "r1").args(["more@0"]).run().expect(4);
    fault.says(["`more` does not repeat: it runs once per element, as `more[i]`"]);
}
