//! What an ending tells and leaves: exit codes, causes and warnings; runs that a watch supersedes; what stays in Redis.
//! When tasks of `[finally]` run is tested in `finally`.

use crate::gates::{self, open};
use cascade_host_tests::{Host, Project, Redis, Running};
use serde_json::json;

/// Runs a check with the state in memory, and then in Redis.
fn everywhere(check: impl Fn(&str)) {
    let server = Redis::start("");
    for uri in ["memory:", &server.uri()] {
        check(uri);
    }
}

/// A task that waits at the gate `a`, a task after it, and a task of `[finally]` that tells the ending.
fn held(more: &str) -> Project {
    gates::project(&format!(
        "[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"a\"\n{}\
         [tasks.u]\ncall = \"g.concat\"\nargs.parts = [{{ task = \"t\" }}, {{ file = \"text.txt\" }}]\n\
         [finally.tell]\ncall = \"g.say\"\nargs.text = {{ run = \"status\" }}\ngrants = {{ clock = true }}\n{more}",
        gates::GRANTS
    ))
}

fn watch(project: &Project, uri: &str) -> Running {
    let mut running = project.host().args(["--watch", "--state", uri, "--log-level", "debug"]).start();
    running.until("started    t");
    running
}

#[test]
fn superseded_and_interrupted_runs_of_a_watch_have_their_finally_tasks() {
    everywhere(|uri| {
        let project = held("");
        project.file("text.txt", b"one");
        let mut running = watch(&project, uri);
        project.file("text.txt", b"two");
        let log = running.until("text.txt changed: running again");
        assert!(log.contains("ending     cancelled;") && log.contains("tell | cancelled"), "{log}");
        let at = |text: &str| log.find(text).unwrap_or_else(|| panic!("{text} is not in {log}"));
        assert!(at("cancelled  ") > at("tell | cancelled"), "the run ends after its `[finally]`: {log}");
        running.until("started    t");
        running.signal("INT");
        running.until("stopping after the running tasks");
        open(&project, "a");
        let finished = running.wait().expect(130);
        let log = &finished.stderr;
        assert!(log.contains("ending     cancelled;") && log.contains("tell | cancelled"), "{log}");
        assert!(!log.contains("of `[finally]`; "), "{log}");
        assert_eq!(finished.text(), "");
    });
}

#[test]
fn change_does_not_stop_an_ending_and_a_second_interrupt_does() {
    let more = format!("[finally.held]\ncall = \"g.await-file\"\nargs.path = \"b\"\n{}", gates::GRANTS);
    everywhere(|uri| {
        let project = held(&more);
        project.file("text.txt", b"one");
        let mut running = watch(&project, uri);
        open(&project, "a");
        running.until("started    held");
        project.file("text.txt", b"two");
        // The change is seen within a tenth of a second; the gate opens later in any case.
        std::thread::sleep(std::time::Duration::from_millis(600));
        open(&project, "b");
        let log = running.until("text.txt changed: running again");
        assert!(log.contains("finished   held") && log.contains("succeeded  "), "{log}");
        std::fs::remove_file(project.folder().join("gates/b")).expect("the gate is there");
        running.until("started    held");
        running.signal("INT");
        running.until("stopping after the running tasks");
        running.signal("INT");
        running.wait().expect(130).says(["task `held` of `[finally]` was cancelled"]);
    });
}

#[test]
fn cancelled_run_whose_finally_task_has_failed_is_cancelled() {
    let server = Redis::start("");
    let project = held("[finally.bad]\ncall = \"g.maybe-fail\"\nargs.x = 3\n");
    project.file("text.txt", b"one");
    let host = project.host().args(["--state", &server.uri(), "--run-id", "r1", "--log-level", "debug"]);
    let mut running = host.start();
    running.until("started    t");
    Host::new(["cancel", "r1", "--state", &server.uri()]).run().expect(0);
    let finished = running.wait().expect(130);
    let log = &finished.stderr;
    assert!(log.contains("task `bad` of `[finally]` has failed; the run has ended as `cancelled`"), "{log}");
    assert!(log.contains("1 done, 0 cached, 0 skipped, 1 failed, 2 not ended here"), "{log}");
    Host::new(["watch", "r1", "--state", &server.uri()]).run().expect(130);
}

#[test]
fn finally_task_that_reads_what_has_not_run_tells_the_cause() {
    everywhere(|uri| {
        let project = Project::basic(
            "[tasks.bad]\ncall = \"g.maybe-fail\"\nargs.x = 3\n\
             [tasks.never]\ncall = \"g.echo-u32\"\nargs.value = 1\nafter = [\"bad\"]\n\
             [tasks.later]\ncall = \"g.echo-u32\"\nargs.value = 1\npriority = -1\n\
             [finally.direct]\ncall = \"g.echo-u32\"\nargs.value = { task = \"later\" }\n\
             [finally.chain]\ncall = \"g.echo-u32\"\nargs.value = { task = \"direct\" }\n\
             [finally.failed]\ncall = \"g.echo-u32\"\nargs.value = { task = \"never\" }\n",
        );
        let finished = project.host().args(["--state", uri, "--run-id", "r1", "-j", "1"]).run().expect(1);
        let log = finished.stderr;
        assert!(log.contains("skipped    direct  UpstreamSkipped: `later` has not run"), "{log}");
        let events = project.events();
        let cause = |task: &str| {
            let skipped =
                events.of("task.skipped").find(|event| event["task"] == task).expect("it is skipped");
            (skipped["reason"].clone(), skipped["cause"].clone())
        };
        assert_eq!(cause("direct"), (json!("UpstreamSkipped"), json!("later")));
        assert_eq!(cause("chain"), (json!("UpstreamSkipped"), json!("later")));
        assert_eq!(cause("failed"), (json!("UpstreamFailed"), json!("bad")));
        if uri != "memory:" {
            let show = |more: &str| Host::new(["show", "r1", "--state", uri, more]).run().expect(0);
            let shown = show("--json").json();
            let task = |name: &str| {
                let mut tasks = shown["tasks"].as_array().into_iter().flatten();
                tasks.find(|task| task["name"] == name).expect("a task")["cause"].clone()
            };
            assert_eq!(
                (task("direct"), task("chain"), task("failed")),
                (json!("later"), json!("later"), json!("bad"))
            );
            let text = show("--log-level=info").text();
            assert!(text.contains("UpstreamSkipped, because of `later`\n"), "{text}");
        }
    });
}

#[test]
fn ending_forgets_where_tasks_with_deadlines_were_queued() {
    let server = Redis::start("");
    let mut timed = String::new();
    for task in 0..40 {
        let call = "call = \"g.double\"\nargs.x = 1\ndeadline = \"1h\"\npriority = -9\n";
        timed.push_str(&format!("[tasks.t{task}]\n{call}"));
    }
    let project = Project::basic(&format!(
        "[tasks.bad]\ncall = \"g.trap\"\n{timed}[finally.f]\ncall = \"g.double\"\nargs.x = 1\ndeadline = \"1h\"\n"
    ));
    project.host().args(["--state", &server.uri(), "--run-id", "r1", "-j", "1"]).run().expect(1);
    let fields = server.command(&["HKEYS", "cascade:run:r1:coord"]);
    assert!(fields.contains("q:0"), "the deadlines are stored: {fields}");
    assert!(!fields.contains("z:"), "places are left: {fields}");
}

#[test]
fn outputs_made_of_secrets_are_told_once() {
    everywhere(|uri| {
        let project = Project::basic(
            "[params.token]\ntype = \"string\"\nsecret = true\n[params.user]\ntype = \"string\"\ndefault = \"u\"\n\
             [tasks.t]\ncall = \"g.concat\"\nargs.parts = [{ param = \"token\" }]\n\
             [outputs]\nlogin = { user = { param = \"user\" }, password = { param = \"token\" } }\nt = { task = \"t\" }\n\
             user = { param = \"user\" }\n",
        );
        let finished = project.host().args(["--state", uri, "-p", "token=hunter2"]).run().expect(0);
        assert_eq!(finished.json()["login"]["password"], "hunter2");
        let warnings: Vec<_> = project
            .events()
            .of("warning")
            .filter(|event| event["code"] == "secret-output")
            .map(|event| event["message"].as_str().unwrap_or_default().to_owned())
            .collect();
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(
            warning.contains("output `login` is made of param `token`") && !warning.contains("`t`"),
            "{warning}"
        );
        assert!(!warning.contains("hunter2"), "{warning}");
    });
}
