//! `[finally]`: tasks that follow every ending of a run, once, on whichever host is left.
//! The ledger's side is tested by the conformance suite.

use crate::gates::{self, open};
use cascade_host_tests::{Answer, Events, Finished, Host, Project, Receiver, Redis, Running};
use serde_json::{Value, json};
use std::time::Duration;

/// Tells the ending and the failures on stderr, where a guest's lines are events.
const TELL: &str = "[finally.status]\ncall = \"g.say\"\nargs.text = { run = \"status\" }\n\
    [finally.json]\ncall = \"std.to-json\"\nargs.value = { run = \"failures\" }\n\
    [finally.failures]\ncall = \"g.say\"\nargs.text = { task = \"json\" }\n\
    [finally.id]\ncall = \"g.say\"\nargs.text = { run = \"id\" }\n";

/// Runs a check with the state in memory, and then in Redis.
fn everywhere(check: impl Fn(&str)) {
    let server = Redis::start("");
    for uri in ["memory:", &server.uri()] {
        check(uri);
    }
}

fn start(project: &Project, uri: &str, events: &str) -> Running {
    let host = project.other_host(events).args(["--state", uri, "--run-id", "r1", "-j", "2"]);
    host.args(["--log-level", "debug"]).start()
}

fn run(project: &Project, uri: &str) -> Finished {
    project.host().args(["--state", uri, "--run-id", "r1", "-j", "2"]).run()
}

fn command(name: &str, uri: &str) -> Host {
    Host::new([name, "r1", "--state", uri])
}

/// Returns what a task has said. It says so on stdout and on stderr.
fn said(events: &Events, task: &str) -> Vec<String> {
    let lines = events.of("task.log").filter(|event| event["task"] == task && event["stream"] == "stdout");
    lines.map(|event| event["text"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Asserts that the run came to this ending once, and that only `finally` ran from then on.
fn ending(events: &Events, status: &str, finally: &[&str]) {
    let endings: Vec<_> = events.of("run.ending").map(|event| event["status"].clone()).collect();
    assert_eq!(endings, [status]);
    let at = events.0.iter().position(|event| event["event"] == "run.ending").expect("an ending");
    let started = |events: &[Value]| -> Vec<String> {
        let started = events.iter().filter(|event| event["event"] == "task.ready");
        started.map(|event| event["task"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let (before, after) = events.0.split_at(at);
    assert!(started(before).iter().all(|task| !finally.contains(&task.as_str())), "{before:?}");
    let mut found = started(after);
    found.sort();
    found.dedup();
    assert_eq!(found, finally);
    let last = events.0.last().expect("an event");
    assert_eq!((&last["event"], &last["status"]), (&json!("run.finished"), &json!(status)));
}

const TOLD: [&str; 4] = ["failures", "id", "json", "status"];

#[test]
fn success_and_failure_and_deadline_are_followed() {
    let good = "[tasks.t]\ncall = \"g.echo-u32\"\nargs.value = 1\n";
    let bad =
        "[tasks.t]\ncall = \"g.maybe-fail\"\nargs.x = 3\n[tasks.u]\ncall = \"g.nothing\"\nafter = [\"t\"]\n";
    let slow = "[tasks.t]\ncall = \"g.spin\"\n[tasks.u]\ncall = \"g.nothing\"\nafter = [\"t\"]\n";
    everywhere(|uri| {
        for (tasks, head, status, code, failures) in [
            (good, "", "succeeded", 0, json!([])),
            (
                bad,
                "",
                "failed",
                1,
                json!([{ "task": "t", "class": "error", "message": "the function returned the error \"3 is odd\"" }]),
            ),
            (slow, "deadline = \"500ms\"\n", "timeout", 1, json!([])),
        ] {
            let project = Project::basic("");
            project.write(&format!(
                "cascade = 1\nname = \"test\"\n{head}[components.g]\npath = \"{{guest:basic}}\"\n{tasks}{TELL}"
            ));
            let run_id = format!("run-{status}");
            let finished = project.host().args(["--state", uri, "--run-id", &run_id]).run().expect(code);
            if code == 0 {
                assert_eq!(finished.json(), json!({ "t": 1 }), "tasks of `[finally]` are no outputs");
            }
            let events = project.events();
            ending(&events, status, &TOLD);
            assert_eq!(said(&events, "status"), [status]);
            assert_eq!(said(&events, "id"), [run_id]);
            let told: Value = serde_json::from_str(&said(&events, "failures")[0]).expect("JSON");
            assert_eq!(told, failures);
        }
    });
}

#[test]
fn outputs_that_fail_are_an_ending_too() {
    everywhere(|uri| {
        let project = Project::basic(&format!(
            "[tasks.t]\ncall = \"g.numbers\"\nargs.n = 1\n[outputs]\no = {{ task = \"t\", path = \"[3]\" }}\n{TELL}"
        ));
        run(&project, uri).expect(1);
        let events = project.events();
        ending(&events, "failed", &TOLD);
        let told: Value = serde_json::from_str(&said(&events, "failures")[0]).expect("JSON");
        assert_eq!((&told[0]["task"], &told[0]["class"]), (&json!("[outputs]"), &json!("input")));
    });
}

#[test]
fn defaults_stand_in_for_what_failed_or_did_not_run() {
    everywhere(|uri| {
        let project = Project::basic(
            "[tasks.bad]\ncall = \"g.maybe-fail\"\nargs.x = 3\n\
             [tasks.never]\ncall = \"g.echo-u32\"\nargs.value = { task = \"bad\" }\n\
             [tasks.list]\ncall = \"g.maybe-fail\"\nfor-each.x = [2, 3]\nargs.x = { item = \"x\" }\n\
             [finally.all]\ncall = \"g.say\"\nargs.text = { task = \"text\" }\n\
             [finally.sum]\ncall = \"g.sum\"\n\
             args.xs = [{ task = \"bad\", default = 10 }, { task = \"never\", default = 20 }, { task = \"list\", path = \"[0]\", default = 30 }]\n\
             [finally.text]\ncall = \"std.to-json\"\nargs.value = { task = \"sum\" }\n\
             [finally.skipped]\ncall = \"g.echo-u32\"\nargs.value = { task = \"never\" }\n\
             [finally.unless]\ncall = \"g.nothing\"\nwhen = { run = \"status\", equals = \"succeeded\" }\n",
        );
        project.host().args(["--state", uri, "--keep-going"]).run().expect(1);
        let events = project.events();
        assert_eq!(said(&events, "all"), ["60"]);
        let reasons: Vec<_> = events
            .of("task.skipped")
            .filter(|event| event["task"] != "never")
            .map(|event| (event["task"].clone(), event["reason"].clone()))
            .collect();
        assert!(reasons.contains(&(json!("skipped"), json!("UpstreamFailed"))), "{reasons:?}");
        assert!(reasons.contains(&(json!("unless"), json!("ConditionFalse"))), "{reasons:?}");
    });
}

#[test]
fn failure_of_finally_makes_the_exit_code_and_nothing_else() {
    everywhere(|uri| {
        let project = Project::basic(
            "[tasks.t]\ncall = \"g.echo-u32\"\nargs.value = 1\n\
             [finally.bad]\ncall = \"g.maybe-fail\"\nargs.x = 3\n\
             [finally.after]\ncall = \"g.nothing\"\nafter = [\"bad\"]\n\
             [finally.other]\ncall = \"g.say\"\nargs.text = \"other\"\n",
        );
        let finished = run(&project, uri).expect(1);
        assert_eq!(finished.json(), json!({ "t": 1 }));
        finished
            .says(["task `bad` of `[finally]` has failed; the run has ended as `succeeded` all the same"]);
        let events = project.events();
        assert_eq!(said(&events, "other"), ["other"]);
        assert_eq!(events.tasks("task.failed"), ["bad"]);
        assert_eq!(events.tasks("task.skipped"), ["after"]);
        assert_eq!(events.0.last().expect("an event")["status"], "succeeded");
        if uri == "memory:" {
            return;
        }
        let shown = command("show", uri).args(["--json"]).run().expect(0).json();
        assert_eq!((&shown["status"], &shown["failed"]), (&json!("succeeded"), &json!(1)));
        let row = shown["tasks"].as_array().unwrap().iter().find(|row| row["name"] == "bad").cloned();
        let row = row.expect("a row");
        assert_eq!((&row["finally"], &row["state"]), (&json!(true), &json!("failed")));
        let text = command("show", uri).run().expect(0).text();
        assert!(text.contains("\nfinally\nbad"), "{text}");
        command("watch", uri).run().expect(1);
        // Nothing is to run: what `[finally]` did stays, and is told again.
        run(&project, uri).expect(1).says(["task `bad` of `[finally]` has failed"]);
        assert_eq!(project.events().tasks("task.started"), [""; 0]);
        project.host().args(["--state", uri, "--run-id", "r1", "--rerun", "bad"]).run().expect(1);
        let mut started = project.events().tasks("task.started");
        started.sort();
        assert_eq!(started, ["bad", "other"]);
    });
}

#[test]
fn resumed_run_has_a_new_ending_if_it_has_something_to_run() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = gates::project(&format!(
        "[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"a\"\ntimeout = \"300ms\"\n{}\
         [tasks.skipped]\ncall = \"g.nothing\"\nwhen = false\n{TELL}",
        gates::GRANTS
    ));
    run(&project, &uri).expect(1);
    assert_eq!(said(&project.events(), "status"), ["failed"]);
    open(&project, "a");
    run(&project, &uri).expect(0);
    let events = project.events();
    ending(&events, "succeeded", &TOLD);
    assert_eq!(
        (said(&events, "status"), said(&events, "failures")),
        (vec!["succeeded".into()], vec!["[]".into()])
    );
    let stored = command("output", &uri).args(["failures"]).run().expect(0);
    assert_eq!(stored.json(), "[]");
    // Skipped tasks are nothing to run.
    run(&project, &uri).expect(0);
    let events = project.events();
    assert_eq!(events.tasks("task.started"), [""; 0]);
    assert_eq!(events.0.last().expect("an event")["status"], "succeeded");
    // Another plan has another ending.
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("the manifest");
    project.write(&text.replace("[finally.id]", "[finally.name]"));
    run(&project, &uri).expect(2).says(["task `name` is new"]);
    project.host().args(["--state", &uri, "--run-id", "r1", "--update"]).run().expect(0);
    assert_eq!(said(&project.events(), "name"), ["r1"]);
}

#[test]
fn cancelled_run_ends_after_finally_and_another_cancel_stops_that() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = gates::project(&format!(
        "[tasks.t]\ncall = \"g.spin\"\n[tasks.u]\ncall = \"g.spin\"\n\
         [finally.waits]\ncall = \"g.await-file\"\nargs.path = \"a\"\n{}\
         [finally.status]\ncall = \"g.say\"\nargs.text = {{ run = \"status\" }}\n\
         [finally.last]\ncall = \"g.nothing\"\nafter = [\"waits\"]\n",
        gates::GRANTS
    ));
    let hosts = |project: &Project| {
        let mut one = start(project, &uri, "events.jsonl");
        one.until("started");
        let other = start(project, &uri, "other.jsonl");
        (one, other)
    };
    let (one, other) = hosts(&project);
    command("cancel", &uri).run().expect(0).says(["cancelled run r1", "will stop"]);
    wait_for_ending(&uri, "cancelled");
    open(&project, "a");
    for finished in [one.wait(), other.wait()] {
        finished.expect(130).says(["run r1 was cancelled"]);
    }
    let all = [project.events(), project.events_in("other.jsonl")];
    let told: Vec<String> = all.iter().flat_map(|events| said(events, "status")).collect();
    assert_eq!(told, ["cancelled"], "once, on one of the hosts");
    command("cancel", &uri).run().expect(0).says(["already cancelled"]);

    std::fs::remove_file(project.folder().join("gates/a")).expect("the gate was open");
    let (one, other) = hosts(&project);
    command("cancel", &uri).run().expect(0);
    wait_for_ending(&uri, "cancelled");
    command("cancel", &uri)
        .run()
        .expect(0)
        .says(["tasks of `[finally]` of run r1", "it ends as `cancelled`"]);
    for finished in [one.wait(), other.wait()] {
        finished.expect(130).says(["of `[finally]` were cancelled"]);
    }
    command("cancel", &uri).run().expect(0).says(["already cancelled"]);
}

/// Waits until a run is at its `[finally]`.
fn wait_for_ending(uri: &str, ending: &str) {
    let is_there = || {
        let shown = command("show", uri).args(["--json"]).run().expect(0).json();
        shown["ending"] == ending && shown["status"] == "running"
    };
    cascade_host_tests::wait_until("the run comes to no ending", is_there);
    let text = command("show", uri).run().expect(0).text();
    assert!(text.contains(&format!("at its `[finally]`, ends as {ending}")), "{text}");
}

#[test]
fn finally_is_taken_over_and_resumed() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = gates::project(&format!(
        "[tasks.bad]\ncall = \"g.maybe-fail\"\nargs.x = 3\n[tasks.never]\ncall = \"g.nothing\"\nafter = [\"bad\"]\n\
         [finally.first]\ncall = \"g.say\"\nargs.text = {{ run = \"status\" }}\n\
         [finally.waits]\ncall = \"g.await-file\"\nargs.path = \"a\"\nafter = [\"first\"]\n{}\
         [finally.last]\ncall = \"g.say\"\nargs.text = {{ run = \"status\" }}\nafter = [\"waits\"]\n",
        gates::GRANTS
    ));
    let mut one = start(&project, &uri, "one.jsonl");
    one.until("started    waits");
    one.signal("KILL");
    one.wait();
    // Nobody is left: the run goes on with the ending that it had, and runs no other task.
    let mut two = start(&project, &uri, "two.jsonl");
    two.until("started    waits");
    let three = start(&project, &uri, "three.jsonl");
    std::thread::sleep(Duration::from_millis(300));
    // Another host takes over.
    two.signal("KILL");
    two.wait();
    open(&project, "a");
    let finished = three.wait().expect(1);
    finished.says(["run r1 failed"]);
    let (second, third) = (project.events_in("two.jsonl"), project.events_in("three.jsonl"));
    assert_eq!(second.tasks("task.started"), ["waits"]);
    assert_eq!(third.tasks("task.started"), ["waits", "last"]);
    assert_eq!(third.tasks("task.taken_over"), ["waits"]);
    assert_eq!(said(&third, "last"), ["failed"]);
    let shown = command("show", &uri).args(["--json"]).run().expect(0).json();
    assert_eq!(
        (&shown["status"], &shown["done"], &shown["failed"]),
        (&json!("failed"), &json!(3), &json!(1))
    );
    // The next one has something to run, and so another ending.
    run(&project, &uri).expect(1);
    let mut started = project.events().tasks("task.started");
    started.sort();
    assert_eq!(started, ["bad", "first", "last", "waits"]);
}

#[test]
fn interrupted_host_leaves_finally_to_the_resumed_run() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = gates::project(&format!(
        "[tasks.t]\ncall = \"g.echo-u32\"\nargs.value = 1\n\
         [finally.waits]\ncall = \"g.await-file\"\nargs.path = \"a\"\n{}\
         [finally.last]\ncall = \"g.say\"\nargs.text = {{ run = \"status\" }}\nafter = [\"waits\"]\n",
        gates::GRANTS
    ));
    let mut one = start(&project, &uri, "events.jsonl");
    one.until("started    waits");
    one.signal("TERM");
    one.until("again");
    one.signal("TERM");
    one.wait().expect(130).says(["--run-id r1"]);
    assert_eq!(project.events().tasks("task.finished"), ["t"]);
    open(&project, "a");
    assert_eq!(run(&project, &uri).expect(0).json(), json!({ "t": 1 }));
    let events = project.events();
    assert_eq!(events.tasks("task.started"), ["waits", "last"]);
    assert_eq!(said(&events, "last"), ["succeeded"]);
}

#[test]
fn cancelled_run_without_hosts_waits_for_one_that_runs_finally() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = Project::basic(&format!("[tasks.t]\ncall = \"g.spin\"\n{TELL}"));
    for again in [false, true] {
        let mut running = start(&project, &format!("{uri}?lease=1s"), "events.jsonl");
        running.until("started");
        running.signal("KILL");
        running.wait();
        let is_left = || command("show", &uri).args(["--json"]).run().expect(0).json()["hosts"] == json!([]);
        cascade_host_tests::wait_until("the dead host stays", is_left);
        command("cancel", &uri).run().expect(0).says(["runs only its `[finally]`", "cancel it again"]);
        if again {
            command("cancel", &uri).run().expect(0).says(["has ended as `cancelled`"]);
            command("cancel", &uri).run().expect(0).says(["already cancelled"]);
        } else {
            run(&project, &uri).expect(130);
            ending(&project.events(), "cancelled", &TOLD);
        }
    }
}

#[test]
fn lists_and_pipelines_run_in_finally() {
    everywhere(|uri| {
        let project = Project::basic(
            "[tasks.texts]\ncall = \"g.echo-string\"\nfor-each.x = [\"a\", \"b\"]\nargs.value = { item = \"x\" }\n\
             [tasks.per]\nmanifest = \"p.toml\"\nfor-each.x = [\"c\", \"d\"]\nargs.text = { item = \"x\" }\n\
             [finally.each]\ncall = \"g.echo-string\"\nfor-each.x = { task = \"texts\" }\nargs.value = { item = \"x\" }\n\
             [finally.again]\ncall = \"g.echo-string\"\nfor-each.x = { task = \"each\" }\nargs.value = { item = \"x\" }\n\
             [finally.said]\ncall = \"g.say\"\nargs.text = { task = \"joined\" }\n\
             [finally.joined]\ncall = \"g.concat\"\nargs.parts = { task = \"again\" }\n\
             [finally.pipe]\nmanifest = \"p.toml\"\nargs.text = { run = \"status\" }\n\
             [finally.piped]\ncall = \"g.say\"\nargs.text = { task = \"pipe\", path = \"out\" }\n\
             [finally.of-pipe]\ncall = \"g.say\"\nargs.text = { task = \"per-json\" }\n\
             [finally.per-json]\ncall = \"std.to-json\"\nargs.value = { task = \"per\" }\n",
        );
        project.include(
            "p.toml",
            "[params.text]\ntype = \"string\"\n[tasks.t]\ncall = \"g.echo-string\"\nargs.value = { param = \"text\" }\n\
             [outputs]\nout = { task = \"t\" }\n",
        );
        run(&project, uri).expect(0);
        let events = project.events();
        assert_eq!(said(&events, "said"), ["ab"]);
        assert_eq!(said(&events, "piped"), ["succeeded"]);
        assert_eq!(said(&events, "of-pipe"), [r#"[{"out":"c"},{"out":"d"}]"#]);
        let at = events.0.iter().position(|event| event["event"] == "run.ending").expect("an ending");
        assert!(events.0[..at].iter().all(|event| event["task"] != "pipe/t" && event["task"] != "each"));
    });
}

#[test]
fn failures_are_listed_in_order_without_secrets_and_within_bounds() {
    everywhere(|uri| {
        let project = Project::basic(&format!(
            "[params.token]\ntype = \"string\"\nsecret = true\ndefault = \"hunter2\"\n\
             [tasks.last]\nmanifest = \"p.toml\"\nfor-each.x = [1, 2, 3]\nargs.x = {{ item = \"x\" }}\n\
             [tasks.secret]\ncall = \"g.panic-with\"\nargs.message = {{ param = \"token\" }}\n{TELL}"
        ));
        project.include(
            "p.toml",
            "[params.x]\ntype = \"u32\"\n[tasks.t]\ncall = \"g.maybe-fail\"\nargs.x = { param = \"x\" }\n",
        );
        project.host().args(["--state", uri, "--keep-going", "--run-id", "few"]).run().expect(1);
        let events = project.events();
        let told: Value = serde_json::from_str(&said(&events, "failures")[0]).expect("JSON");
        let names: Vec<_> = told.as_array().unwrap().iter().map(|failure| failure["task"].clone()).collect();
        assert_eq!(names, ["last[0]/t", "last[2]/t", "secret"]);
        assert_eq!(told[2]["class"], "trap");
        assert!(!told.to_string().contains("hunter2") && told.to_string().contains("***"), "{told}");

        project.write(
            "cascade = 1\nname = \"many\"\n[components.g]\npath = \"{guest:basic}\"\n\
             [tasks.t]\ncall = \"g.maybe-fail\"\nfor-each.x = { range = 2100 }\nargs.x = { item = \"x\" }\n\
             [finally.json]\ncall = \"std.length\"\nargs.items = { run = \"failures\" }\n\
             [finally.text]\ncall = \"std.to-json\"\nargs.value = { task = \"json\" }\n\
             [finally.said]\ncall = \"g.say\"\nargs.text = { task = \"text\" }\n",
        );
        project.host().args(["--state", uri, "--keep-going", "--run-id", "many"]).run().expect(1);
        let events = project.events();
        assert_eq!(said(&events, "said"), ["1000"]);
        let warned = events.of("warning").find(|event| event["code"] == "failures-cut").cloned();
        let warned = warned.expect("a warning");
        assert!(warned["message"].as_str().unwrap().contains("first 1000 of 1050"), "{warned}");
    });
}

#[test]
fn target_plan_and_notification_know_of_finally() {
    let hook = Receiver::start(&[Answer::Status(200)]);
    everywhere(|uri| {
        let project = Project::basic(&format!(
            "[tasks.a]\ncall = \"g.echo-u32\"\nargs.value = 1\n[tasks.b]\ncall = \"g.echo-u32\"\nargs.value = 2\n\
             [finally.sum]\ncall = \"g.sum\"\nargs.xs = [{{ task = \"a\" }}, {{ task = \"b\", default = 5 }}]\n\
             [finally.text]\ncall = \"std.to-json\"\nargs.value = {{ task = \"sum\" }}\n\
             [finally.said]\ncall = \"g.say\"\nargs.text = {{ task = \"text\" }}\n\
             [notify]\nurl = \"{}\"\n",
            hook.url("/")
        ));
        let planned = project.command("plan").run().expect(0).text();
        let finally = planned.split_once("\nfinally\n").expect("a part of its own").1;
        assert!(
            finally.contains("sum") && finally.contains("at the end of the run, however it ends"),
            "{planned}"
        );
        let rows = project.command("plan").args(["--json"]).run().expect(0).json();
        assert_eq!(
            (&rows["tasks"][0]["finally"], &rows["tasks"][4]["finally"]),
            (&Value::Null, &json!(true))
        );
        let target = project.host().args(["--state", uri, "--run-id", "r1", "--target", "a"]).run().expect(0);
        assert_eq!(target.json(), json!({ "a": 1 }));
        assert_eq!(said(&project.events(), "said"), ["6"]);
        let summary = hook.received().pop().expect("a notification").json();
        assert_eq!(summary["tasks"], json!({ "done": 4, "failed": 0, "skipped": 0, "open": 0 }));
        if uri != "memory:" {
            run(&project, uri).expect(0);
            assert_eq!(said(&project.events(), "said"), ["3"], "another task is another ending");
        }
    });
}

#[test]
fn tests_of_a_manifest_run_finally() {
    let test = "[[tests]]\nname = \"one\"\nexpect.t = 1\n";
    let tasks =
        "[tasks.t]\ncall = \"g.echo-u32\"\nargs.value = 1\n[finally.f]\ncall = \"g.maybe-fail\"\nargs.x = ";
    let project = Project::basic(&format!("{tasks}2\n{test}"));
    project.command("test").run().expect(0);
    project.write(&format!(
        "cascade = 1\nname = \"test\"\n[components.g]\npath = \"{{guest:basic}}\"\n{tasks}3\n{test}"
    ));
    let finished = project.command("test").run().expect(1);
    assert!(format!("{}{}", finished.text(), finished.stderr).contains("task `f` failed"), "{finished:?}");
}
