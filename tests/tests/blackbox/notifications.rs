//! `[notify]`: the end of a run is told once, signed, and never decides about the run.
//! The bounds of attempts are tested beside the code, in paused time.

use crate::gates::{self, open};
use cascade_host_tests::{Answer, Project, Received, Receiver, Redis, wait_until};
use serde_json::json;
use std::process::Command;

const OK: Answer = Answer::Status(200);

/// A task that succeeds for an even number, and fails for an odd one.
const MAYBE: &str = "[tasks.t]\ncall = \"g.maybe-fail\"\nargs.x = { param = \"x\" }\n\
    [params.x]\ntype = \"u32\"\n[params.token]\ntype = \"string\"\nsecret = true\ndefault = \"hunter2\"\n\
    [tasks.u]\ncall = \"g.fail-with\"\nargs = { text = { param = \"token\" }, letters = 7 }\nwhen = { param = \"fail\" }\n\
    [params.fail]\ntype = \"bool\"\ndefault = false\n";

fn project(hook: &Receiver, more: &str) -> Project {
    Project::basic(&format!("{MAYBE}[notify]\nurl = \"{}\"\n{more}\n", hook.url("/hook?id=1")))
}

/// Computes the signature by another program.
fn signature(project: &Project, key: &str, body: &[u8]) -> String {
    let path = project.file("body", body);
    let mut command = Command::new("openssl");
    command.args(["dgst", "-sha256", "-hmac", key]).arg(path);
    let output = command.output().expect("install openssl: apt-get install openssl");
    let text = String::from_utf8(output.stdout).expect("openssl prints text");
    text.trim().rsplit(' ').next().unwrap_or_default().to_owned()
}

#[track_caller]
fn only(hook: &Receiver) -> Received {
    let mut received = hook.received();
    assert_eq!(received.len(), 1, "{received:?}");
    received.remove(0)
}

fn warnings(project: &Project) -> Vec<String> {
    let events = project.events();
    let of_it = events.of("warning").filter(|event| event["code"] == "notify");
    of_it.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_end_of_a_run_is_posted_with_a_signature() {
    let hook = Receiver::start(&[OK]);
    let project = project(&hook, "secret = { env = \"KEY\" }");
    let host = project.host().env("KEY", "k3y-of-all").args(["-p", "x=4", "--run-id", "nightly"]);
    let finished = host.run().expect(0);
    assert_eq!(finished.json()["t"], 4);
    assert_eq!(warnings(&project), [""; 0]);
    let received = only(&hook);
    assert!(received.head.starts_with("POST /hook?id=1 HTTP/1.1\r\n"), "{}", received.head);
    assert_eq!(received.header("content-type"), Some("application/json"));
    let expected = signature(&project, "k3y-of-all", &received.body);
    assert_eq!((received.header("x-cascade-signature"), expected.len()), (Some(expected.as_str()), 64));
    let summary = received.json();
    assert_eq!(
        (&summary["v"], &summary["run"], &summary["name"]),
        (&json!(1), &json!("nightly"), &json!("test"))
    );
    assert_eq!(summary["status"], "succeeded");
    assert_eq!(summary["tasks"], json!({ "done": 1, "failed": 0, "skipped": 1, "open": 0 }));
    assert_eq!((&summary["failures"], &summary["more_failures"]), (&json!([]), &json!(false)));
    let events = project.events();
    let finished = events.of("run.finished").next().expect("the run has ended");
    assert_eq!((&summary["host"], &summary["duration_ms"]), (&finished["host"], &finished["duration_ms"]));
    assert!(summary["created"].as_str() <= summary["ended"].as_str(), "{summary}");
}

#[test]
fn failures_are_told_without_secrets() {
    let hook = Receiver::start(&[OK]);
    let project = project(&hook, "on = [\"failed\"]");
    project.host().args(["-p", "x=4"]).run().expect(0);
    assert_eq!(hook.received(), []);
    let failed = project.host().args(["-p", "x=3", "-p", "fail=true", "--keep-going"]).run().expect(1);
    let received = only(&hook);
    assert_eq!(received.header("x-cascade-signature"), None);
    let summary = received.json();
    assert_eq!((&summary["status"], &summary["tasks"]["failed"]), (&json!("failed"), &json!(2)));
    let failures = summary["failures"].as_array().expect("a list of failures");
    assert_eq!(
        failures[0],
        json!({ "task": "t", "class": "error", "error": "the function returned the error \"3 is odd\"", "attempt": 1 })
    );
    assert_eq!((&failures[1]["task"], &failures[1]["class"]), (&json!("u"), &json!("error")));
    let text = String::from_utf8_lossy(&received.body);
    assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
    assert!(!failed.stderr.contains("hunter2"));
}

#[test]
fn a_failed_attempt_is_repeated_with_the_same_body() {
    let hook = Receiver::start(&[Answer::Status(500), Answer::Cut, OK]);
    let project = project(&hook, "");
    project.host().args(["-p", "x=4"]).run().expect(0);
    let received = hook.received();
    assert_eq!(received.len(), 3, "{received:?}");
    assert!(received.iter().all(|one| *one == received[0]), "{received:?}");
    assert_eq!(warnings(&project), [""; 0]);
}

#[test]
fn a_notification_that_is_not_accepted_changes_nothing() {
    let hook = Receiver::start(&[Answer::Status(302)]);
    let project = project(&hook, "");
    project.host().args(["-p", "x=4"]).run().expect(0);
    let origin = hook.url("");
    let expected = format!(
        "the notification to `{origin}` was not delivered: the answer was 302, and redirects are not followed"
    );
    assert_eq!(warnings(&project), [expected.as_str()]);
    let events = project.events();
    let last: Vec<_> = events.0.iter().rev().take(2).map(|event| event["event"].clone()).collect();
    assert_eq!(last, ["warning", "run.finished"], "everything else about the run is recorded first");
    let failed = project.host().args(["-p", "x=3"]).run().expect(1);
    failed.says(["the function returned the error \"3 is odd\"", "the answer was 302"]);
    assert_eq!(hook.received().len(), 2, "no redirect was followed");
}

#[test]
fn an_interrupt_ends_the_attempts_and_not_the_run() {
    let hook = Receiver::start(&[Answer::Silence]);
    let project = project(&hook, "");
    let mut running = project.host().args(["-p", "x=4", "--output-dir", "out"]).start();
    wait_until("the host tells nobody", || hook.received().len() == 1);
    // The receiver holds up neither the outputs nor the record of the end.
    running.until("waiting up to 30s for");
    assert_eq!(project.events().of("run.finished").count(), 1);
    wait_until("the outputs are written", || project.folder().join("out/t.json").exists());
    running.signal("INT");
    let finished = running.wait().expect(0);
    assert_eq!(finished.json()["t"], 4);
    assert!(warnings(&project)[0].ends_with("was not delivered: this host was interrupted"));
}

#[test]
fn one_of_several_hosts_tells_the_end_of_the_run() {
    let (server, hook) = (Redis::start(""), Receiver::start(&[OK]));
    let project = gates::elements("ab");
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("a manifest");
    project.write(&format!("{text}\n[notify]\nurl = \"{}\"\n", hook.url("/")));
    let host = |events: &str| {
        project.other_host(events).args([
            "--state",
            &server.uri(),
            "--run-id",
            "r",
            "-j",
            "1",
            "--log-level",
            "debug",
        ])
    };
    let mut one = host("one.jsonl").start();
    one.until("started    texts[0]");
    let mut two = host("two.jsonl").start();
    two.until("started    texts[1]");
    // An interrupted host has not ended the run.
    two.signal("INT");
    open(&project, "b");
    two.wait().expect(130);
    assert_eq!(hook.received(), []);
    let mut two = host("two.jsonl").start();
    two.until("2 tasks");
    open(&project, "a");
    one.wait().expect(0);
    two.wait().expect(0);
    let summary = only(&hook).json();
    assert_eq!((&summary["status"], &summary["run"]), (&json!("succeeded"), &json!("r")));
    assert_eq!((&summary["tasks"]["done"], &summary["tasks"]["open"]), (&json!(2), &json!(0)));
    // Nothing is left to do, so nothing ends.
    host("one.jsonl").run().expect(0);
    assert_eq!(hook.received().len(), 1);
}

#[test]
fn a_cancelled_run_is_told_by_its_host() {
    let (server, hook) = (Redis::start(""), Receiver::start(&[OK]));
    let project = gates::elements("ab");
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("a manifest");
    project.write(&format!("{text}\n[notify]\nurl = \"{}\"\non = [\"cancelled\"]\n", hook.url("/")));
    let uri = server.uri();
    let host = || project.host().args(["--state", &uri, "--run-id", "r", "--log-level", "debug"]);
    let mut running = host().start();
    running.until("started    texts[0]");
    cascade_host_tests::Host::new(["cancel", "r", "--state", &uri]).run().expect(0);
    running.wait().expect(130);
    assert_eq!(only(&hook).json()["status"], "cancelled");
    open(&project, "ab");
    host().run().expect(0);
    assert_eq!(hook.received().len(), 1, "this ending is not told");
}

#[test]
fn url_and_key_of_variables_are_shown_nowhere() {
    let hook = Receiver::start(&[Answer::Status(404)]);
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.say\"\nargs.text = { param = \"text\" }\n[params.text]\ntype = \"string\"\n\
         [notify]\nurl = { env = \"HOOK\" }\nsecret = { env = \"KEY\" }\n",
    );
    let url = hook.url("/services/hunter2");
    let text = format!("text=k3y-of-all {url}");
    let host = || project.host().args(["-p", &text]);
    host()
        .env("HOOK", &url)
        .run()
        .expect(2)
        .says(["takes the secret of `[notify]` from `KEY`, which is not set"]);
    let host = host().env("HOOK", &url).env("KEY", "k3y-of-all").args(["--log-level", "trace", "-o", "json"]);
    let finished = host.run().expect(0);
    finished.says(["the notification to the URL in `HOOK` was not delivered: the answer was 404", "*** ***"]);
    let events = std::fs::read_to_string(project.folder().join("events.jsonl")).expect("events");
    for secret in ["hunter2", "k3y-of-all"] {
        assert!(!events.contains(secret), "{events}");
    }
    assert_eq!(hook.received().len(), 1, "a 404 is not tried again");
}

#[test]
fn faults_of_a_notification_are_found_before_the_run() {
    let task = "[tasks.t]\ncall = \"std.lines\"\nargs.text = \"a\"\n";
    let project =
        Project::new(&format!("{task}[notify]\nurl = \"http://hooks.example.com/hunter2\"\non = []\n"));
    for command in ["check", "plan", "run"] {
        let refused = project.command(command).run().expect(2);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
        refused.says(["`http` is for this machine only", "write `https://`", "has no ending"]);
    }
    project.write_to(
        "inner.toml",
        &format!("cascade = 1\nname = \"i\"\n{task}[notify]\nurl = \"https://h/\"\n"),
    );
    let outer = Project::new("[tasks.i]\nmanifest = \"inner.toml\"\n");
    outer.file("inner.toml", &std::fs::read(project.folder().join("inner.toml")).expect("written above"));
    outer.command("check").run().expect(2).says([
        "an included manifest cannot have `[notify]`",
        "write it in the outermost manifest",
        "inner.toml:6:2",
    ]);
}

#[test]
fn a_success_that_has_nothing_new_is_told_once() {
    let (server, hook) = (Redis::start(""), Receiver::start(&[OK]));
    let project = Project::basic(&format!(
        "[tasks.p]\nmanifest = \"inner.toml\"\nfor-each.x = [1, 2]\nargs.x = {{ item = \"x\" }}\n\
         [tasks.skipped]\ncall = \"g.double\"\nargs.x = 1\nwhen = false\n[notify]\nurl = \"{}\"\n",
        hook.url("/")
    ));
    let inner = Project::basic(
        "[params.x]\ntype = \"u32\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = { param = \"x\" }\n",
    );
    project.file("inner.toml", &std::fs::read(inner.folder().join("manifest.toml")).expect("a manifest"));
    let run = || project.host().args(["--state", &server.uri(), "--run-id", "r"]).run().expect(0);
    run().says(["finished   p/t"]);
    run().says(["stored     p/t"]);
    assert_eq!(hook.received().len(), 1);
    let plan = project.command("plan").run().expect(0);
    assert!(plan.text().contains("not signed, when the run has ended as: "), "{}", plan.text());
}

#[test]
fn tests_of_a_manifest_tell_nobody() {
    let hook = Receiver::start(&[OK]);
    let project = project(&hook, "[[tests]]\nname = \"it\"\nparams.x = 4\nexpect = {}\n");
    project.command("test").run().expect(0);
    assert_eq!(hook.received(), []);
}
