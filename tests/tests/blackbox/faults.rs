//! Single faults of the server during a run, and the host's messages: nothing is lost, nothing runs twice.
//! Faults of guests are in `policies` and `isolation`; long faults are in `outages`.

use crate::gates::{self, open};
use cascade_host_tests::{Events, Host, Project, Proxy, Redis, Running, wait_until};
use serde_json::json;
use std::collections::BTreeMap;

/// The gates of twelve elements.
pub(crate) const ALL: &str = "abcdefghijkl";

pub(crate) fn twelve() -> Project {
    gates::elements(ALL)
}

pub(crate) fn start(project: &Project, uri: &str) -> Running {
    project.host().args(["--state", uri, "--run-id", "r1", "-j", "1", "--log-level", "debug"]).start()
}

pub(crate) fn whole() -> serde_json::Value {
    json!({ "all": ALL })
}

/// Counts the starts of each task or element.
pub(crate) fn starts(events: &Events) -> BTreeMap<String, usize> {
    let mut starts = BTreeMap::new();
    for task in events.tasks("task.started") {
        *starts.entry(task).or_insert(0) += 1;
    }
    starts
}

#[test]
fn restarted_server_with_its_file_loses_nothing() {
    let mut server = Redis::start("appendonly yes\nappendfsync always");
    let project = twelve();
    let mut running = start(&project, &server.uri());
    open(&project, "abc");
    running.until("finished   texts[2]");
    server.kill();
    server.run();
    open(&project, ALL);
    assert_eq!(running.wait().expect(0).json(), whole());
    let events = project.events();
    assert!(starts(&events).values().all(|starts| *starts <= 2), "{:?}", starts(&events));
    assert_eq!(starts(&events)["texts[0]"], 1, "what was committed does not run again");
    assert!(events.of("state.reconnected").next().is_some());
}

#[test]
fn empty_restarted_server_is_refilled_with_a_warning() {
    let mut server = Redis::start("");
    let project = twelve();
    let mut running = start(&project, &server.uri());
    open(&project, "abc");
    running.until("finished   texts[2]");
    server.kill();
    server.run();
    open(&project, ALL);
    let finished = running.wait().expect(0);
    assert_eq!(finished.json(), whole());
    let warned =
        project.events().of("warning").any(|warning| warning["message"].to_string().contains("lost"));
    assert!(warned, "{}", finished.stderr);
}

#[test]
fn flushed_scripts_are_reloaded() {
    let server = Redis::start("");
    let project = twelve();
    let mut running = start(&project, &server.uri());
    for (element, gates) in [(1, "ab"), (3, "cd"), (5, ALL)] {
        open(&project, gates);
        running.until(&format!("finished   texts[{element}]"));
        server.command(&["SCRIPT", "FLUSH"]);
    }
    assert_eq!(running.wait().expect(0).json(), whole());
    assert!(starts(&project.events()).values().all(|starts| *starts == 1));
}

#[test]
fn cut_connections_lose_nothing() {
    let server = Redis::start("");
    for cut_every in [211, 977, 4001] {
        let proxy = Proxy::start(server.port(), cut_every, 8);
        let project = twelve();
        open(&project, ALL);
        let uri = format!("redis://127.0.0.1:{}", proxy.port());
        let run = format!("cut-{cut_every}");
        let finished = project.host().args(["--state", &uri, "--run-id", &run]).run().expect(0);
        assert_eq!(finished.json(), whole());
        assert!(proxy.cuts() > 0, "nothing was cut");
        let events = project.events();
        assert!(starts(&events).values().all(|starts| *starts == 1), "{cut_every}: {:?}", starts(&events));
        assert_eq!(server.command(&["HLEN", &format!("cascade:run:{run}:results")]), "14");
    }
}

#[test]
fn host_waits_for_a_server_without_memory() {
    let server = Redis::start("maxmemory-policy noeviction");
    let project = twelve();
    let mut running = start(&project, &server.uri());
    open(&project, "ab");
    running.until("finished   texts[1]");
    server.command(&["CONFIG", "SET", "maxmemory", "1mb"]);
    open(&project, ALL);
    std::thread::sleep(std::time::Duration::from_millis(600));
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(running.wait().expect(0).json(), whole());
    assert!(starts(&project.events()).values().all(|starts| *starts == 1));
}

#[test]
fn host_waits_for_a_busy_server() {
    let server = Redis::start("busy-reply-threshold 50");
    let project = twelve();
    let mut running = start(&project, &server.uri());
    open(&project, "ab");
    running.until("finished   texts[1]");
    std::thread::scope(|scope| {
        // A foreign script that runs for about a second.
        let script =
            "local t = redis.call('TIME')[1] + 1; while tonumber(redis.call('TIME')[1]) < t + 1 do end";
        scope.spawn(|| server.command(&["EVAL", script, "0"]));
        wait_until("the script does not begin", || server.command(&["PING"]).contains("BUSY"));
        open(&project, ALL);
    });
    assert_eq!(running.wait().expect(0).json(), whole());
}

#[test]
fn read_only_server_is_named() {
    let server = Redis::start("");
    let project = twelve();
    server.command(&["REPLICAOF", "127.0.0.1", "1"]);
    let uri = format!("{}?connect-timeout=3s", server.uri());
    let refused = project.host().args(["--state", &uri]).run().expect(3).says(["read-only replica"]);
    assert!(!refused.stderr.contains("ACL"), "no right would help: {}", refused.stderr);
}

#[test]
fn foreign_keys_are_not_touched() {
    let server = Redis::start("");
    server.command(&["SET", "cascade:run:r1:meta", "mine"]);
    let project = twelve();
    let refused = project.host().args(["--state", &server.uri(), "--run-id", "r1"]).run().expect(3);
    refused.says(["cascade:run:r1:meta"]);
    assert_eq!(server.command(&["GET", "cascade:run:r1:meta"]), "mine");
    assert_eq!(server.command(&["DBSIZE"]), "1");
}

#[test]
fn missing_permissions_are_listed_with_the_acl_line() {
    let acl = "user default on >admin ~* &* +@all\nuser worker on >hunter2 ~cascade:* +@all -hset";
    let server = Redis::start_with_login(acl, "default", "admin");
    let project = twelve();
    let uri = format!("redis://worker:hunter2@127.0.0.1:{}", server.port());
    let refused = project.host().args(["--state", &uri]).run().expect(3).says(["hset", "ACL SETUSER"]);
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    assert_eq!(server.command(&["DBSIZE"]), "0", "nothing was left behind");
}

#[test]
fn servers_that_may_lose_results_cause_a_warning() {
    let server = Redis::start("maxmemory 100mb\nmaxmemory-policy allkeys-lru");
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    project.host().args(["--state", &server.uri()]).run().expect(0).says(["noeviction"]);
}

#[test]
fn values_are_stored_up_to_their_size_limit() {
    let server = Redis::start("");
    let task = |bytes: u32, limit: &str| {
        let body = format!(
            "[tasks.t]\ncall = \"g.big\"\nargs.bytes = {bytes}\nlimits = {{ output = \"{limit}\" }}\n"
        );
        Project::basic(&body)
    };
    let large = task(40 << 20, "41MiB");
    let finished = large.host().args(["--state", &server.uri(), "-o", "raw"]).run().expect(0);
    assert_eq!(finished.stdout.len(), 40 << 20);
    let over = task(2 << 20, "1MiB");
    over.host().args(["--state", &server.uri()]).run().expect(1).says(["limits.output"]);
    let impossible = task(1, "600MiB");
    impossible.host().args(["--state", &server.uri()]).run().expect(2).says(["512MiB"]);
}

#[test]
fn unavailable_server_ends_the_run_with_the_cause() {
    let mut server = Redis::start("");
    let project = twelve();
    let uri = format!("{}?timeout=2s", server.uri());
    let mut running = start(&project, &uri);
    open(&project, "ab");
    running.until("finished   texts[1]");
    server.kill();
    running.wait().expect(3).says(["127.0.0.1"]);
    server.run();
    open(&project, ALL);
    let finished =
        Host::new(["run", "manifest.toml", "--run-id", "r1", "--state", &uri]).within(project.folder()).run();
    assert_eq!(finished.expect(0).json(), whole());
}
