//! The grant `keyvalue`: buckets shared by tasks, runs and hosts, refusals, and faults of server and network.
//! Each operation is tested on both backends in the host's conformance suite.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Host, Project, Proxy, Redis};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A manifest whose component `k` has the bucket `shared`.
fn granted(body: &str) -> Project {
    Project::new(&format!("{}grants.keyvalue = [\"shared\"]\n{body}", named("k", Guest::Keyvalue)))
}

/// Returns a task that calls a function on the bucket `shared`.
fn task(name: &str, function: &str, args: &str, keys: &str) -> String {
    let args = if args.is_empty() { String::new() } else { format!(", {args}") };
    format!("[tasks.{name}]\ncall = \"k.{function}\"\nargs = {{ bucket = \"shared\"{args} }}\n{keys}\n")
}

/// Tasks that each increment by one, this many times.
fn adders(tasks: u32, times: u32) -> String {
    let items: Vec<String> = (0..tasks).map(|_| "\"n\"".to_owned()).collect();
    format!(
        "[tasks.add]\ncall = \"k.add\"\nfor-each.key = [{}]\n\
         args = {{ bucket = \"shared\", key = {{ item = \"key\" }}, times = {times} }}\n",
        items.join(", ")
    )
}

fn host_of_run(project: &Project, uri: &str, run: &str) -> Host {
    project.host().args(["--state", uri, "--run-id", run])
}

#[test]
fn bucket_is_shared_by_the_tasks_of_a_memory_run() {
    let body = [
        task("put", "put", "key = \"k\", text = \"hello\"", ""),
        task("read", "read", "key = \"k\"", "after = [\"put\"]"),
        task("gone", "remove", "key = \"k\"", "after = [\"read\"]"),
        task("none", "read", "key = \"k\"", "after = [\"gone\"]"),
        task("many", "many", "keys = [\"a\", \"b\"]", "after = [\"none\"]"),
        task("fill", "fill", "prefix = \"f\", count = 2500", "after = [\"many\"]"),
        task("count", "count", "", "after = [\"fill\"]"),
        task("earlier", "count-earlier", "", "after = [\"fill\"]"),
        task("sum", "add", "key = \"n\", times = 5", "after = [\"count\", \"earlier\"]"),
        task("sum2", "add-earlier", "key = \"n\", times = 5", "after = [\"sum\"]"),
        task("appended", "append", "key = \"s\", text = \"x\"", "after = [\"sum2\"]"),
        "[outputs]\n".to_owned(),
    ];
    let shown = ["read", "gone", "none", "many", "count", "earlier", "sum", "sum2", "appended"];
    let outputs: Vec<String> =
        shown.iter().map(|name| format!("{name} = {{ task = \"{name}\" }}\n")).collect();
    let shown = granted(&(body.concat() + &outputs.concat())).run().expect(0).json();
    let expected = json!({
        "read": "hello", "gone": [true, false], "none": null, "many": ["a=A", "b=B", null],
        "count": [2500, 3], "earlier": [2500, 3], "sum": 5, "sum2": 10, "appended": 1,
    });
    assert_eq!(shown, expected);
}

#[test]
fn concurrent_increments_of_two_hosts_are_not_lost() {
    let server = Redis::start("");
    let project = granted(&adders(40, 25));
    let one = host_of_run(&project, &server.uri(), "r1").args(["-j", "4"]).start();
    let other =
        project.other_host("other.jsonl").args(["--state", &server.uri(), "--run-id", "r2", "-j", "4"]);
    let third =
        project.other_host("third.jsonl").args(["--state", &server.uri(), "--run-id", "r1", "-j", "4"]);
    for running in [one, other.start(), third.start()] {
        running.wait().expect(0);
    }
    assert_eq!(server.command(&["HGET", "cascade:bucket:shared", "n"]), "2000", "1,000 a run");
    assert_eq!(server.command(&["TTL", "cascade:bucket:shared"]), "-1");
    Host::new(["rm", "r1", "--state", &server.uri()]).run().expect(0);
    assert_eq!(server.command(&["HGET", "cascade:bucket:shared", "n"]), "2000", "it is no part of a run");
}

#[test]
fn two_hosts_of_one_run_increment_exactly_once() {
    let server = Redis::start("");
    let project = granted(&adders(100, 10));
    let one = host_of_run(&project, &server.uri(), "r1").args(["-j", "2"]).start();
    let other =
        project.other_host("other.jsonl").args(["--state", &server.uri(), "--run-id", "r1", "-j", "2"]);
    let other = other.start();
    let (one, other) = (one.wait().expect(0).json(), other.wait().expect(0).json());
    assert_eq!(one, other);
    assert_eq!(server.command(&["HGET", "cascade:bucket:shared", "n"]), "1000");
}

#[test]
fn increments_with_lost_replies_count_once() {
    let server = Redis::start("");
    // Longer than the server's greeting, which would otherwise be cut forever.
    for (run, cut_every) in [9_001, 9_973, 11_113].into_iter().enumerate() {
        let proxy = Proxy::start(server.port(), cut_every, 40);
        let uri = format!("redis://127.0.0.1:{}", proxy.port());
        host_of_run(&granted(&adders(20, 200)), &uri, &format!("r{run}")).args(["-j", "2"]).run().expect(0);
        assert!(proxy.cuts() > 5, "{} cuts", proxy.cuts());
        let sum = server.command(&["HGET", "cascade:bucket:shared", "n"]);
        assert_eq!(sum, "4000", "cut every {cut_every} bytes");
        server.command(&["DEL", "cascade:bucket:shared"]);
    }
}

#[test]
fn bucket_is_visible_to_other_runs_and_clients() {
    let server = Redis::start("");
    let put = granted(&task("t", "put", "key = \"k\", text = \"from before\"", ""));
    host_of_run(&put, &server.uri(), "r1").run().expect(0);
    let read = granted(&task("t", "read", "key = \"k\"", ""));
    assert_eq!(host_of_run(&read, &server.uri(), "r2").run().expect(0).json(), json!({ "t": "from before" }));
    assert_eq!(server.command(&["HGET", "cascade:bucket:shared", "k"]), "from before");
}

#[test]
fn ungranted_bucket_is_denied_with_the_grant_line() {
    let body = "[tasks.t]\ncall = \"k.read\"\nargs = { bucket = \"mine\", key = \"k\" }\non-error = \"value\"\n\
                [tasks.bad]\ncall = \"k.read\"\nargs = { bucket = \"a b\", key = \"k\" }\non-error = \"value\"\n";
    for project in [granted(body), Project::new(&format!("{}{body}", named("k", Guest::Keyvalue)))] {
        let finished =
            project.run().expect(0).says(["the bucket `mine` is not granted", "keyvalue = [\"mine\"]"]);
        let expected = json!({ "t": { "err": "access denied" }, "bad": { "err": "no such store" } });
        assert_eq!(finished.json(), expected);
    }
    let endless =
        granted("[tasks.t]\ncall = \"k.open-for-ever\"\nargs.bucket = \"mine\"\nlimits.logs = \"64KiB\"\n");
    endless.run().expect(1).says(["limits.logs"]);
}

#[test]
fn a_task_with_buckets_is_not_cached_and_its_buckets_are_part_of_it() {
    let project = granted(&task("t", "add", "key = \"n\", times = 1", ""));
    let planned = project.command("plan").run().expect(0).text();
    assert!(planned.contains("keyvalue"), "{planned}");
    let server = Redis::start("");
    for sum in 1..=2 {
        let host = host_of_run(&project, &server.uri(), &format!("r{sum}")).args(["--cache", &server.uri()]);
        assert_eq!(host.run().expect(0).json(), json!({ "t": sum }));
    }
}

#[test]
fn exceeded_bucket_limits_are_named() {
    let body = [
        task("value", "put-bytes", "key = \"k\", bytes = 1_048_577", "on-error = \"value\""),
        task("fits", "put-bytes", "key = \"v\", bytes = 1_048_576", "on-error = \"value\""),
        task("empty", "put", "key = \"\", text = \"x\"", "on-error = \"value\""),
        task("key", "put", &format!("key = \"{}\", text = \"x\"", "k".repeat(1025)), "on-error = \"value\""),
        task("number", "add", "key = \"v\", times = 1", "on-error = \"value\"\nafter = [\"fits\"]"),
        task("held", "hold", "key = \"v\"", "after = [\"fits\"]"),
    ];
    let shown = granted(&body.concat()).run().expect(0).json();
    let says = |task: &str, text: &str| {
        let error: &Value = &shown[task]["err"];
        assert!(error.as_str().is_some_and(|error| error.contains(text)), "{task}: {shown}");
    };
    says("value", "at most 1048576 (1 MiB)");
    says("empty", "cannot be empty");
    says("key", "at most 1024");
    says("number", "not a whole number");
    assert_eq!(shown["fits"], json!({ "ok": null }));
    assert_eq!(shown["held"][0], json!(7));
    assert!(shown["held"][1].as_str().is_some_and(|text| text.contains("8 MiB")), "{shown}");
}

#[test]
fn retried_call_counts_once_by_its_idempotency_key() {
    let server = Redis::start("");
    let body = task("t", "add-once", "until = 3", "retry = { attempts = 3, delay = \"10ms\" }");
    let project = Project::new(&format!(
        "{}grants = {{ keyvalue = [\"shared\"], context = true }}\n{body}",
        named("k", Guest::Keyvalue)
    ));
    for calls in 1..=2 {
        let run = format!("r{calls}");
        assert_eq!(host_of_run(&project, &server.uri(), &run).run().expect(0).json(), json!({ "t": calls }));
    }
}

#[test]
fn host_waits_for_a_restarted_server() {
    let mut server = Redis::start("appendonly yes\nappendfsync always");
    let project = granted(&adders(4, 1000));
    let mut running =
        host_of_run(&project, &server.uri(), "r1").args(["-j", "2", "--log-level", "debug"]).start();
    running.until("started    add[");
    std::thread::sleep(Duration::from_millis(300));
    server.kill();
    std::thread::sleep(Duration::from_millis(500));
    server.run();
    running.wait().expect(0);
    assert_eq!(server.command(&["HGET", "cascade:bucket:shared", "n"]), "4000");
}

#[test]
fn guest_waiting_for_a_lost_server_times_out() {
    let server = Redis::start("");
    let proxy = Proxy::start(server.port(), u64::MAX, 0);
    let uri = format!("redis://127.0.0.1:{}", proxy.port());
    let body = task("t", "add", "key = \"n\", times = 1_000_000", "timeout = \"3s\"");
    let project = granted(&body);
    let mut running = host_of_run(&project, &uri, "r1").args(["--log-level", "debug"]).start();
    running.until("started    t");
    proxy.partition();
    let began = Instant::now();
    std::thread::sleep(Duration::from_secs(4));
    proxy.heal();
    running.wait().expect(1).says(["`timeout` = 3s reached"]);
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}
