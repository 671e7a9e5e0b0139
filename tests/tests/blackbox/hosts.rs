//! Several hosts on one run, and commands on it: leases, takeovers, `cancel`, `watch`, `show`, `rm`.
//! Faults of the server are in `faults`.

use crate::gates::{self, open};
use cascade_host_tests::{
    Events, Host, Project, Proxy, Redis, Running, build_rust_guests, is_declined, wait_until,
};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Creates elements that take `ms` each, and their joined text.
fn elements(count: u8, ms: u32) -> Project {
    let texts: Vec<String> = (b'a'..b'a' + count).map(|text| format!("\"{}\"", char::from(text))).collect();
    Project::basic(&format!(
        "[tasks.texts]\ncall = \"g.slow-echo\"\nfor-each.text = [{}]\nargs = {{ text = {{ item = \"text\" }}, ms = {ms} }}\n\
         [tasks.all]\ncall = \"g.concat\"\nargs.parts = {{ task = \"texts\" }}\n",
        texts.join(", ")
    ))
}

fn endless_project() -> Project {
    Project::basic("[tasks.endless]\ncall = \"g.spin\"\n")
}

fn start(host: Host, uri: &str, run: &str, jobs: &str) -> Running {
    host.args(["--state", uri, "--run-id", run, "-j", jobs, "--log-level", "debug"]).start()
}

/// Returns a command on a stored run.
fn command_on_run(command: &str, run: &str, uri: &str) -> Host {
    Host::new([command, run, "--state", uri])
}

#[test]
fn cancelled_run_stops_on_all_hosts_and_can_be_resumed() {
    let server = Redis::start("");
    let project = gates::elements("abcdef");
    let mut one = start(project.host(), &server.uri(), "r1", "1");
    open(&project, "a");
    one.until("finished   texts[0]");
    let mut other = start(project.other_host("other.jsonl"), &server.uri(), "r1", "1");
    other.until("started    texts");
    command_on_run("cancel", "r1", &server.uri()).run().expect(0).says(["cancelled run r1", "will stop"]);
    for finished in [one.wait(), other.wait()] {
        let finished = finished.expect(130).says(["run r1 was cancelled", "--run-id r1"]);
        assert!(finished.stdout.is_empty());
    }
    command_on_run("cancel", "r1", &server.uri()).run().expect(0).says(["already cancelled"]);
    assert_eq!(server.command(&["HGET", "cascade:run:r1:meta", "state"]), "cancelled");
    command_on_run("watch", "r1", &server.uri()).run().expect(130);
    open(&project, "bcdef");
    let resumed = start(project.host(), &server.uri(), "r1", "2").wait().expect(0);
    assert_eq!(resumed.json(), json!({ "all": "abcdef" }));
    assert!(!project.events().tasks("task.started").contains(&"texts[0]".to_owned()), "what is done is kept");
}

#[test]
fn cancel_stops_endless_guests() {
    let server = Redis::start("");
    let project = endless_project();
    let mut running = start(project.host(), &server.uri(), "r1", "1");
    running.until("started");
    let began = Instant::now();
    command_on_run("cancel", "r1", &server.uri()).run().expect(0);
    running.wait().expect(130);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(project.events().of("task.failed").next().expect("it was stopped")["class"], "cancelled");
}

#[test]
fn cancel_reports_the_state_of_the_run() {
    let server = Redis::start("");
    command_on_run("cancel", "nobody", &server.uri()).run().expect(4).says(["nobody"]);
    let project = endless_project();
    let mut running = start(project.host(), &server.uri(), "dead", "1");
    running.until("started");
    running.signal("KILL");
    running.wait();
    std::thread::sleep(Duration::from_millis(100));
    command_on_run("cancel", "dead", &server.uri()).run().expect(0);
    let ended = elements(1, 1);
    ended.host().args(["--state", &server.uri(), "--run-id", "ended"]).run().expect(0);
    command_on_run("cancel", "ended", &server.uri()).run().expect(2).says(["already succeeded"]);
}

#[test]
fn watch_follows_a_run_from_start_to_end() {
    let server = Redis::start("");
    let project = gates::elements("abcd");
    let mut one = start(project.host(), &server.uri(), "r1", "1");
    open(&project, "a");
    one.until("finished   texts[0]");
    let other = start(project.other_host("other.jsonl"), &server.uri(), "r1", "1");
    let began = || server.command(&["XRANGE", "cascade:run:r1:events", "-", "+"]);
    wait_until("the other host does not tell that it came", || began().matches("run.started").count() == 2);
    let events = command_on_run("watch", "r1", &server.uri()).args(["--json"]).start();
    let people = command_on_run("watch", "r1", &server.uri()).start();
    open(&project, "bcd");
    one.wait().expect(0);
    other.wait().expect(0);
    let events = Events::read(&events.wait().expect(0).text());
    let finished_tasks: BTreeSet<String> = events.tasks("task.finished").into_iter().collect();
    let expected = ["all", "texts", "texts[0]", "texts[1]", "texts[2]", "texts[3]"].map(str::to_owned);
    assert_eq!(finished_tasks, BTreeSet::from(expected));
    assert_eq!((events.of("run.started").count(), events.of("run.finished").count()), (2, 2));
    let text = people.wait().expect(0).text();
    assert_eq!(
        (text.matches("run        test").count(), text.matches("succeeded  2 done").count()),
        (1, 1),
        "{text}"
    );
    // Watching an ended run prints everything at once.
    let later = command_on_run("watch", "r1", &server.uri()).run().expect(0);
    assert_eq!(later.text(), text);
    assert!(later.took < Duration::from_secs(5), "{:?}", later.took);
    command_on_run("watch", "nobody", &server.uri()).run().expect(4);
}

#[test]
fn watch_exits_with_the_code_of_a_failed_run() {
    let server = Redis::start("");
    let project = Project::basic("[tasks.bad]\ncall = \"g.trap\"\n");
    project.host().args(["--state", &server.uri(), "--run-id", "r1"]).run().expect(1);
    let watched = command_on_run("watch", "r1", &server.uri()).run().expect(1);
    assert!(watched.text().contains("failed     bad  trap"), "{}", watched.text());
}

#[test]
fn watch_survives_cut_connections() {
    let server = Redis::start("");
    let project = elements(6, 150);
    let mut running = start(project.host(), &server.uri(), "r1", "1");
    running.until("started");
    let proxy = Proxy::start(server.port(), 1500, 6);
    let uri = format!("redis://127.0.0.1:{}", proxy.port());
    let events = command_on_run("watch", "r1", &uri).args(["--json"]).run().expect(0);
    running.wait().expect(0);
    assert!(proxy.cuts() > 0, "nothing was cut");
    let mut finished_tasks = Events::read(&events.text()).tasks("task.finished");
    finished_tasks.sort_unstable();
    assert_eq!(finished_tasks.len(), 8, "each once: {finished_tasks:?}");
}

#[test]
fn events_file_is_locked_by_one_host() {
    let server = Redis::start("");
    let project = endless_project();
    let mut one = start(project.host(), &server.uri(), "r1", "1");
    one.until("started");
    let other = start(project.host(), &server.uri(), "r1", "1").wait().expect(2);
    other.says([
        "another host is writing its events to `events.jsonl`",
        "use a different `--events` file for each host",
    ]);
    let started = || project.events().tasks("task.started");
    wait_until("the events of the first host are lost", || started() == ["endless"]);
    one.signal("KILL");
    one.wait();
    let mut again = start(project.host(), &server.uri(), "r1", "1");
    again.until("started");
    // Devices need no lock. Each host has its own run, so that both begin one, whichever is first.
    let state = server.uri();
    let devices = ["r2", "r3"].map(|run| {
        let nowhere = ["--events", "/dev/null", "--run-id", run, "--state", &state, "--log-level", "debug"];
        project.command("run").args(nowhere).start()
    });
    for mut host in devices {
        host.until("run        test");
        host.signal("KILL");
        host.wait();
    }
    again.signal("KILL");
    again.wait();
}

#[test]
fn show_lists_hosts_leases_and_attempts() {
    let server = Redis::start("");
    let project = endless_project();
    let mut running = start(project.host(), &server.uri(), "r1", "1");
    running.until("started");
    let shown = command_on_run("show", "r1", &server.uri()).args(["--json"]).run().expect(0).json();
    let task = &shown["tasks"][0];
    assert_eq!((&task["state"], &task["attempts"]), (&json!("running"), &json!(1)));
    assert_eq!(task["host"], shown["hosts"][0]);
    assert!((1..=10_000).contains(&task["lease_ms"].as_u64().expect("a lease")), "{task}");
    let text = command_on_run("show", "r1", &server.uri()).run().expect(0).text();
    assert!(text.contains("attempt 1, on ") && text.contains(", lease "), "{text}");
    running.signal("KILL");
    running.wait();
}

#[test]
fn restarted_host_does_not_wait_for_the_lease_of_its_killed_predecessor() {
    let server = Redis::start("");
    let uri = format!("{}?lease=10m", server.uri());
    let project = gates::elements("abcdefgh");
    let mut living = start(project.host(), &uri, "r1", "1");
    living.until("started");
    let mut killed = start(project.other_host("killed.jsonl"), &uri, "r1", "1");
    killed.until("started    texts");
    killed.signal("KILL");
    killed.wait();
    open(&project, "abcdefgh");
    let again = start(project.other_host("again.jsonl"), &uri, "r1", "1").wait().expect(0);
    assert_eq!(again.json(), json!({ "all": "abcdefgh" }));
    assert_eq!(living.wait().expect(0).json(), json!({ "all": "abcdefgh" }));
    let taken = project.events().of("task.taken_over").count()
        + project.events_in("again.jsonl").of("task.taken_over").count();
    assert!((1..=2).contains(&taken), "what it was at, and what it may have claimed ahead: {taken}");
}

/// Starts a host as a user who sees no foreign processes, as under `hidepid` and systemd's `ProtectProc`.
fn by_user(user: u32, host: Host) -> Host {
    // The binary may lie where only root can go.
    let script = format!(
        "mount -t proc -o hidepid=invisible proc /proc\n: > host-{user}\nmount --bind \"$0\" host-{user}\n\
         exec setpriv --reuid {user} --regid {user} --clear-groups ./host-{user} \"$@\""
    );
    host.behind("unshare", &["-m", "sh", "-ec", &script]).env("CASCADE_CODE_CACHE", "")
}

#[test]
fn hidden_host_is_not_declared_dead() {
    if is_declined("hidepid") {
        return; // declined by `CASCADE_TEST_WITHOUT`
    }
    let server = Redis::start("");
    let project = gates::elements("ab");
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    let guest = build_rust_guests().join("basic.wasm");
    project.file("manifest.toml", manifest.replace(&guest.display().to_string(), "g.wasm").as_bytes());
    project.file("g.wasm", &std::fs::read(guest).expect("the guest was built"));
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(project.folder(), all).expect("the folder is the test's");
    let mut one = start(by_user(2001, project.host()), &server.uri(), "r1", "1");
    one.until("started    texts[0]");
    let mut other = start(by_user(2002, project.other_host("other.jsonl")), &server.uri(), "r1", "1");
    other.until("started    texts[");
    open(&project, "ab");
    for host in [one, other] {
        assert_eq!(host.wait().expect(0).json(), json!({ "all": "ab" }));
    }
    for events in [project.events(), project.events_in("other.jsonl")] {
        assert_eq!(events.of("task.lease_lost").count() + events.of("task.taken_over").count(), 0);
        assert_eq!(events.tasks("task.started").iter().filter(|task| task.starts_with("texts[")).count(), 1);
    }
}

#[test]
fn guests_on_every_core_do_not_delay_heartbeats() {
    let server = Redis::start("");
    let uri = format!("{}?lease=3s", server.uri());
    let project = elements(16, 500);
    let mut busy = start(project.host(), &uri, "r1", "16");
    busy.until("started");
    let idle = start(project.other_host("idle.jsonl"), &uri, "r1", "1");
    busy.wait().expect(0);
    idle.wait().expect(0);
    for events in [project.events(), project.events_in("idle.jsonl")] {
        assert_eq!(events.of("task.lease_lost").count() + events.of("task.taken_over").count(), 0);
    }
}

#[test]
fn partitioned_host_stops_its_guests_and_another_takes_over() {
    let server = Redis::start("");
    let proxy = Proxy::start(server.port(), u64::MAX, 0);
    let uri = |port: u16| format!("redis://127.0.0.1:{port}?lease=1s");
    let project = gates::elements("a");
    let mut cut_off = start(project.host(), &uri(proxy.port()), "r1", "1");
    cut_off.until("started    texts[0]");
    proxy.partition();
    let began = Instant::now();
    cut_off.until("lost       texts[0]");
    // Waiting for a reply alone would take twice as long.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    open(&project, "a");
    let other = start(project.other_host("other.jsonl"), &uri(server.port()), "r1", "1").wait().expect(0);
    assert_eq!(other.json(), json!({ "all": "a" }));
    assert!(project.events_in("other.jsonl").tasks("task.started").contains(&"texts[0]".to_owned()));
    cut_off.signal("KILL");
    cut_off.wait();
}

#[test]
fn paused_host_keeps_tasks_that_nobody_took_over() {
    let server = Redis::start("");
    let uri = format!("{}?lease=4s", server.uri());
    let project = gates::elements("abc");
    let mut paused = start(project.host(), &uri, "r1", "1");
    paused.until("started    texts[0]");
    paused.signal("STOP");
    std::thread::sleep(Duration::from_millis(4500));
    paused.signal("CONT");
    open(&project, "abc");
    assert_eq!(paused.wait().expect(0).json(), json!({ "all": "abc" }));
    assert_eq!(project.events().of("task.lease_lost").count(), 0);
}

#[test]
fn removed_run_ends_its_host_and_is_not_recreated() {
    let server = Redis::start("");
    let project = gates::elements("ab");
    let mut running = start(project.host(), &server.uri(), "r1", "1");
    open(&project, "a");
    running.until("finished   texts[0]");
    command_on_run("rm", "r1", &server.uri()).run().expect(3).says(["which a host works on"]);
    command_on_run("rm", "r1", &server.uri()).args(["--force"]).run().expect(0);
    let finished = running.wait().expect(4).says(["was removed"]);
    assert!(finished.stdout.is_empty());
    assert_eq!(server.command(&["KEYS", "cascade:run:r1:*"]), "cascade:run:r1:wake");
    assert_eq!(server.command(&["ZCARD", "cascade:runs"]), "0");
    command_on_run("watch", "r1", &server.uri()).run().expect(4);
}

#[test]
fn concurrent_hosts_compute_a_shared_result_once() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = elements(4, 400);
    let cached = |host: Host| host.args(["--cache", &uri]);
    let one = start(cached(project.host()), &uri, "r1", "2");
    let other = start(cached(project.other_host("other.jsonl")), &uri, "r2", "2");
    assert_eq!(one.wait().expect(0).json(), other.wait().expect(0).json());
    let (one, other) = (project.events(), project.events_in("other.jsonl"));
    let is_element = |task: &String| task.contains('[');
    let count = |kind: &str| {
        let all = one.tasks(kind).into_iter().chain(other.tasks(kind));
        all.filter(is_element).count()
    };
    assert_eq!((count("task.started"), count("task.cached")), (4, 4));
    assert_eq!(server.command(&["KEYS", "cascade:making:*"]), "", "nobody makes anything any more");
}

#[test]
fn lease_outside_its_range_is_refused() {
    let project = elements(1, 1);
    for lease in ["10ms", "2h"] {
        let uri = format!("redis://127.0.0.1:1?lease={lease}");
        project.host().args(["--state", &uri]).run().expect(2).says(["lease", "`1s` to `1h`"]);
    }
}

#[test]
fn write_is_committed_once_a_replica_has_it() {
    let server = Redis::start("");
    let replica = Redis::start(&format!("replicaof 127.0.0.1 {}", server.port()));
    let replication = || server.command(&["INFO", "replication"]);
    wait_until("the replica does not come", || replication().contains("state=online"));
    let project = gates::elements("abcdef");
    let uri = format!("{}?durability=replica:1", server.uri());
    let mut running = start(project.host(), &uri, "r1", "1");
    open(&project, "ab");
    running.until("finished   texts[1]");
    // What is reported as finished must be on the replica, whatever happens to the server.
    assert_eq!(replica.command(&["HEXISTS", "cascade:run:r1:results", "texts[1]"]), "1");
    replica.signal("STOP");
    open(&project, "cdef");
    std::thread::sleep(Duration::from_millis(1500));
    let finished_tasks = project.events().tasks("task.finished");
    assert!(!finished_tasks.contains(&"texts[2]".to_owned()), "it waits for the replica: {finished_tasks:?}");
    replica.signal("CONT");
    assert_eq!(running.wait().expect(0).json(), json!({ "all": "abcdef" }));
    assert_eq!(replica.command(&["HLEN", "cascade:run:r1:results"]), "8");
}

#[test]
fn server_without_disk_durability_is_refused() {
    let server = Redis::start("appendonly yes");
    let version = server.command(&["INFO", "server"]);
    let can = !["redis_version:6.", "redis_version:7.0"].iter().any(|old| version.contains(old));
    let project = elements(2, 1);
    let uri = format!("{}?durability=aof:1", server.uri());
    let finished = project.host().args(["--state", &uri, "--run-id", "r1"]).run();
    if can {
        finished.expect(0);
    } else {
        finished.expect(3).says(["WAITAOF"]);
    }
}
