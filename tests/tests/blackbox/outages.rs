//! Servers and networks that fail for a while during a run, or return with less data.
//! Mistakes at the start, and faults that cost one request, are in `faults`.

use crate::component;
use crate::faults::{ALL, start, starts, twelve, whole};
use crate::gates::open;
use crate::guests::Guest;
use cascade_host_tests::{Project, Proxy, Redis, wait_until};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Makes a server unavailable in one way during a run. The run's other gates must be open at the end, and nothing may
/// run twice.
fn assert_survives(config: &str, options: &str, away: impl FnOnce(&mut Redis, &Project)) {
    let mut server = Redis::start(config);
    let project = twelve();
    let mut running = start(&project, &format!("{}{options}", server.uri()));
    open(&project, "ab");
    running.until("finished   texts[1]");
    away(&mut server, &project);
    open(&project, ALL);
    assert_eq!(running.wait().expect(0).json(), whole());
    let starts = starts(&project.events());
    assert!(starts.values().all(|starts| *starts == 1), "{starts:?}");
}

fn wait(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

#[test]
fn closed_connections_are_reopened() {
    assert_survives("", "", |server, project| {
        for letter in ["c", "d", "e", "f", "g"] {
            open(project, letter);
            server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
            wait(120);
        }
    });
    // The server closes idle connections after this many seconds.
    assert_survives("timeout 1", "", |_, _| wait(2500));
}

#[test]
fn host_waits_for_a_server_with_too_many_clients() {
    assert_survives("", "", |server, project| {
        let others: Vec<TcpStream> = (0..20).map(|_| send_commands(server, "SUBSCRIBE x")).collect();
        // Subscribers are not normal clients: they stay, and reconnecting clients exceed the limit.
        let last = send_commands(server, "CONFIG SET maxclients 10\r\nCLIENT KILL TYPE normal SKIPME yes");
        open(project, ALL);
        wait(800);
        let refused = twelve();
        let uri = format!("{}?connect-timeout=1s", server.uri());
        // The server closes at once, so its reason may not arrive.
        refused.host().args(["--state", &uri]).run().expect(3);
        drop((others, last));
    });
}

/// Opens a connection, sends commands, and waits for their replies.
fn send_commands(server: &Redis, commands: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("it listens");
    write!(stream, "{commands}\r\n").expect("it takes commands");
    for _ in commands.lines() {
        stream.read_exact(&mut [0]).expect("it answers");
    }
    stream
}

#[test]
fn slow_server_costs_no_lease() {
    assert_survives("", "?lease=4s", |server, project| {
        for letter in ["c", "d", "e"] {
            server.signal("STOP");
            open(project, letter);
            wait(1000);
            server.signal("CONT");
            wait(600);
        }
    });
}

#[test]
fn host_waits_for_a_loading_server() {
    assert_survives("appendonly yes\nappendfsync always\nkey-load-delay 300", "", |server, project| {
        server.command(&["EVAL", "for i = 1, 3000 do redis.call('SET', 'k' .. i, i) end", "0"]);
        server.kill();
        open(project, ALL);
        server.run();
    });
}

#[test]
fn host_waits_for_a_server_that_is_temporarily_a_replica() {
    assert_survives("", "", |server, project| {
        server.command(&["REPLICAOF", "127.0.0.1", "1"]);
        open(project, ALL);
        wait(800);
        server.command(&["REPLICAOF", "NO", "ONE"]);
    });
}

#[test]
fn partitioned_host_resumes_after_reconnecting() {
    let server = Redis::start("");
    let proxy = Proxy::start(server.port(), u64::MAX, 0);
    let project = twelve();
    let uri = format!("redis://127.0.0.1:{}?lease=3s&timeout=1s", proxy.port());
    let mut running = start(&project, &uri);
    open(&project, "ab");
    running.until("finished   texts[1]");
    proxy.partition();
    wait(5000);
    proxy.heal();
    open(&project, ALL);
    assert_eq!(running.wait().expect(0).json(), whole());
    let events = project.events();
    assert!(events.of("state.reconnected").next().is_some());
    let twice = starts(&events).values().filter(|starts| **starts > 1).count();
    assert!(twice <= 1, "what was under way, and nothing that was done: {twice}");
}

#[test]
fn evicted_keys_are_recomputed_with_a_warning() {
    for key in ["results", "meta", "coord", "tasks", "times"] {
        let server = Redis::start("");
        let project = twelve();
        let mut running = start(&project, &server.uri());
        open(&project, "abc");
        running.until("finished   texts[2]");
        server.command(&["UNLINK", &format!("cascade:run:r1:{key}")]);
        open(&project, ALL);
        assert_eq!(running.wait().expect(0).json(), whole(), "{key}");
        let events = project.events();
        let codes: Vec<&str> = events.of("warning").filter_map(|event| event["code"].as_str()).collect();
        assert!(codes.contains(&"state-lost"), "{key}: {codes:?}");
        assert_eq!(server.command(&["HGET", "cascade:run:r1:meta", "epoch"]), "2", "{key}");
    }
}

#[test]
fn failover_to_a_stale_replica_recomputes_with_a_warning() {
    let mut master = Redis::start("");
    let replica = Redis::start(&format!("replicaof 127.0.0.1 {}", master.port()));
    let replication = || replica.command(&["INFO", "replication"]);
    wait_until("the replica does not come", || replication().contains("master_link_status:up"));
    let project = twelve();
    let mut running = start(&project, &master.uri());
    open(&project, "abc");
    running.until("finished   texts[2]");
    let has = |field: &str| replica.command(&["HEXISTS", "cascade:run:r1:results", field]) == "1";
    wait_until("the replica does not follow", || has("texts[2]"));
    replica.command(&["REPLICAOF", "NO", "ONE"]);
    open(&project, "def");
    running.until("finished   texts[5]");
    master.kill();
    replica.command(&["CONFIG", "SET", "port", &master.port().to_string()]);
    open(&project, ALL);
    assert_eq!(running.wait().expect(0).json(), whole());
    let events = project.events();
    let lost =
        events.of("warning").find(|event| event["code"] == "state-lost").expect("the loss is reported");
    assert!(lost["message"].to_string().contains("under epoch 2"), "{lost}");
    let starts = starts(&events);
    assert_eq!(
        (starts["texts[0]"], starts["texts[5]"]),
        (1, 2),
        "what is there is kept, what is not runs again"
    );
    assert_eq!(master.command(&["HLEN", "cascade:run:r1:results"]), "14");
}

#[test]
fn task_that_kills_hosts_fails_and_others_continue() {
    let server = Redis::start("");
    let body = "[tasks.other]\ncall = \"g.spin\"\npriority = 10\n[tasks.deadly]\ncall = \"g.spin\"\n";
    let project = Project::basic(body);
    let host = |events: &str| {
        let host = project.other_host(events).args(["--state", &server.uri(), "--run-id", "r1", "-j", "1"]);
        host.args(["--keep-going", "--log-level", "debug"]).start()
    };
    let mut survivor = host("survivor.jsonl");
    survivor.until("started    other");
    for _ in 0..4 {
        let mut dying = host("dying.jsonl");
        dying.until("started    deadly");
        dying.signal("KILL");
        dying.wait();
    }
    let mut last = host("last.jsonl");
    let stderr = last.until("failed     deadly");
    assert!(stderr.contains("4 hosts in a row lost this task"), "{stderr}");
    for running in [survivor, last] {
        running.signal("KILL");
        running.wait();
    }
}

#[test]
fn task_that_kills_the_only_host_fails() {
    let server = Redis::start("");
    let body = "[tasks.deadly]\ncall = \"g.spin\"\n[tasks.other]\ncall = \"g.double\"\nargs.x = 4\n";
    let project = Project::basic(body);
    let host = || {
        let host = project.host().args(["--state", &server.uri(), "--run-id", "r1", "-j", "2"]);
        host.args(["--keep-going", "--log-level", "debug"])
    };
    for life in 0..4 {
        let mut dying = host().start();
        let stderr = dying.until("started    deadly");
        // Tasks running on a host when it dies are suspects; let this one finish first.
        if life == 0 && !stderr.contains("finished   other") {
            dying.until("finished   other");
        }
        dying.signal("KILL");
        dying.wait();
    }
    let finished =
        host().run().expect(1).says(["4 hosts in a row lost this task", "`max-lost-hosts` allows 3"]);
    assert_eq!(finished.json(), json!({ "other": 8 }));
}

#[test]
fn manifest_limits_the_lost_hosts_of_a_task() {
    let server = Redis::start("");
    let body = |most: u32| {
        let tasks = "[tasks.one]\ncall = \"g.spin\"\nmax-lost-hosts = 0\n[tasks.other]\ncall = \"g.spin\"\n";
        format!("[defaults]\nmax-lost-hosts = {most}\n{}{tasks}", component(Guest::Basic))
    };
    let project = Project::new(&body(1));
    let host = || {
        let host = project.host().args(["--state", &server.uri(), "--run-id", "r1", "-j", "2"]);
        host.args(["--keep-going", "--log-level", "debug"])
    };
    // Kills a host once its stderr has all of these texts, in any order.
    let dies_after = |words: &[&str]| {
        let mut dying = host().start();
        let mut stderr = String::new();
        for word in words {
            while !stderr.contains(word) {
                stderr += &dying.until(word);
            }
        }
        dying.signal("KILL");
        dying.wait();
        stderr
    };
    dies_after(&["started    one", "started    other"]);
    let stderr = dies_after(&["failed     one", "started    other"]);
    assert!(stderr.contains("1 host lost this task; its `max-lost-hosts` allows 0"), "{stderr}");
    let stderr = dies_after(&["failed     other"]);
    assert!(stderr.contains("2 hosts in a row lost this task; its `max-lost-hosts` allows 1"), "{stderr}");
    // The key affects how tasks run but not their results, so the run accepts another value.
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", body(1000)));
    dies_after(&["started    other"]);
    project.write(&format!("cascade = 1\nname = \"test\"\n{}", body(1001)));
    project.command("check").run().expect(2).says(["`max-lost-hosts` must be from 0 to 1000, not 1001"]);
}

#[test]
fn fresh_run_starts_whichever_reply_is_lost() {
    let server = Redis::start("");
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    for bytes in (30..900).step_by(30) {
        let proxy = Proxy::start(server.port(), bytes, 1);
        let uri = format!("redis://127.0.0.1:{}", proxy.port());
        let host = project.host().args(["--state", &uri, "--run-id", "r1", "--fresh"]);
        assert_eq!(host.run().expect(0).json(), json!({ "t": 2 }), "cut at byte {bytes}");
    }
}
