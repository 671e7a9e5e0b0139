//! `why`: what made a task run, what has changed, followed back to the first cause; its attempts and its waits.
//! How notes are kept is tested in the conformance suite of backends.

use crate::guests::Guest;
use crate::{component, named};
use cascade_host_tests::{Host, Project, Redis};
use serde_json::{Value, json};

/// A chain of three tasks behind a param, with elements in the middle.
const CHAIN: &str = r#"
[params.xs]
type = "list<u32>"
[params.more]
type = "u32"
default = 1
[tasks.a]
call = "g.double"
for-each.x = { param = "xs" }
args.x = { item = "x" }
[tasks.sum]
call = "g.sum"
args.xs = { task = "a" }
[tasks.top]
call = "g.add"
args.a = { task = "sum" }
args.b = { param = "more" }
"#;

fn run(project: &Project, server: &Redis, run: &str, arguments: &[&str]) -> Host {
    let host = project.host().args(["--state", &server.uri(), "--run-id", run]);
    arguments.iter().fold(host, |host, argument| host.args([*argument]))
}

fn why(server: &Redis, run: &str, task: &str) -> Value {
    let host = Host::new(["why", run, task, "--json", "--state", &server.uri()]);
    host.run().expect(0).json()
}

fn keys(changes: &Value) -> Vec<&str> {
    changes.as_array().into_iter().flatten().filter_map(|change| change["key"].as_str()).collect()
}

#[test]
fn change_is_followed_back_to_its_first_cause_in_the_run_before() {
    let server = Redis::start("");
    let project = Project::basic(CHAIN);
    run(&project, &server, "r1", &["-p", "xs=[1, 2]"]).run().expect(0);
    let first = why(&server, "r1", "top");
    assert_eq!((&first["reason"], &first["compared_with"]), (&json!("no-result"), &Value::Null));
    run(&project, &server, "r2", &["-p", "xs=[1, 3]"]).run().expect(0);
    let top = why(&server, "r2", "top");
    assert_eq!((&top["state"], &top["compared_with"]["run"]), (&json!("done"), &json!("r1")));
    // Only the argument that comes from the list has changed.
    assert_eq!(keys(&top["changes"]), ["args.a"]);
    let sum = &top["changes"][0]["sources"][0];
    assert_eq!((&sum["task"], &sum["outcome"]), (&json!("sum"), &json!("changed")));
    let list = &sum["changes"][0]["sources"][0];
    assert_eq!((&list["task"], keys(&list["changes"])), (&json!("a"), vec!["for-each.x"]));
    // Of the elements, the second one alone has another argument.
    let changes = |task: &str| why(&server, "r2", task)["changes"].as_array().unwrap().len();
    assert!(changes("a[1]") > 0);
    // Another param: it is named.
    run(&project, &server, "r3", &["-p", "xs=[1, 3]", "-p", "more=2"]).run().expect(0);
    let top = why(&server, "r3", "top");
    assert_eq!(top["changes"], json!([{ "key": "args.b", "inputs": ["param `more`"], "decides": true }]));
    let text = Host::new(["why", "r3", "top", "--state", &server.uri()]).run().expect(0);
    let text = text.text();
    assert!(
        text.contains("  args.b                another value of param `more`, or another expression\n"),
        "{text}"
    );
    assert!(text.contains("changed since run r2 ("), "{text}");
    assert_eq!(keys(&why(&server, "r3", "sum")["changes"]), [""; 0]);
}

#[test]
fn update_and_rerun_are_told_with_what_was_kept() {
    let server = Redis::start("");
    let project = Project::basic(CHAIN);
    run(&project, &server, "r1", &["-p", "xs=[1, 2]"]).run().expect(0);
    run(&project, &server, "r1", &["-p", "xs=[1, 2]", "-p", "more=5", "--update"]).run().expect(0);
    let top = why(&server, "r1", "top");
    assert_eq!((&top["reason"], &top["compared_with"]["epoch"]), (&json!("changed"), &json!(1)));
    assert_eq!(keys(&top["changes"]), ["args.b"]);
    let sum = why(&server, "r1", "sum");
    assert_eq!((&sum["reason"], &sum["kept_since_epoch"]), (&json!("no-result"), &json!(1)));
    run(&project, &server, "r1", &["-p", "xs=[1, 2]", "-p", "more=5", "--rerun", "a[1]"]).run().expect(0);
    let of_rerun = |task: &str| {
        let why = why(&server, "r1", task);
        (why["reason"].clone(), why["changes"].clone())
    };
    assert_eq!(of_rerun("a[1]"), (json!("rerun"), json!([])));
    assert_eq!(of_rerun("top"), (json!("rerun"), json!([])));
    let kept = why(&server, "r1", "a[0]");
    assert_eq!((&kept["reason"], &kept["kept_since_epoch"]), (&json!("no-result"), &json!(1)));
    let elements = Host::new(["why", "r1", "a", "--state", &server.uri()]).run().expect(0).text();
    assert!(elements.contains("ask about one, such as `a[0]`"), "{elements}");
}

#[test]
fn cached_result_names_the_run_that_stored_it() {
    let server = Redis::start("");
    let project = Project::basic(CHAIN);
    let cached = ["-p", "xs=[1, 2]", "--cache", &server.uri()];
    run(&project, &server, "r1", &cached).run().expect(0);
    run(&project, &server, "r2", &cached).run().expect(0);
    let sum = why(&server, "r2", "sum");
    assert_eq!((&sum["reason"], &sum["state"]), (&json!("cached"), &json!("cached")));
    let text = "It did not run: the cache had the result of run r1 for the same call.";
    assert_eq!((&sum["text"], &sum["attempts"]), (&json!(text), &json!([])));
}

#[test]
fn attempts_have_host_class_delay_and_message() {
    let server = Redis::start("");
    let grants = "grants.context = true\n";
    let tasks = "[tasks.t]\ncall = \"h.flaky\"\nargs.until = 3\nretry = { attempts = 5, delay = \"1ms\", jitter = false }\n\
                 [tasks.after]\ncall = \"g.double\"\nargs.x = { task = \"t\" }\n";
    let project = Project::new(&format!(
        "{}{grants}{}\n{tasks}",
        named("h", Guest::HostCalls),
        component(Guest::Basic)
    ));
    run(&project, &server, "r1", &[]).run().expect(0);
    let told = why(&server, "r1", "t");
    let attempts = told["attempts"].as_array().unwrap();
    let outcome = |attempt: &Value| {
        (attempt["attempt"].clone(), attempt["outcome"].clone(), attempt["delay_ms"].clone())
    };
    assert_eq!(
        attempts.iter().map(outcome).collect::<Vec<_>>(),
        [
            (json!(1), json!("failed"), json!(1)),
            (json!(2), json!("failed"), json!(2)),
            (json!(3), json!("done"), Value::Null)
        ]
    );
    assert!(attempts.iter().all(|attempt| attempt["host"].is_string() && attempt["ms"].is_number()));
    assert_eq!(attempts[0]["class"], "error");
    // `context` makes it impure, and no cache would have helped.
    assert!(told["text"].as_str().unwrap().contains("the grant `context` makes it impure"), "{told}");
    let input = &why(&server, "r1", "after")["waits"][0];
    assert_eq!((&input["for"], &input["name"]), (&json!("input"), &json!("t")));
}

#[test]
fn failures_skips_and_unknown_tasks_are_told() {
    let server = Redis::start("");
    let tasks = "[tasks.bad]\ncall = \"g.fails\"\nargs.kind = \"gone\"\n\
                 [tasks.after]\ncall = \"g.double\"\nargs.x = 1\nafter = [\"bad\"]\n";
    let project = Project::basic(tasks);
    run(&project, &server, "r1", &[]).run().expect(1);
    let bad = why(&server, "r1", "bad");
    assert_eq!((&bad["state"], &bad["attempts"][0]["outcome"]), (&json!("failed"), &json!("failed")));
    let after = why(&server, "r1", "after");
    assert_eq!((&after["reason"], &after["state"]), (&json!("skipped"), &json!("skipped")));
    assert!(after["text"].as_str().unwrap().contains("because of `bad`"), "{after}");
    let ask = |run: &str, task: &str, code: i32| {
        let asked = Host::new(["why", run, task, "--state", &server.uri()]).run();
        asked.expect(code).stderr
    };
    assert!(ask("r1", "other", 4).contains("its tasks are bad, after"));
    assert!(ask("nobody", "bad", 4).contains("nobody"));
}

#[test]
fn arguments_with_secrets_have_no_digests() {
    let server = Redis::start("");
    let tasks = "[params.key]\ntype = \"u32\"\nsecret = true\n\
                 [tasks.t]\ncall = \"g.double\"\nargs.x = { param = \"key\" }\n";
    let project = Project::basic(tasks);
    run(&project, &server, "r1", &["-p", "key=7"]).run().expect(0);
    run(&project, &server, "r2", &["-p", "key=8"]).run().expect(0);
    let page = |run: &str| server.command(&["HGET", &format!("cascade:run:{run}:notes"), "t"]);
    // The digest of 7 or 8 as an argument would be found at once.
    let zeros = "\\x00".repeat(8);
    assert!(page("r1").contains(&zeros) || page("r1").contains(&"\0".repeat(8)), "{:?}", page("r1"));
}

/// Elements share fields, so that a million of them take less than half of what each took alone.
#[test]
fn notes_of_elements_are_packed() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.double\"\nfor-each.x = { range = [0, 4000] }\nargs.x = { item = \"x\" }\n",
    );
    run(&project, &server, "r1", &[]).run().expect(0);
    let bytes: u64 =
        server.command(&["MEMORY", "USAGE", "cascade:run:r1:notes", "SAMPLES", "0"]).parse().unwrap();
    assert!(bytes / 4000 < 100, "{} bytes a note", bytes / 4000);
    assert_eq!(why(&server, "r1", "t[3999]")["attempts"].as_array().unwrap().len(), 1);
}

#[test]
fn elements_of_pipelines_are_compared_one_by_one() {
    let server = Redis::start("");
    let project = Project::basic(
        "[params.xs]\ntype = \"list<u32>\"\n[tasks.p]\nmanifest = \"inner.toml\"\nfor-each.x = { param = \"xs\" }\n\
         args.x = { item = \"x\" }\n",
    );
    project.include(
        "inner.toml",
        "[params.x]\ntype = \"u32\"\n[tasks.d]\ncall = \"g.double\"\nargs.x = { param = \"x\" }\n\
         [tasks.e]\ncall = \"g.double\"\nargs.x = { task = \"d\" }\n[outputs]\no = { task = \"e\" }\n",
    );
    run(&project, &server, "r1", &["-p", "xs=[1, 2, 3]"]).run().expect(0);
    run(&project, &server, "r2", &["-p", "xs=[1, 5, 3]"]).run().expect(0);
    let changed = why(&server, "r2", "p[1]/e");
    let source = &changed["changes"][0]["sources"][0];
    assert_eq!((keys(&changed["changes"]), &source["task"]), (vec!["args.x"], &json!("p[1]/d")));
    assert_eq!(source["changes"], json!([{ "key": "args.x", "inputs": ["param `xs`"], "decides": true }]));
    assert_eq!(why(&server, "r2", "p[2]/e")["changes"], json!([]));
    assert!(why(&server, "r2", "p/e")["text"].as_str().unwrap().contains("`p[0]/e`"));
    let pipeline = Host::new(["why", "r2", "p", "--state", &server.uri()]).run();
    pipeline.expect(2).says(["`p` is a pipeline", "`p/d`"]);
}

#[test]
fn what_a_task_waits_for_is_told_while_the_run_goes_on() {
    let server = Redis::start("");
    let project = Project::basic(
        "[resources]\ngpu = { amount = 1, scope = \"backend\" }\n[tasks.first]\ncall = \"g.slow-echo\"\n\
         args = { text = \"x\", ms = 60000 }\nresources = { gpu = 1 }\n[tasks.second]\ncall = \"g.double\"\nargs.x = 1\n\
         resources = { gpu = 1 }\npriority = -1\n[tasks.third]\ncall = \"g.double\"\nargs.x = { task = \"second\" }\n",
    );
    let host = run(&project, &server, "r1", &[]).start();
    let reason = |task: &str| {
        let asked = Host::new(["why", "r1", task, "--json", "--state", &server.uri()]).run();
        asked.json()["reason"].as_str().map(str::to_owned)
    };
    cascade_host_tests::wait_until("the second task is in line", || {
        server.command(&["EXISTS", "cascade:run:r1:meta"]) == "1"
            && reason("second").as_deref() == Some("held")
    });
    let held = why(&server, "r1", "second");
    assert!(held["text"].as_str().unwrap().contains("resource `gpu`"), "{held}");
    let third = why(&server, "r1", "third");
    assert_eq!((&third["reason"], &third["state"]), (&json!("waits"), &json!("open")));
    assert!(third["text"].as_str().unwrap().contains("`second` (running)"), "{third}");
    host.signal("KILL");
    host.wait();
}
