//! `--if-running`: hosts that meet another one on their run, and `--dry-run`.
//! Hosts that join are in `hosts`.

use crate::gates::{self, open};
use cascade_host_tests::{Host, Project, Redis, Running};
use serde_json::json;

fn host(project: &Project, events: &str, server: &Redis) -> Host {
    project.other_host(events).args(["--state", &server.uri(), "--run-id", "r", "-j", "1"])
}

/// Starts a host that works on the run until its gates are open.
fn busy(project: &Project, server: &Redis) -> Running {
    let mut running = host(project, "one.jsonl", server).args(["--log-level", "debug"]).start();
    running.until("started    texts[0]");
    running
}

#[test]
fn a_run_that_a_host_works_on_is_skipped_refused_or_awaited() {
    let server = Redis::start("");
    let project = gates::elements("ab");
    let running = busy(&project, &server);
    // The events file of the other host stays as it is.
    let skipped = host(&project, "one.jsonl", &server).args(["--if-running", "skip"]).run().expect(0);
    assert!(skipped.stdout.is_empty());
    skipped.says(["run r is not started: host ", " works on it"]);
    let refused = host(&project, "two.jsonl", &server).args(["--if-running", "fail"]).run().expect(2);
    assert!(refused.stdout.is_empty() && !project.folder().join("two.jsonl").exists());
    refused.says(["run `r` is not started: host ", "`--if-running wait`"]);
    let mut waiting = host(&project, "two.jsonl", &server).args(["--if-running", "wait"]).start();
    waiting.until("waiting for run r");
    open(&project, "ab");
    let (first, second) = (running.wait().expect(0), waiting.wait().expect(0));
    assert_eq!(project.events_in("two.jsonl").of("state.reconnected").count(), 0);
    assert_eq!((first.json(), second.json()), (json!({ "all": "ab" }), json!({ "all": "ab" })));
    assert!(
        project.events_in("two.jsonl").tasks("task.started").is_empty(),
        "all was done by the first host"
    );
}

#[test]
fn a_host_that_was_killed_does_not_count() {
    let server = Redis::start("");
    let project = gates::elements("ab");
    let running = busy(&project, &server);
    running.signal("KILL");
    drop(running.wait());
    open(&project, "ab");
    for how in ["fail", "skip", "wait"] {
        let finished = host(&project, "two.jsonl", &server).args(["--if-running", how]).run().expect(0);
        assert_eq!(finished.json(), json!({ "all": "ab" }));
    }
}

#[test]
fn a_run_without_an_id_meets_nobody() {
    let project = Project::new("[tasks.t]\ncall = \"std.lines\"\nargs.text = \"a\"\n");
    for flags in [["--if-running", "skip"], ["--progress=none", "--fresh"], ["--progress=none", "--update"]] {
        project.host().args(flags).run().expect(2).says(["--run-id <ID>"]);
    }
    project.host().args(["--if-running", "join", "--run-id", "r"]).run().expect(2).says(["wait, skip, fail"]);
    project.host().args(["--if-running", "fail", "--run-id", "r"]).run().expect(0);
}

#[test]
fn a_dry_run_is_a_plan() {
    let project = Project::new("[tasks.t]\ncall = \"std.lines\"\nargs.text = \"a\"\n");
    let planned = project.command("plan").run().expect(0);
    let dry =
        project.host().args(["--dry-run", "--keep-going", "--output-dir", "out", "-j", "3"]).run().expect(0);
    assert_eq!(dry.text(), planned.text());
    assert!(!project.folder().join("events.jsonl").exists() && !project.folder().join("out").exists());
    let dry = project.host().args(["--dry-run", "--json"]).run().expect(0);
    assert_eq!(dry.json()["tasks"][0]["name"], "t");
    project.host().args(["--json"]).run().expect(2).says(["--dry-run"]);
}
