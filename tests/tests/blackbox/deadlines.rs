//! Deadlines of tasks, pipelines and runs: over attempts, elements and hosts, by the clock of the state backend.
//! Their clocks are tested by the conformance suite of ledgers, single calls beside the engine.

use crate::gates::{self, open};
use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Events, Finished, Host, Project, Redis};
use serde_json::{Value, json};
use std::time::Duration;

/// Runs a check with the state in memory, and then in Redis.
fn everywhere(check: impl Fn(&str)) {
    let server = Redis::start("");
    for uri in ["memory:", &server.uri()] {
        check(uri);
    }
}

fn run(project: &Project, uri: &str) -> Finished {
    project.host().args(["--state", uri, "--run-id", "r1", "-j", "2"]).run()
}

/// The failures of nodes: name, class and message.
fn failures(events: &Events) -> Vec<(String, String)> {
    let names = events.tasks("task.failed");
    let classes = events.of("task.failed").map(|event| event["class"].as_str().unwrap_or("?").to_owned());
    names.into_iter().zip(classes).collect()
}

/// The time between two events, by their timestamps.
fn between(first: &Value, last: &Value) -> Duration {
    let millis = |event: &Value| {
        let (_, time) = event["ts"].as_str().and_then(|text| text.split_once('T')).expect("a timestamp");
        let parts =
            time.trim_end_matches('Z').splitn(3, ':').map(|part| part.parse::<f64>().expect("a number"));
        parts.fold(0.0, |sum, part| sum * 60.0 + part)
    };
    // Midnight may lie between them.
    Duration::from_secs_f64((millis(last) - millis(first)).rem_euclid(86_400.0))
}

#[test]
fn task_ends_at_its_deadline_whatever_it_does() {
    everywhere(|uri| {
        let project = gates::project(&format!(
            "[resources]\none = 1\n\
             [tasks.runs]\ncall = \"g.spin\"\ndeadline = \"400ms\"\nretry = 9\n\
             [tasks.waits]\ncall = \"g.trap\"\ndeadline = \"400ms\"\nretry = {{ attempts = 9, delay = \"1h\" }}\n\
             [tasks.late]\ncall = \"g.echo-u32\"\nargs.value = 1\nafter = [\"runs\"]\n\
             [tasks.value]\ncall = \"g.await-file\"\nargs.path = \"a\"\ndeadline = \"400ms\"\non-error = \"failure\"\n{}",
            gates::GRANTS
        ));
        let finished =
            project.host().args(["--state", uri, "--keep-going", "--run-id", "r1"]).run().expect(1);
        finished.says(["`deadline` = 400ms reached: the task had not ended"]);
        let events = project.events();
        let mut failed = failures(&events);
        failed.sort();
        assert_eq!(failed, [("runs".into(), "timeout".into()), ("waits".into(), "timeout".into())]);
        assert_eq!(events.tasks("task.retrying"), ["waits"]);
        assert_eq!(events.tasks("task.skipped"), ["late"]);
        assert!(events.tasks("task.finished").contains(&"value".to_owned()));
        if uri == "memory:" {
            return;
        }
        let shown = Host::new(["show", "r1", "--json", "--state", uri]).run().expect(0).json();
        let row =
            |name: &str| shown["tasks"].as_array().unwrap().iter().find(|row| row["name"] == name).cloned();
        let failure = row("waits").expect("a row")["failure"].clone();
        assert_eq!(failure["class"], "timeout");
        // A failed task runs again when the run is resumed, and has all of its time again.
        let began = run(&project, uri).expect(1);
        assert!(began.took > Duration::from_millis(400));
    });
}

#[test]
fn elements_that_have_not_ended_are_left_out() {
    everywhere(|uri| {
        let project = gates::project(&format!(
            "[tasks.list]\ncall = \"g.await-file\"\nfor-each.x = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n\
             args.path = {{ item = \"x\" }}\ndeadline = \"3s\"\non-error = \"skip\"\n{}\
             [outputs]\nlist = {{ task = \"list\" }}\n",
            gates::GRANTS
        ));
        open(&project, "ac");
        let finished = run(&project, uri).expect(0);
        assert_eq!(finished.json(), json!({ "list": ["a", "c"] }));
        let message = "3 of 5 elements of `list` failed, and `on-error = \"skip\"` leaves them out: `list[1]`, \
                       `list[3]`, `list[4]`";
        finished.says([message]);
        let skipped = project.events();
        let skipped: Vec<_> = skipped.of("task.skipped").map(|event| event["class"].clone()).collect();
        assert_eq!(skipped, ["timeout"; 3]);
    });
}

#[test]
fn elements_that_flow_from_others_end_at_their_own_deadline() {
    everywhere(|uri| {
        let project = gates::project(&format!(
            "[tasks.first]\ncall = \"g.await-file\"\nfor-each.x = [\"a\", \"b\"]\nargs.path = {{ item = \"x\" }}\n{}\
             [tasks.second]\ncall = \"g.echo-string\"\nfor-each.x = {{ task = \"first\" }}\nargs.value = {{ item = \"x\" }}\n\
             deadline = \"2s\"\non-error = \"failure\"\n",
            gates::GRANTS
        ));
        open(&project, "a");
        let mut running = project.host().args(["--state", uri, "--run-id", "r1", "-j", "2"]).start();
        // The second list ends although the first one has not.
        running.until("finished   second");
        open(&project, "b");
        let output = running.wait().expect(0).json();
        assert_eq!(output["second"][0], json!({ "ok": "a" }));
        assert_eq!(output["second"][1]["err"]["class"], "timeout");
    });
}

#[test]
fn pipeline_ends_at_its_deadline() {
    everywhere(|uri| {
        let project = Project::basic("[tasks.p]\nmanifest = \"p.toml\"\ndeadline = \"500ms\"\n");
        project.include(
            "p.toml",
            "[tasks.quick]\ncall = \"g.echo-u32\"\nargs.value = 1\n[tasks.slow]\ncall = \"g.spin\"\n\
             [tasks.next]\ncall = \"g.echo-u32\"\nargs.value = 2\nafter = [\"slow\"]\n",
        );
        run(&project, uri).expect(1).says(["`deadline` = 500ms of `p` reached: the task had not ended"]);
        let events = project.events();
        assert_eq!(failures(&events), [("p/slow".into(), "timeout".into())]);
        assert_eq!(events.tasks("task.finished"), ["p/quick"]);
        assert_eq!(events.tasks("task.skipped"), ["p/next"]);
    });
}

#[test]
fn run_ends_at_its_deadline_and_can_be_resumed() {
    let server = Redis::start("");
    let project = gates::project("");
    let manifest = |head: &str| {
        format!(
            "cascade = 1\nname = \"test\"\n{head}[components.g]\npath = \"{{guest:basic}}\"\n\
             [tasks.quick]\ncall = \"g.echo-u32\"\nargs.value = 1\n\
             [tasks.slow]\ncall = \"g.await-file\"\nargs.path = \"a\"\n{}",
            gates::GRANTS
        )
    };
    project.write(&manifest("deadline = \"1s\"\n"));
    let plan = project.command("plan").run().expect(0);
    assert!(plan.text().contains("2 tasks: 2 run, deadline 1s"), "{}", plan.text());
    for uri in ["memory:", &server.uri()] {
        run(&project, uri).expect(1).says(["reached its `deadline`", "timeout"]);
        let events = project.events();
        assert_eq!(failures(&events), [("slow".into(), "cancelled".into())]);
        assert_eq!(events.of("run.finished").next().expect("an end")["status"], "timeout");
    }
    let command = |words: [&str; 2]| Host::new(words).args(["--state", &server.uri()]);
    let listed = Host::new(["runs", "--json", "--state", &server.uri()]).run().expect(0).json();
    assert_eq!(listed["runs"][0]["status"], "timeout");
    command(["watch", "r1"]).run().expect(1);
    command(["cancel", "r1"]).run().expect(2).says(["has already timed out"]);
    // Another deadline is the same plan.
    project.write(&manifest("deadline = \"1h\"\n"));
    open(&project, "a");
    assert_eq!(run(&project, &server.uri()).expect(0).json(), json!({ "quick": 1, "slow": "a" }));
    assert_eq!(project.events().tasks("task.started"), ["slow"]);
}

#[test]
fn deadline_goes_on_when_its_host_is_killed() {
    const DEADLINE: Duration = Duration::from_secs(8);
    let server = Redis::start("");
    let uri = format!("{}?lease=1s", server.uri());
    let project = gates::project(&format!(
        "[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"a\"\ndeadline = \"8s\"\nretry = 5\n{}",
        gates::GRANTS
    ));
    let start = |host: Host| {
        host.args(["--state", &uri, "--run-id", "r1", "-j", "1", "--log-level", "debug"]).start()
    };
    let mut one = start(project.host());
    one.until("started    t");
    let other = start(project.other_host("other.jsonl"));
    std::thread::sleep(Duration::from_secs(3));
    one.signal("KILL");
    one.wait();
    other.wait().expect(1).says(["`deadline` = 8s reached"]);
    let other = project.events_in("other.jsonl");
    let started = other.of("task.taken_over").next().expect("a takeover");
    let failed = other.of("task.failed").next().expect("a failure");
    assert_eq!(failed["class"], "timeout");
    let took = between(started, failed);
    assert!(took + Duration::from_secs(2) < DEADLINE, "the other host had {took:?}");
    let first = project.events();
    let whole = between(first.of("task.started").next().expect("a start"), failed);
    assert!(whole + Duration::from_millis(200) > DEADLINE, "{whole:?}");
}

#[test]
fn interrupted_run_has_the_time_that_is_left() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        "[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"a\"\ndeadline = \"8s\"\n{}",
        gates::GRANTS
    ));
    let start =
        || project.host().args(["--state", &server.uri(), "--run-id", "r1", "--log-level", "debug"]).start();
    let mut running = start();
    running.until("started    t");
    std::thread::sleep(Duration::from_secs(3));
    running.signal("INT");
    running.until("again");
    running.signal("INT");
    running.wait().expect(130);
    // No host works on the run: this time does not count.
    std::thread::sleep(Duration::from_secs(6));
    start().wait().expect(1).says(["`deadline` = 8s reached"]);
    let events = project.events();
    let (started, failed) = (events.of("task.started").next(), events.of("task.failed").next());
    let took = between(started.expect("a start"), failed.expect("a failure"));
    assert!((Duration::from_millis(500)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

#[test]
fn deadline_passes_while_the_host_is_interrupted() {
    everywhere(|uri| {
        let project = gates::project(&format!(
            "[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"a\"\ndeadline = \"3s\"\n{}",
            gates::GRANTS
        ));
        let mut running =
            project.host().args(["--state", uri, "--run-id", "r1", "--log-level", "debug"]).start();
        running.until("started    t");
        running.signal("INT");
        running.wait().says(["`deadline` = 3s reached"]);
        assert_eq!(failures(&project.events()), [("t".into(), "timeout".into())]);
    });
}

#[test]
fn time_without_a_host_does_not_count_after_a_kill() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        "[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"a\"\ndeadline = \"6s\"\n{}",
        gates::GRANTS
    ));
    let start =
        || project.host().args(["--state", &server.uri(), "--run-id", "r1", "--log-level", "debug"]).start();
    let mut running = start();
    running.until("started    t");
    running.signal("KILL");
    running.wait();
    // No host works on the run for longer than the deadline.
    std::thread::sleep(Duration::from_secs(7));
    let mut running = start();
    running.until("started    t");
    open(&project, "a");
    assert_eq!(running.wait().expect(0).json(), json!({ "t": "a" }));
}

#[test]
fn guest_is_told_the_time_that_is_left() {
    let left = |head: &str, task: &str| {
        let guest = named("a", Guest::HostCalls);
        let text =
            format!("{head}{guest}grants.context = true\n[tasks.t]\ncall = \"a.attempt-info\"\n{task}");
        Project::new(&text).run().expect(0).json()["t"]["deadline-ms"].as_u64().expect("a number")
    };
    assert!((240_000..=300_000).contains(&left("", "")));
    assert!((1..=60_000).contains(&left("", "deadline = \"1m\"\n")));
    assert!((1..=60_000).contains(&left("deadline = \"1m\"\n", "deadline = \"2m\"\n")));
    assert!((1..=30_000).contains(&left("deadline = \"1m\"\n", "timeout = \"30s\"\n")));
}

#[test]
fn many_elements_end_together() {
    everywhere(|uri| {
        let project = Project::basic(
            "[tasks.t]\ncall = \"g.slow-echo\"\nfor-each.x = { range = 10_000 }\n\
             args = { text = \"x\", ms = 3600000 }\ndeadline = \"2s\"\non-error = \"failure\"\n\
             [tasks.n]\ncall = \"std.length\"\nargs.items = { task = \"t\" }\n[outputs]\nn = { task = \"n\" }\n",
        );
        let finished = run(&project, uri).expect(0);
        assert_eq!(finished.json(), json!({ "n": 10_000 }));
        assert!(finished.took < Duration::from_mins(1), "{:?}", finished.took);
    });
}

#[test]
fn tests_of_a_manifest_see_the_deadline_of_the_run() {
    let project = Project::new(
        "deadline = \"300ms\"\n[components.g]\npath = \"{guest:basic}\"\n\
         [tasks.t]\ncall = \"g.trap\"\nretry = { attempts = 2, delay = \"1h\", jitter = false }\n\
         [[tests]]\nname = \"late\"\nfails = \"timeout\"\n[[tests]]\nname = \"in time\"\nexpect = {}\n",
    );
    let text = project.command("test").run().expect(1).text();
    for line in ["passed  late", "failed  in time", "the run reached its `deadline`", "1 passed, 1 failed"] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn elements_of_a_list_that_has_not_begun_are_left_out() {
    everywhere(|uri| {
        let project = gates::project(&format!(
            "[params.which]\ntype = \"string\"\ndefault = \"a\"\n\
             [tasks.slow]\ncall = \"g.await-file\"\nargs.path = \"a\"\n{}\
             [tasks.t]\ncall = \"g.concat\"\nfor-each.x = [\"1\", \"2\"]\ndeadline = \"400ms\"\non-error = \"skip\"\n\
             args.parts = [{{ item = \"x\" }}, {{ select = {{ param = \"which\" }}, cases = {{ a = {{ task = \"slow\" }} }} }}]\n",
            gates::GRANTS
        ));
        let mut running = project.host().args(["--state", uri, "--run-id", "r1"]).start();
        let before = running.until("left out   t[1]");
        open(&project, "a");
        let finished = running.wait().expect(0);
        assert_eq!(finished.json()["t"], json!([]));
        let log = before + &finished.stderr;
        assert!(log.contains("`deadline` = 400ms reached: the task had not ended"), "{log}");
        finished.says(["2 of 2 elements of `t` failed"]);
    });
}

#[test]
fn readers_see_what_deadlines_leave_and_the_last_attempt_is_named() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        "[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"a\"\ndeadline = \"1h\"\n{}\
         [tasks.fails]\ncall = \"g.trap\"\ndeadline = \"500ms\"\nretry = {{ attempts = 9, delay = \"1h\" }}\n",
        gates::GRANTS
    ));
    let host = project.host().args([
        "--state",
        &server.uri(),
        "--run-id",
        "r1",
        "--keep-going",
        "--log-level",
        "debug",
    ]);
    let mut running = host.start();
    running.until("`deadline` = 500ms reached: the task had not ended; attempt 1 had failed: trap: ");
    let show = |more: &str| Host::new(["show", "r1", "--state", &server.uri(), more]).run().expect(0);
    let left = show("--json").json()["deadlines"].clone();
    assert_eq!((&left[0]["name"], left.as_array().map(Vec::len)), (&json!("t"), Some(1)));
    assert!(show("--log-level=info").text().contains("deadline of t in 59m "));
    open(&project, "a");
    running.wait().expect(1);
}

#[test]
fn failure_of_an_attempt_on_another_host_is_told() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.trap\"\ndeadline = \"3s\"\nretry = { attempts = 9, delay = \"1h\", jitter = false }\n",
    );
    let host = |events: &str| {
        project.other_host(events).args(["--state", &server.uri(), "--run-id", "r1", "--log-level", "debug"])
    };
    let mut first = host("first.jsonl").start();
    first.until("retrying   t");
    let mut second = host("second.jsonl").start();
    second.until("run        test");
    // The note of the attempt is stored within a tenth of a second, and the host leaves in order.
    first.signal("INT");
    first.wait().expect(130);
    let finished = second.wait().expect(1);
    let said = "`deadline` = 3s reached: the task had not ended; attempt 1 had failed: trap: ";
    assert!(finished.stderr.contains(said), "{finished:?}");
}
