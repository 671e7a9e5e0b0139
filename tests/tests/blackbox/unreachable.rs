//! Messages about a state or cache backend that is unreachable or unusable: prompt, and with the cause.
//! Faults that a run survives are tested in `faults` and `outages`.

use crate::component;
use crate::faults::{ALL, start, twelve, whole};
use crate::gates::open;
use crate::guests::Guest;
use cascade_host_tests::{Host, Project, Redis, free_port};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

fn one_task(head: &str) -> Project {
    let task = "[tasks.t]\ncall = \"g.double\"\nargs.x = 4\n";
    Project::new(&format!("{head}{}{task}", component(Guest::Basic)))
}

/// Starts a server and returns its port; each connection is `served` on its own thread.
fn serve(served: impl Fn(TcpStream) + Send + Sync + Copy + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
    let port = listener.local_addr().expect("a listener has an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || served(stream));
        }
    });
    port
}

/// Reads from a client, and never replies.
fn silent(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

/// Replies to a client's greeting, and to nothing after that.
fn greets(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..read]).into_owned();
        for _ in text.matches("CLIENT\r\n") {
            stream.write_all(b"+OK\r\n").expect("the client listens");
        }
    }
}

#[test]
fn hanging_server_fails_after_its_timeout_in_every_phase() {
    let project = one_task("");
    for port in [serve(silent), serve(greets)] {
        let uri = format!("redis://127.0.0.1:{port}?connect-timeout=4s");
        let finished = project.host().args(["--state", &uri]).run().expect(3);
        let finished = finished
            .says(["has been unavailable for 1s (no answer); giving up in 3s", "stopped or overloaded"]);
        assert!(finished.took >= Duration::from_secs(4), "{:?}", finished.took);
        assert!(finished.took < Duration::from_secs(7), "{:?}", finished.took);
    }
}

#[test]
fn every_connection_error_has_its_own_help() {
    let project = one_task("");
    let nowhere = project.folder().join("none.sock");
    let page = serve(|mut stream| {
        drop(stream.read(&mut [0; 4096]));
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    for (uri, advice) in [
        // No DNS label is this long, so no name server is asked.
        (format!("redis://{}.example", "a".repeat(70)), "Check the host name"),
        (format!("redis://127.0.0.1:{}", free_port()), "No server listens there"),
        (format!("redis+unix://{}", nowhere.display()), "There is no such socket"),
        (format!("redis://127.0.0.1:{page}"), "does not speak plain Redis"),
    ] {
        let asked = if uri.contains('?') { '&' } else { '?' };
        let uri = format!("{uri}{asked}connect-timeout=1s");
        let finished = project.host().args(["--state", &uri]).run().expect(3).says([advice]);
        assert!(!finished.stderr.contains("maxclients"), "{}", finished.stderr);
    }
}

#[test]
fn replica_durability_without_a_replica_is_refused() {
    let server = Redis::start("");
    let project = one_task("");
    let uri = format!("{}?durability=replica:1", server.uri());
    let finished = project.host().args(["--state", &uri]).run().expect(3);
    let finished = finished.says(["has no replica", "`durability=replica:1` asks for 1", "replicaof"]);
    assert!(finished.took < Duration::from_secs(9), "{:?}", finished.took);
    assert_eq!(server.command(&["DBSIZE"]), "0", "nothing was begun");
}

#[test]
fn state_outage_and_recovery_are_reported() {
    let mut server = Redis::start("appendonly yes\nappendfsync always");
    let project = twelve();
    let mut running = start(&project, &server.uri());
    open(&project, "ab");
    running.until("finished   texts[1]");
    server.kill();
    open(&project, "c");
    for warning in
        ["has been unavailable for 1s (", "has been unavailable for 2s (", "has been unavailable for 4s ("]
    {
        let stderr = running.until(warning);
        let line = stderr.lines().find(|line| line.contains(warning)).unwrap_or_default();
        assert!(line.contains(&format!("the state backend `{}/0`", server.uri())), "{line}");
        assert!(line.contains("; giving up in 5"), "{line}");
    }
    server.run();
    running.until("the state backend is available again");
    server.signal("STOP");
    running.until("(no answer)");
    server.signal("CONT");
    running.until("the state backend is available again");
    open(&project, ALL);
    assert_eq!(running.wait().expect(0).json(), whole());
    let events = project.events();
    let codes: Vec<_> = events.of("warning").map(|warning| warning["code"].clone()).collect();
    assert!(codes.iter().filter(|code| *code == "state-away").count() >= 4, "{codes:?}");
    assert_eq!(events.of("state.reconnected").count(), 2);
}

#[test]
fn cache_outage_is_reported_while_commands_wait() {
    let mut server = Redis::start("appendonly yes\nappendfsync always");
    let task = "[tasks.t]\ncall = \"g.double\"\nargs.x = 4\n";
    let project = Project::basic(task);
    let cache = server.uri();
    server.kill();
    let mut running = project.host().args(["--cache", &format!("{cache}?connect-timeout=20s")]).start();
    running.until(&format!("the cache `{cache}/0` has been unavailable for 1s ("));
    let mut asking = Host::new(["runs", "--state", &format!("{cache}?connect-timeout=20s")]).start();
    asking.until("warning: the state backend");
    server.run();
    running.until("the cache is available again");
    running.wait().expect(0);
    asking.wait().expect(0);
}

#[test]
fn trailing_newlines_of_uris_and_passwords_are_removed_and_inner_ones_located() {
    let server = Redis::start_with_login("requirepass hunter2", "default", "hunter2");
    let project = one_task("");
    let host = |uri: &str, password: &str| {
        project.host().env("CASCADE_STATE", uri).env("CASCADE_REDIS_PASSWORD", password).run()
    };
    host(&format!("{}\n", server.uri()), "hunter2\r\n").expect(0);
    let torn = server.uri().replace("127.0", "127\n.0");
    host(&torn, "hunter2").expect(2).says(["`CASCADE_STATE`", "character 12 is a line end (`\\n`)"]);
    let refused = host(&server.uri(), "hunter2 \n").expect(3).says(["character 8 is a space"]);
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
}

#[test]
fn invalid_manifest_uris_are_reported_with_their_lines() {
    let head = "[state]\nuri = \"redis://user:hunter2@h:0\"\n[cache]\nuri = { env = \"NOWHERE\" }\n";
    let project = one_task(&format!("{head}[params.p]\ntype = \"strin\"\n"));
    for command in ["check", "plan", "run"] {
        let refused = project.command(command).run().expect(2);
        let refused = refused.says([
            "the state URI cannot be used: reading a host of a Redis URI",
            "manifest.toml:4:7",
            "from `NOWHERE`, which is not set",
            "manifest.toml:6:7",
            "manifest.toml:8:8",
            "3 faults",
        ]);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
}

#[test]
fn unreadable_stored_result_is_named_and_fails_the_run() {
    let server = Redis::start("");
    let project = one_task("");
    let uri = server.uri();
    let run = || project.host().args(["--state", &uri, "--run-id", "r1"]).run();
    run().expect(0);
    // A truncated number, a text, two values.
    for (value, reason) in [("\\205\\1", "ends too early"), ("\\161x", "found a str"), ("\\8\\8", "follow")] {
        let script = format!("return redis.call('HSET', 'cascade:run:r1:results', 't', '{value}')");
        server.command(&["EVAL", &script, "0"]);
        let finished = run().expect(1).says(["output `t`", "a stored value is malformed", reason]);
        assert!(finished.stdout.is_empty() && !finished.stderr.contains("succeeded"), "{}", finished.stderr);
        let ended: Vec<_> =
            project.events().of("run.finished").map(|event| event["status"].clone()).collect();
        assert_eq!(ended, ["failed"], "one verdict");
        if reason != "found a str" {
            for format in ["json", "msgpack"] {
                let output = Host::new(["output", "r1", "--state", &uri, "-o", format]).run().expect(3);
                assert!(output.says([reason]).stdout.is_empty());
                let output = Host::new(["output", "r1", "t", "--state", &uri, "-o", format]).run().expect(3);
                assert!(output.says([reason]).stdout.is_empty());
            }
        }
    }
    project.host().args(["--state", &uri, "--run-id", "r1", "--fresh"]).run().expect(0);
    server.command(&["HSET", "cascade:run:r1:meta", "record", "nonsense"]);
    Host::new(["show", "r1", "--state", &uri]).run().expect(3).says(["damaged or of a later version"]);
}
