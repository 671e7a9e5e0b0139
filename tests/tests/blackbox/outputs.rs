//! Outputs decide whether a run succeeded: an output that cannot be computed fails it, for every observer.
//! The printed formats are tested in `printing`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Events, Finished, Host, Project, Redis};
use serde_json::json;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Two tasks, one with an empty list as its result, and an output that reads the list's first element.
const MISSES: &str = "[tasks.none]\ncall = \"g.numbers\"\nargs.n = 0\n\
                      [tasks.one]\ncall = \"g.double\"\nargs.x = 21\n\
                      [outputs]\none = { task = \"one\" }\nfirst = { task = \"none\", path = \"[0]\" }\n";

/// Runs a command on a stored run.
fn run_command(server: &Redis, words: &[&str]) -> Finished {
    let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
    host.args(["--state", &server.uri()]).run()
}

/// Asserts that an output of this name failed the run, and that every report says so.
#[track_caller]
fn failed_by(finished: Finished, events: &Events, output: &str) -> Finished {
    let finished = finished.expect(1).says([&format!("failed     output `{output}`")]);
    assert!(finished.stdout.is_empty(), "{}", finished.text());
    assert!(!finished.stderr.contains("succeeded"), "{}", finished.stderr);
    let failed_outputs: Vec<_> = events.of("output.failed").map(|event| event["output"].clone()).collect();
    assert_eq!(failed_outputs, [output]);
    let ends: Vec<_> = events.of("run.finished").map(|event| event["status"].clone()).collect();
    assert_eq!(ends, ["failed"]);
    finished
}

#[test]
fn missing_output_fails_the_run_for_every_observer() {
    let server = Redis::start("");
    let project = Project::basic(MISSES);
    let uri = server.uri();
    let run = || project.host().args(["--state", &uri, "--run-id", "r1"]).run();
    let finished = failed_by(run(), &project.events(), "first");
    finished.says(["input: the output of task `none` has nothing at `[0]`", "To resume"]);
    assert_eq!(
        project.events().of("output.failed").next().map(|event| &event["class"]),
        Some(&json!("input"))
    );
    let look = || {
        let shown = run_command(&server, &["show", "r1", "--json"]).expect(0).json();
        assert_eq!(
            (&shown["status"], &shown["done"], &shown["failed"]),
            (&json!("failed"), &json!(2), &json!(0))
        );
        assert_eq!(shown["tasks"].as_array().map(Vec::len), Some(2));
        assert_eq!(shown["outputs_failure"]["class"], "input");
        let message = shown["outputs_failure"]["message"].to_string();
        assert!(message.contains("output `first`"), "{message}");
        let text = run_command(&server, &["show", "r1"]).expect(0).text();
        assert!(text.contains("outputs  failed"), "{text}");
        let runs = run_command(&server, &["runs", "--json"]).expect(0).json();
        assert_eq!(runs["runs"][0]["status"], "failed");
        let watched = run_command(&server, &["watch", "r1"]).expect(1).text();
        assert!(watched.contains("failed     output `first`") && !watched.contains("succeeded"), "{watched}");
    };
    look();

    // A resumed run computes nothing, and ends in the same way.
    failed_by(run(), &project.events(), "first");
    assert_eq!(project.events().tasks("task.stored"), ["none", "one"]);
    look();

    // Outputs may change between resumptions.
    let mended = Project::basic(&MISSES.replace("\"[0]\" }", "\"[0]\", default = 7 }"));
    let finished = mended.host().args(["--state", &uri, "--run-id", "r1"]).run().expect(0);
    assert_eq!(finished.json(), json!({ "one": 42, "first": 7 }));
    assert!(mended.events().tasks("task.started").is_empty());
    let shown = run_command(&server, &["show", "r1", "--json"]).expect(0).json();
    assert_eq!((&shown["status"], &shown["outputs_failure"]), (&json!("succeeded"), &json!(null)));
    run_command(&server, &["watch", "r1"]).expect(0);
}

#[test]
fn every_output_fault_fails_the_run() {
    let tasks = "[tasks.none]\ncall = \"g.numbers\"\nargs.n = 0\n\
                 [tasks.unset]\ncall = \"g.env\"\nargs.name = \"NOBODY\"\n\
                 [tasks.bad]\ncall = \"g.maybe-fail\"\nargs.x = 3\non-error = \"value\"\n\
                 [tasks.word]\ncall = \"g.choose\"\nargs.n = 1\n\
                 [outputs]\n";
    for output in [
        "o = { task = \"none\", path = \"[3]\" }",
        "o = { task = \"unset\", path = \"some\" }",
        "o = { task = \"bad\", path = \"ok\" }",
        "o = { select = { task = \"word\" }, cases = { never = { task = \"none\" } } }",
        "o = { select = { value = \"a\" }, cases = { a = { task = \"none\", path = \"[0]\" } } }",
        "o = [1, { task = \"none\", path = \"[0]\" }]",
        "o = { a = { b = { task = \"unset\", path = \"some\" } } }",
    ] {
        let project = Project::basic(&format!("{tasks}{output}\n"));
        failed_by(project.run(), &project.events(), "o").says(["input: "]);
    }
}

#[test]
fn default_replaces_a_missing_output() {
    let project = Project::basic(
        "[tasks.none]\ncall = \"g.numbers\"\nargs.n = 0\n\
         [tasks.unset]\ncall = \"g.env\"\nargs.name = \"NOBODY\"\n\
         [outputs]\nfirst = { task = \"none\", path = \"[0]\", default = 9 }\n\
         text = { task = \"unset\", path = \"some\", default = \"none\" }\n",
    );
    assert_eq!(project.run().expect(0).json(), json!({ "first": 9, "text": "none" }));
    assert!(project.events().of("output.failed").next().is_none());
}

#[test]
fn missing_outputs_are_named_and_others_printed_only_with_keep_going() {
    let project = Project::basic(&format!("{MISSES}second = {{ task = \"none\", path = \"[1]\" }}\n"));
    for (arguments, stdout) in
        [(&[][..], ""), (&["--output", "one"], ""), (&["--keep-going"], "{\"one\":42}\n")]
    {
        let host = arguments.iter().fold(project.host(), |host, argument| host.args([*argument]));
        let finished = host.run().expect(1).says(["failed     output `first`", "failed     output `second`"]);
        assert_eq!(finished.text(), stdout);
    }
}

#[test]
fn all_hosts_of_a_run_with_a_missing_output_exit_alike() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        "[tasks.wait]\ncall = \"g.await-file\"\nargs.path = \"a\"\n{GRANTS}[tasks.none]\ncall = \"g.numbers\"\nargs.n = 0\n\
         [outputs]\nfirst = {{ task = \"none\", path = \"[0]\" }}\n",
    ));
    let arguments = ["--state", &server.uri(), "--run-id", "r1", "--log-level", "debug"];
    let mut one = project.host().args(arguments).start();
    one.until("started    wait");
    let mut other = project.other_host("other.jsonl").args(arguments).start();
    other.until("run  ");
    open(&project, "a");
    for (running, events) in [(one, "events.jsonl"), (other, "other.jsonl")] {
        let finished = running.wait().expect(1);
        assert!(finished.stdout.is_empty() && !finished.stderr.contains("succeeded"), "{}", finished.stderr);
        let ends = project.events_in(events);
        assert_eq!(
            ends.of("run.finished").map(|event| event["status"].clone()).collect::<Vec<_>>(),
            ["failed"]
        );
    }
    run_command(&server, &["watch", "r1"]).expect(1);
}

/// Replaces the stored result of `text`.
fn damage_result(server: &Redis, bytes: &[u8]) {
    let port = server.port().to_string();
    let words = ["-p", &port, "-x", "HSET", "cascade:run:r1:results", "text"];
    let mut client =
        Command::new("redis-cli").args(words).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
    let client = client.as_mut().expect("redis-cli can be started");
    client.stdin.take().expect("stdin is piped").write_all(bytes).expect("redis-cli reads");
    assert!(client.wait().expect("a child can be waited for").success());
}

#[test]
fn damaged_stored_result_is_not_an_output() {
    let server = Redis::start("");
    let project = Project::basic("[tasks.text]\ncall = \"g.echo-string\"\nargs.value = \"hello\"\n");
    let run =
        |argument: &str| project.host().args(["--state", &server.uri(), "--run-id", "r1", argument]).run();
    run("--log-level=info").expect(0);
    for (damage, reason) in
        [(&b"\xa5ab"[..], "ends"), (b"\xa2\xff\xfe", "UTF-8"), (b"\xa1aa", "follow"), (b"\xc1", "")]
    {
        damage_result(&server, damage);
        failed_by(run("--log-level=info"), &project.events(), "text").says(["input: ", "malformed"]);
        for words in [
            &["output", "r1"][..],
            &["output", "r1", "text"],
            &["output", "r1", "text", "-o", "raw"],
            &["output", "r1", "text", "-o", "msgpack"],
            &["output", "r1", "-o", "msgpack"],
        ] {
            let finished = run_command(&server, words).expect(3);
            let finished = finished.says(["the stored result of `text` in run `r1`", reason, "--fresh"]);
            assert!(finished.stdout.is_empty(), "{words:?}");
        }
    }
    assert_eq!(run("--fresh").expect(0).json(), json!({ "text": "hello" }));
}

#[test]
fn unwritable_events_fail_the_command() {
    let project = Project::basic("[tasks.one]\ncall = \"g.double\"\nargs.x = 21\n");
    let finished = project.other_host("/dev/full").run().expect(3);
    assert_eq!(finished.json(), json!({ "one": 42 }), "the run itself has succeeded");
    finished.says(["cannot write all events to `/dev/full`", "No space left"]);
}

#[test]
fn damaged_stored_plan_is_a_backend_error() {
    let server = Redis::start("");
    let project = Project::basic("[tasks.text]\ncall = \"g.echo-string\"\nargs.value = \"hello\"\n");
    project.host().args(["--state", &server.uri(), "--run-id", "r1"]).run().expect(0);
    server.command(&["HSET", "cascade:run:r1:meta", "record", "nonsense"]);
    for words in
        [&["show", "r1"][..], &["output", "r1"], &["logs", "r1", "nobody"], &["output", "r1", "nobody"]]
    {
        run_command(&server, words).expect(3).says(["the plan of run `r1`, which is damaged"]);
    }
    assert_eq!(run_command(&server, &["output", "r1", "text"]).expect(0).json(), json!("hello"));
}
