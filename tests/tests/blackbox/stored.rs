//! Results in Redis: their form for other programs, and their reuse by a run with the same id.
//! Faults of the server are in `faults`.

use crate::component;
use crate::gates::{self, GRANTS, open};
use crate::guests::Guest;
use cascade_host_tests::{Events, Finished, Host, Project, Redis, Toolchain, python_client, wait_until};
use serde_json::json;
use std::process::Command;
use std::time::Duration;

/// A chain of two, a `for-each` over eight slow elements, and their sum.
const PIPELINE: &str = r#"
[params.base]
type = "u32"
default = 1
[tasks.first]
call = "g.double"
args.x = { param = "base" }
[tasks.second]
call = "g.double"
args.x = { task = "first" }
[tasks.texts]
call = "g.slow-echo"
for-each.text = ["a", "b", "c", "d", "e", "f", "g", "h"]
args = { text = { item = "text" }, ms = 150 }
[tasks.all]
call = "g.concat"
args.parts = { task = "texts" }
[outputs]
second = { task = "second" }
all = { task = "all" }
"#;

/// A pipeline like [`PIPELINE`], with elements that wait at gates.
fn gated() -> Project {
    let waits = format!("call = \"g.await-file\"\n{GRANTS}");
    let body = PIPELINE.replace("call = \"g.slow-echo\"\n", &waits);
    gates::project(
        &body.replace("{ text = { item = \"text\" }, ms = 150 }", "{ path = { item = \"text\" } }"),
    )
}

fn run(project: &Project, server: &Redis, arguments: &[&str]) -> Finished {
    let host = arguments.iter().fold(project.host(), |host, argument| host.args([*argument]));
    host.args(["--state", &server.uri()]).run()
}

/// Returns every task or element with a result, by the events of one process.
fn nodes_with_results(events: &Events) -> Vec<String> {
    events.tasks("task.finished")
}

#[test]
fn results_are_messagepack_in_a_redis_hash() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.person]\ncall = \"g.echo-person\"\nargs.value = { name = \"Ada\", age = 36, tags = [\"x\"] }\n\
         [tasks.each]\ncall = \"g.double\"\nfor-each.x = [1, 2]\nargs.x = { item = \"x\" }\n\
         [tasks.never]\ncall = \"g.double\"\nargs.x = 1\nwhen = { value = false }\n",
    );
    run(&project, &server, &["--run-id", "r1"]).expect(0);
    let fields = server.command(&["HKEYS", "cascade:run:r1:results"]);
    let mut fields: Vec<&str> = fields.lines().collect();
    fields.sort_unstable();
    assert_eq!(fields, ["each", "each[0]", "each[1]", "person"]);
    assert_eq!(server.command(&["HGET", "cascade:run:r1:skipped", "never"]), "ConditionFalse");
    let get = |name: &str| {
        let finished =
            Host::new(["output", "r1", name, "-o", "msgpack", "--state", &server.uri()]).run().expect(0);
        finished.stdout
    };
    let each: Vec<u32> = rmp_serde::from_slice(&get("each")).expect("a list of numbers");
    assert_eq!(each, [2, 4]);
    let person: serde_json::Value = rmp_serde::from_slice(&get("person")).expect("a map");
    assert_eq!(person["name"], "Ada");
    for key in server.command(&["KEYS", "cascade:run:r1:*"]).lines() {
        let ttl: i64 = server.command(&["TTL", key]).parse().expect("a number");
        assert!((86_000..=86_400).contains(&ttl), "{key} lives {ttl} s");
    }
    assert_eq!(server.command(&["ZRANGE", "cascade:runs", "0", "-1"]), "r1");
}

/// Prints every result of a run as JSON, with nothing but a Redis client and MessagePack.
const READER: &str = r#"
import json, sys, msgpack, redis
server = redis.Redis(port=int(sys.argv[1]))
results = server.hgetall("cascade:run:r1:results")
plain = lambda value: list(value) if isinstance(value, bytes) else value
print(json.dumps({name.decode(): msgpack.unpackb(value) for name, value in results.items()}, default=plain))
"#;

#[test]
fn python_client_decodes_every_result_with_plain_messagepack() {
    if Toolchain::Python.is_declined() {
        return;
    }
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [tasks.person]
        call = "g.echo-person"
        args.value = { name = "Ada", age = 36, home = { x = 1, y = 2.5 }, tags = ["x"] }
        [tasks.bytes]
        call = "g.echo-bytes"
        args.value = [0, 255]
        [tasks.shapes]
        call = "g.echo-shapes"
        args.value = ["empty", { circle = 2 }]
        [tasks.rights]
        call = "g.echo-rights"
        args.value = ["read"]
        [tasks.each]
        call = "g.double"
        for-each.x = [1, 300]
        args.x = { item = "x" }
        [tasks.nothing]
        call = "g.nothing"
        "#,
    );
    run(&project, &server, &["--run-id", "r1"]).expect(0);
    let python = Command::new(python_client()).args(["-c", READER, &server.port().to_string()]).output();
    let python = python.expect("Python can be started");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let shown: serde_json::Value = serde_json::from_slice(&python.stdout).expect("the script prints JSON");
    let person = json!({ "name": "Ada", "age": 36, "home": { "x": 1.0, "y": 2.5 }, "tags": ["x"] });
    let expected = json!({
        "person": person, "bytes": [0, 255], "shapes": ["empty", { "circle": 2.0 }], "rights": ["read"],
        "each": [2, 600], "each[0]": 2, "each[1]": 600, "nothing": null,
    });
    assert_eq!(shown, expected);
}

#[test]
fn log_is_stored_up_to_its_limit() {
    let server = Redis::start("");
    let line = "x".repeat(99);
    let text = vec![line; 4_000].join("\\n");
    let project = Project::basic(&format!("[tasks.say]\ncall = \"g.say\"\nargs.text = \"{text}\"\n"));
    run(&project, &server, &["--run-id", "r1", "--log-level", "error"]).expect(0);
    let logs = Host::new(["logs", "r1", "say", "--state", &server.uri()]).run().expect(0).text();
    assert_eq!(logs.len(), 2 * 4_000 * 100, "on both streams");
}

#[test]
fn expired_runs_leave_the_index() {
    let server = Redis::start("");
    let project = |ttl: &str| {
        Project::basic(&format!("[state]\nttl = \"{ttl}\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 4\n"))
    };
    let short = project("1s");
    run(&project("2h"), &server, &["--run-id", "kept"]).expect(0);
    for id in ["a", "b", "c"] {
        run(&short, &server, &["--run-id", id]).expect(0);
    }
    wait_until("runs do not expire", || server.command(&["KEYS", "cascade:run:?:*"]).is_empty());
    run(&short, &server, &["--run-id", "d"]).expect(0);
    let listed = server.command(&["ZRANGE", "cascade:runs", "0", "-1"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["kept", "d"]);
    let left: i64 = server.command(&["TTL", "cascade:runs"]).parse().expect("a number");
    assert!((7_000..7_400).contains(&left), "it is kept as long as the run that is kept longest: {left}");
    let ours: Vec<String> = server.command(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    for key in ours {
        assert_ne!(server.command(&["TTL", &key]), "-1", "{key} is kept for ever");
    }
}

#[test]
fn stored_runs_are_listed_shown_read_and_removed() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.say]\ncall = \"g.say\"\nargs.text = \"hello there\"\n[tasks.bad]\ncall = \"g.fails\"\nargs.kind = \"gone\"\n\
         [tasks.next]\ncall = \"g.echo-string\"\nargs.value = { task = \"bad\" }\n",
    );
    run(&project, &server, &["--run-id", "r1", "--keep-going"]).expect(1);
    run(&project, &server, &["--run-id", "r2", "--target", "say"]).expect(0);
    let uri = server.uri();
    let ask = |words: &[&str]| {
        let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
        host.args(["--state", &uri]).run()
    };
    let runs = ask(&["runs", "--json"]).expect(0).json();
    let ids: Vec<_> = runs["runs"].as_array().expect("runs").iter().map(|run| run["run"].clone()).collect();
    assert_eq!(ids, ["r2", "r1"], "the newest first");

    let shown = ask(&["show", "r1", "--json"]).expect(0).json();
    assert_eq!(
        (&shown["status"], &shown["done"], &shown["failed"], &shown["skipped"]),
        (&json!("failed"), &json!(1), &json!(1), &json!(1))
    );
    let task = |name: &str| {
        let tasks = shown["tasks"].as_array().expect("tasks");
        tasks.iter().find(|task| task["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!((&task("say")["state"], &task("say")["attempts"]), (&json!("done"), &json!(1)));
    assert!(task("say")["memory_bytes"].as_u64() > Some(0) && task("say")["host"].is_string());
    assert!(task("bad").to_string().contains("gone"), "{shown}");
    ask(&["show", "r1"]).expect(0);

    let logs = ask(&["logs", "r1", "say"]).expect(0);
    assert_eq!(logs.text(), "hello there\nhello there\n");
    assert_eq!(ask(&["output", "r1", "say"]).expect(0).json(), json!("hello there"));
    assert_eq!(ask(&["output", "r1"]).expect(0).json(), json!({ "say": "hello there" }));

    ask(&["rm", "r1"]).expect(0);
    for words in [
        &["show", "r1"][..],
        &["logs", "r1", "say"],
        &["output", "r1"],
        &["rm", "r1"],
        &["logs", "r2", "nobody"],
    ] {
        ask(words).expect(4);
    }
    let left = server.command(&["KEYS", "cascade:run:r1:*"]);
    assert!(left.is_empty(), "{left}");
}

#[test]
fn killed_run_resumes_without_rerunning_finished_tasks() {
    let server = Redis::start("");
    let project = gated();
    let uri = server.uri();
    let mut running =
        project.host().args(["--state", &uri, "--run-id", "r1", "-j", "1", "--log-level", "debug"]).start();
    open(&project, "abc");
    running.until("finished   texts[2]");
    // The two tasks of the chain, and three elements.
    wait_until("finished tasks are not reported", || nodes_with_results(&project.events()).len() == 5);
    running.signal("KILL");
    assert_eq!(running.wait().code, None);
    let before = nodes_with_results(&project.events());
    open(&project, "defgh");

    let resumed = run(&project, &server, &["--run-id", "r1"]).expect(0);
    assert_eq!(resumed.json(), json!({ "second": 4, "all": "abcdefgh" }));
    let events = project.events();
    let started = events.tasks("task.started");
    for finished in &before {
        assert!(!started.contains(finished), "{finished} ran again: {started:?}");
    }
    assert!(events.of("run.resumed").next().is_some());

    let again = run(&project, &server, &["--run-id", "r1"]).expect(0);
    assert_eq!(again.json(), resumed.json());
    let events = project.events();
    assert!(events.tasks("task.started").is_empty());
    assert_eq!(events.tasks("task.stored").len(), 4, "{:?}", events.tasks("task.stored"));
}

#[test]
fn interrupted_run_prints_its_resume_command() {
    let server = Redis::start("");
    let project = gated();
    let uri = server.uri();
    let mut running =
        project.host().args(["--state", &uri, "--run-id", "r1", "-j", "1", "--log-level", "debug"]).start();
    open(&project, "a");
    running.until("finished   texts[0]");
    running.signal("INT");
    running.until("again");
    open(&project, "bcdefgh");
    running.wait().expect(130).says(["cascade-host run manifest.toml --run-id r1 --state"]);
    run(&project, &server, &["--run-id", "r1"]).expect(0);
}

#[test]
fn resume_reruns_failed_tasks_and_recomputes_skips() {
    let server = Redis::start("");
    let body = |kind: &str| {
        format!(
            "[tasks.good]\ncall = \"g.double\"\nargs.x = 1\n\
             [tasks.bad]\ncall = \"g.maybe-fail\"\nargs.x = {kind}\n\
             [tasks.next]\ncall = \"g.double\"\nargs.x = {{ task = \"bad\" }}\n"
        )
    };
    let project = Project::basic(&body("3"));
    run(&project, &server, &["--run-id", "r1", "--keep-going"]).expect(1);
    assert_eq!(server.command(&["HGET", "cascade:run:r1:skipped", "next"]), "UpstreamFailed");
    run(&project, &server, &["--run-id", "r1", "--keep-going"]).expect(1);
    assert_eq!(project.events().tasks("task.started"), ["bad"]);

    // Another plan is refused with its differences; `--update` keeps unchanged results.
    let changed = Project::basic(&body("4"));
    let refused = run(&changed, &server, &["--run-id", "r1"]).expect(2);
    refused.says(["another plan", "task `bad`", "args.x", "--update"]);
    let updated = run(&changed, &server, &["--run-id", "r1", "--update"]).expect(0);
    assert_eq!(updated.json()["next"], 8);
    let events = changed.events();
    assert_eq!(events.tasks("task.stored"), ["good"]);
    assert_eq!(server.command(&["HLEN", "cascade:run:r1:skipped"]), "0");
    assert_eq!(server.command(&["HLEN", "cascade:run:r1:failed"]), "0");

    run(&changed, &server, &["--run-id", "r1", "--fresh"]).expect(0);
    assert_eq!(changed.events().tasks("task.started").len(), 3);
}

#[test]
fn failed_run_resumes_inside_a_pipeline() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.t]\nmanifest = \"lib/in.toml\"\n\
         [tasks.end]\ncall = \"g.concat\"\nargs.parts = [{ task = \"t\", path = \"read\" }, \"!\"]\n",
    );
    // The grant is a folder beside the included manifest.
    project.include(
        "lib/in.toml",
        "[components.g.grants]\nread = [\"data\"]\n[tasks.before]\ncall = \"g.echo-string\"\nargs.value = \"b\"\n\
         [tasks.read]\ncall = \"g.read-file\"\nargs.path = \"data/x\"\nafter = [\"before\"]\n",
    );
    project.file("lib/data/keep", b"");
    let run = || project.host().args(["--run-id", "r1", "--state", &server.uri()]).run();
    run().expect(1).says(["failed     t/read"]);
    project.file("lib/data/x", b"found");
    assert_eq!(run().expect(0).json(), json!({ "end": "found!" }));
    let mut finished = project.events().tasks("task.finished");
    finished.sort();
    assert_eq!(finished, ["end", "t/read"], "what was done is kept");
}

#[test]
fn second_run_takes_pure_results_from_the_cache() {
    let server = Redis::start("");
    let body = |texts: &str| {
        PIPELINE.replace(r#"["a", "b", "c", "d", "e", "f", "g", "h"]"#, texts).replace("150", "1")
    };
    let project = Project::basic(&body(r#"["a", "b", "c"]"#));
    let cache = ["--cache", &server.uri()];
    let first = project.host().args(cache).run().expect(0);
    let second = project.host().args(cache).run().expect(0);
    assert_eq!(second.json(), first.json());
    let events = project.events();
    assert!(events.tasks("task.started").is_empty(), "{:?}", events.tasks("task.started"));
    assert_eq!(events.tasks("task.cached").len(), 6);

    // Another param reruns only its dependents.
    project.host().args(cache).args(["-p", "base=7"]).run().expect(0);
    let mut started = project.events().tasks("task.started");
    started.sort();
    assert_eq!(started, ["first", "second"]);

    // An additional element runs, and so do the tasks that read the list.
    let more = Project::basic(&body(r#"["a", "b", "c", "d"]"#));
    more.host().args(cache).run().expect(0);
    assert_eq!(more.events().tasks("task.started"), ["texts[3]", "all"]);
}

#[test]
fn damaged_cache_entry_is_a_miss() {
    let server = Redis::start("");
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 4\n");
    let cache = ["--cache", &server.uri()];
    project.host().args(cache).run().expect(0);
    let key = server.command(&["KEYS", "cascade:cache:*"]);
    server.command(&["SET", &key, "nonsense"]);
    let finished = project.host().args(cache).run().expect(0);
    assert_eq!(finished.json(), json!({ "t": 8 }));
    assert_eq!(project.events().tasks("task.started"), ["t"]);
    project.host().args(cache).run().expect(0);
    assert_eq!(project.events().tasks("task.cached"), ["t"], "the damaged entry was replaced");
}

#[test]
fn plan_shows_stored_and_cached_tasks() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.a]\ncall = \"g.double\"\nargs.x = 4\n[tasks.b]\ncall = \"g.double\"\nargs.x = { task = \"a\" }\n",
    );
    let uri = server.uri();
    project.host().args(["--state", &uri, "--cache", &uri, "--run-id", "r1"]).run().expect(0);
    let plan = |arguments: &[&str]| {
        let host = arguments.iter().fold(project.command("plan"), |host, argument| host.args([*argument]));
        let json = host.args(["--json", "--state", &uri, "--cache", &uri]).run().expect(0).json();
        let fates = json["tasks"].as_array().expect("tasks").iter().map(|task| task["fate"].to_string());
        fates.collect::<Vec<_>>()
    };
    assert_eq!(plan(&["--run-id", "r1"]), ["\"stored\"", "\"stored\""]);
    assert_eq!(plan(&[]), ["\"cached\"", "\"cached\""]);
}

#[test]
fn server_is_reached_by_socket_password_user_and_tls() {
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 4\n");
    let plain = Redis::start("");
    let socket = format!("redis+unix://{}?db=1", plain.socket().display());
    project.host().args(["--state", &socket]).run().expect(0);
    project.host().args(["--state", &plain.uri().replace("redis:", "valkey:")]).run().expect(0);

    let guarded = Redis::start_with_login("requirepass hunter2", "default", "hunter2");
    let uri = format!("redis://:hunter2@127.0.0.1:{}", guarded.port());
    project.host().args(["--state", &uri]).run().expect(0);
    project.host().args(["--state", &guarded.uri()]).env("CASCADE_REDIS_PASSWORD", "hunter2").run().expect(0);
    let folder = tempfile::tempdir().expect("a scratch folder can be made");
    std::fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1")
        .expect("a file can be written");
    for words in [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca",
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout key -out csr",
        "x509 -req -in csr -CA ca -CAkey ca.key -CAcreateserial -days 2 -extfile names -out crt",
    ] {
        let made = Command::new("openssl").args(words.split(' ')).current_dir(folder.path()).output();
        assert!(made.expect("install openssl: apt-get install openssl").status.success(), "{words}");
    }
    let (port, path) = (cascade_host_tests::free_port(), folder.path().display());
    let _encrypted = Redis::start(&format!(
        "tls-port {port}\ntls-cert-file {path}/crt\ntls-key-file {path}/key\ntls-ca-cert-file {path}/ca\ntls-auth-clients no"
    ));
    let uri = format!("rediss://127.0.0.1:{port}?ca={path}/ca");
    project.host().args(["--state", &uri]).run().expect(0);
    let authority = std::fs::read(folder.path().join("ca")).expect("openssl has made it");
    let marked = |mark: &[u8]| [mark, &authority].concat();
    std::fs::write(folder.path().join("marked"), marked("\u{feff}".as_bytes())).expect("it can be written");
    project.host().args(["--state", &format!("rediss://127.0.0.1:{port}?ca={path}/marked")]).run().expect(0);
    std::fs::write(folder.path().join("wide"), marked(b"\xff\xfe")).expect("it can be written");
    let wide = format!("rediss://127.0.0.1:{port}?ca={path}/wide");
    project.host().args(["--state", &wide]).run().expect(3).says(["UTF-16", "wide"]);
    project
        .host()
        .args(["--state", &format!("rediss://127.0.0.1:{port}?connect-timeout=1s")])
        .run()
        .expect(3);

    let wrong = format!("redis://:wrong2@127.0.0.1:{}", guarded.port());
    let refused = project.host().args(["--state", &wrong]).run().expect(3);
    assert!(!refused.stderr.contains("wrong2"), "{}", refused.stderr);
    assert!(refused.took < Duration::from_secs(9), "a wrong password is not tried again: {:?}", refused.took);
}

#[test]
fn absent_server_is_an_error_after_its_timeout() {
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 4\n");
    let port = cascade_host_tests::free_port();
    let uri = format!("redis://user:hunter2@127.0.0.1:{port}?connect-timeout=1s");
    let finished =
        project.host().args(["--state", &uri]).run().expect(3).says(["127.0.0.1", "***", "start Redis"]);
    assert!(
        finished.took > Duration::from_millis(900) && finished.took < Duration::from_secs(8),
        "{:?}",
        finished.took
    );
    assert!(!finished.stderr.contains("hunter2") && finished.stdout.is_empty());
}

#[test]
fn show_includes_the_last_output_of_a_guest() {
    let server = Redis::start("");
    let uri = format!("redis://127.0.0.1:{}", server.port());
    let project = Project::new(&format!(
        "[state]\nuri = \"{uri}\"\n{}[tasks.t]\ncall = \"g.panic-with\"\nargs.message = \"so it is\"\n",
        component(Guest::Basic)
    ));
    project.host().args(["--run-id", "r1"]).run().expect(1);
    let show = || Host::new(["show", "r1", "--state", &uri]);
    let shown = show().run().expect(0).text();
    assert!(
        shown.contains("trap: the guest's last lines on stderr:") && shown.contains("| so it is"),
        "{shown}"
    );
    let json = show().args(["--json"]).run().expect(0).json();
    let message = json["tasks"][0]["failure"]["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("\n  | so it is\n"), "{message}");
}

#[test]
fn passwords_are_never_printed() {
    let server = Redis::start_with_login("requirepass hunter2", "default", "hunter2");
    let uri = format!("redis://:hunter2@127.0.0.1:{}", server.port());
    let project = Project::new(&format!(
        "[state]\nuri = \"{uri}\"\n[cache]\nuri = {{ env = \"CACHE\" }}\n{}{}",
        component(Guest::Basic),
        "[params.token]\ntype = \"string\"\nsecret = true\n[tasks.t]\ncall = \"g.name-of\"\n\
         args.who = { name = { param = \"token\" } }\n[tasks.bad]\ncall = \"g.trap\"\n"
    ));
    let mut output = String::new();
    for command in [&["run", "--run-id", "r1", "--keep-going"][..], &["plan", "--json"], &["check"]] {
        let host =
            command[1..].iter().fold(project.command(command[0]), |host, argument| host.args([*argument]));
        let host = host.env("CACHE", &uri).args(["--log-level", "trace"]);
        let host = if command[0] == "check" { host } else { host.args(["-p", "token=s3cr3t"]) };
        let finished = host.run();
        output.push_str(&finished.stderr);
        // The task's own result may contain the secret; nothing else on stdout may.
        if command[0] != "run" {
            output.push_str(&finished.text());
        }
    }
    for arguments in [&["output", "r2"][..], &["runs"], &["show", "r1"], &["logs", "r1", "bad"]] {
        let host =
            arguments.iter().skip(1).fold(Host::new([arguments[0]]), |host, argument| host.args([*argument]));
        let finished = host.args(["--state", &uri]).run();
        output.push_str(&format!("{}{}", finished.stderr, finished.text()));
    }
    for secret in ["hunter2", "s3cr3t"] {
        assert!(!output.contains(secret), "{secret} was printed:\n{output}");
    }
}
