//! Admission over hosts with different `--memory` on one run, and takeover when the larger host dies.
//! Admission on one host is in `hostile/admission`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Project, Redis, Running};
use serde_json::json;
use std::time::Duration;

/// A gate task, so that hosts can join first, and tasks after it with 128 MiB each.
fn project(others: &str) -> Project {
    let gate = "call = \"g.await-file\"\nargs.path = \"o\"\nlimits.memory = \"16MiB\"\n";
    let defaults = "[defaults.limits]\nmemory = \"128MiB\"\n";
    gates::project(&format!("[tasks.gate]\n{gate}{GRANTS}{defaults}{others}"))
}

/// Starts a host with this memory budget, and waits until it works on the run.
fn start(project: &Project, uri: &str, memory: &str) -> Running {
    let host = project.other_host(&format!("{memory}.jsonl"));
    let arguments = ["--state", uri, "--run-id", "r1", "-j", "4", "--memory", memory, "--log-level", "debug"];
    let mut running = host.args(arguments).start();
    running.until("run        test");
    running
}

#[test]
fn task_beyond_the_creators_budget_runs_on_a_larger_host() {
    let server = Redis::start("");
    let project = project(
        "[tasks.large]\ncall = \"g.grow\"\nafter = [\"gate\"]\nfor-each.mib = [90, 91, 92]\n\
         args.mib = { item = \"mib\" }\n",
    );
    let small = start(&project, &server.uri(), "64MiB");
    let large = start(&project, &server.uri(), "300MiB");
    open(&project, "o");
    let (small, large) = (small.wait().expect(0), large.wait().expect(0));
    assert_eq!(small.json(), large.json());
    let events = project.events_in("300MiB.jsonl");
    let (mut now, mut done) = (0, 0);
    for event in events.0.iter().filter(|event| event["item"].is_number()) {
        match event["event"].as_str() {
            Some("task.started") => now += 1,
            Some("task.finished") => (now, done) = (now - 1, done + 1),
            _ => {}
        }
        assert!(now <= 2, "two of 128 MiB at a time, as this host's budget has it: {events:#?}");
    }
    assert_eq!(done, 3, "all on the host that has the memory: {events:#?}");
}

/// A task whose limit exceeds the small host's budget, though it uses less. It waits at its own gate.
fn oversized_task() -> Project {
    project(&format!(
        "[tasks.modest]\ncall = \"g.await-file\"\nafter = [\"gate\"]\nargs.path = \"m\"\n{GRANTS}"
    ))
}

#[test]
fn smaller_host_takes_over_from_a_killed_larger_host() {
    let server = Redis::start("");
    let uri = format!("{}?lease=3s", server.uri());
    let project = oversized_task();
    let small = start(&project, &uri, "64MiB");
    let mut large = start(&project, &uri, "256MiB");
    open(&project, "o");
    large.until("started    modest");
    large.signal("KILL");
    large.wait();
    open(&project, "m");
    assert_eq!(small.wait().expect(0).json(), json!({ "gate": "o", "modest": "m" }));
    assert_eq!(project.events_in("64MiB.jsonl").tasks("task.taken_over"), ["modest"]);
}

#[test]
fn large_task_does_not_wait_for_a_dead_larger_host() {
    let server = Redis::start("");
    let uri = format!("{}?lease=3s", server.uri());
    let project = oversized_task();
    let mut small = start(&project, &uri, "64MiB");
    let large = start(&project, &uri, "256MiB");
    // The large host has no claims, so only its own lease can reveal its end.
    large.signal("STOP");
    open(&project, "om");
    small.until("finished   gate");
    std::thread::sleep(Duration::from_millis(50));
    large.signal("KILL");
    large.wait();
    assert_eq!(small.wait().expect(0).json(), json!({ "gate": "o", "modest": "m" }));
}
