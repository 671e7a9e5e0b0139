//! Resources of all runs, and rates: who holds, who waits, who is next, and what comes back from the dead.
//! Resources of one run or host are in `policies`.

use crate::gates::{self, open};
use cascade_host_tests::{Events, Host, Project, Redis, Running, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Creates a project whose task `t` holds `gpu` until the gate named by the param opens, beside a task `free`.
fn project(gpu: &str) -> Project {
    gates::project(&format!(
        "[params.gate]\ntype = \"string\"\n[resources]\ngpu = {gpu}\n\
         [tasks.t]\ncall = \"g.await-file\"\nargs.path = {{ param = \"gate\" }}\nresources = {{ gpu = 1 }}\n{}\
         [tasks.free]\ncall = \"g.double\"\nargs.x = 2\n",
        gates::GRANTS
    ))
}

const ONE: &str = "{ amount = 1, scope = \"backend\" }";

/// Starts a run of its own, whose task waits at a gate.
fn start(project: &Project, uri: &str, (run, gate): (&str, &str)) -> Running {
    let gate = format!("gate={gate}");
    let host = project.other_host(&format!("{run}.jsonl"));
    host.args(["--state", uri, "--run-id", run, "-j", "1", "--log-level", "debug", "-p", &gate]).start()
}

fn resources(uri: &str) -> Value {
    Host::new(["resources", "--json", "--state", uri]).run().expect(0).json()["resources"].clone()
}

fn names(resource: &Value, key: &str) -> Vec<String> {
    let list = resource[key].as_array().expect("it is a list");
    list.iter().map(|row| format!("{} {}", row["run"], row["task"]).replace('"', "")).collect()
}

/// Starts run `one`, which holds the resource, and run `two`, which waits for it.
fn holder_and_waiter(project: &Project, uri: &str) -> (Running, Running) {
    let mut one = start(project, uri, ("one", "a"));
    one.until("started    t");
    let mut two = start(project, uri, ("two", "b"));
    two.until("waits for `gpu`: held by run `one`, task `t` (1 of 1)");
    (one, two)
}

#[test]
fn run_waits_for_what_another_run_holds_and_says_who() {
    let server = Redis::start("");
    let project = project(ONE);
    let (one, mut two) = holder_and_waiter(&project, &server.uri());
    two.until("finished   free");
    let gpu = resources(&server.uri())[0].clone();
    assert_eq!((&gpu["name"], &gpu["amount"], &gpu["held"]), (&json!("gpu"), &json!(1), &json!(1)));
    assert_eq!(
        (names(&gpu, "holders"), names(&gpu, "waiting")),
        (vec!["one t".into()], vec!["two t".into()])
    );
    let table = Host::new(["resources", "--state", &server.uri()]).run().expect(0).text();
    assert!(table.starts_with("gpu  1 of 1 held, declared by run one\n  holds  one  t  1 for "), "{table}");
    let shown = |run| Host::new(["show", run, "--state", &server.uri()]).run().expect(0).text();
    assert!(shown("two").contains("waits for gpu"), "{}", shown("two"));
    assert!(shown("one").contains("holds gpu"), "{}", shown("one"));
    open(&project, "ab");
    assert_eq!(one.wait().expect(0).json()["t"], "a");
    assert_eq!(two.wait().expect(0).json()["t"], "b");
    let events = project.events_in("two.jsonl");
    let blocked = events.of("task.blocked").next().expect("it was blocked");
    assert_eq!((&blocked["holder"]["run"], &blocked["held"]), (&json!("one"), &json!(1)));
    assert!(project.events_in("one.jsonl").of("task.blocked").next().is_none());
    wait_until("nothing is taken", || resources(&server.uri()) == json!([]));
}

#[test]
fn runs_take_turns_in_the_order_of_waiting_and_by_priority() {
    let server = Redis::start("");
    let project = project(ONE);
    let urgent = gates::project(&format!(
        "[resources]\ngpu = {ONE}\n[tasks.t]\ncall = \"g.await-file\"\nargs.path = \"d\"\nresources = {{ gpu = 1 }}\n\
         priority = 7\n{}",
        gates::GRANTS
    ));
    let mut hosts: Vec<Running> = ["one", "two", "six"]
        .into_iter()
        .zip(["a", "b", "c"])
        .map(|(run, gate)| {
            let mut host = start(&project, &server.uri(), (run, gate));
            host.until(if run == "one" { "started    t" } else { "waits for `gpu`" });
            host
        })
        .collect();
    let flags = ["--state", &server.uri(), "--run-id", "urgent", "--log-level", "debug"];
    let mut urgent_host = urgent.other_host("urgent.jsonl").args(flags).start();
    urgent_host.until("waits for `gpu`");
    let waiting = names(&resources(&server.uri())[0], "waiting");
    assert_eq!(waiting, ["urgent t", "two t", "six t"]);
    open(&project, "abc");
    open(&urgent, "d");
    hosts.push(urgent_host);
    for host in hosts {
        host.wait().expect(0);
    }
    let started =
        |project: &Project, run: &str| time_of(&project.events_in(&format!("{run}.jsonl")), "task.started");
    let order = [
        started(&project, "one"),
        started(&urgent, "urgent"),
        started(&project, "two"),
        started(&project, "six"),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

/// Returns the time of the first event of this kind about `t`.
fn time_of(events: &Events, kind: &str) -> String {
    let found = events.of(kind).find(|event| event["task"] == "t").expect("there is one");
    found["ts"].as_str().expect("it has a time").to_owned()
}

#[test]
fn what_a_killed_host_held_comes_back_with_its_lease() {
    let server = Redis::start("");
    let uri = format!("{}?lease=2s", server.uri());
    let project = project(ONE);
    let (one, mut two) = holder_and_waiter(&project, &uri);
    open(&project, "b");
    one.signal("KILL");
    one.wait();
    let since = Instant::now();
    two.until("started    t");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    two.wait().expect(0);
    open(&project, "a");
    let again = start(&project, &uri, ("one", "a")).wait().expect(0);
    assert_eq!(again.json()["t"], "a");
}

#[test]
fn guest_is_stopped_once_its_resource_is_lost() {
    let server = Redis::start("");
    let uri = format!("{}?lease=1s", server.uri());
    let project = project(ONE);
    let (mut one, mut two) = holder_and_waiter(&project, &uri);
    one.signal("STOP");
    two.until("started    t");
    one.signal("CONT");
    one.until("lease lost");
    open(&project, "ab");
    two.wait().expect(0);
    one.wait().expect(0);
    let lost = time_of(&project.events_in("one.jsonl"), "task.lease_lost");
    assert!(time_of(&project.events_in("two.jsonl"), "task.started") < lost);
}

#[test]
fn hosts_of_several_runs_share_a_rate() {
    let server = Redis::start("");
    let project = Project::basic(
        "[resources]\napi = { rate = \"20/s\", burst = 3, scope = \"backend\" }\n\
         [tasks.t]\ncall = \"g.double\"\nfor-each.x = [1, 2, 3, 4, 5, 6, 7, 8]\nargs.x = { item = \"x\" }\nresources = { api = 1 }\n",
    );
    let start = |name: &str, run: &str| {
        let host = project.other_host(&format!("{name}.jsonl"));
        host.args(["--state", &server.uri(), "--run-id", run, "-j", "2"]).start()
    };
    let hosts = [("a", "one"), ("b", "one"), ("c", "two")].map(|(name, run)| start(name, run));
    for host in hosts {
        host.wait().expect(0);
    }
    let events = ["a", "b", "c"].map(|name| project.events_in(&format!("{name}.jsonl")));
    let started = events.iter().flat_map(|events| events.of("task.started"));
    let mut times: Vec<i64> = started.map(|event| millis(event["ts"].as_str().expect("a time"))).collect();
    times.sort_unstable();
    assert_eq!(times.len(), 16);
    // In any stretch of time there are at most a burst and what the rate gives. An attempt begins a little after its turn.
    for (first, from) in times.iter().enumerate() {
        for (last, to) in times.iter().enumerate().skip(first) {
            let most = 3 + (to - from + 60) / 50;
            assert!(i64::try_from(last - first).expect("few") < most, "{times:?}");
        }
    }
    let last = times.last().expect("there are some") - times.first().expect("there are some");
    assert!((590..5_000).contains(&last), "{times:?}");
}

/// Returns the milliseconds of a day.
fn millis(time: &str) -> i64 {
    let part = |from: usize, to: usize| -> i64 { time[from..to].parse().expect("it is a time") };
    ((part(11, 13) * 60 + part(14, 16)) * 60 + part(17, 19)) * 1000 + part(20, 23)
}

#[test]
fn rates_hold_in_memory_too() {
    for scope in ["host", "run", "backend"] {
        let project = Project::basic(&format!(
            "[resources]\napi = {{ rate = \"10/s\", scope = \"{scope}\" }}\n\
             [tasks.t]\ncall = \"g.double\"\nfor-each.x = [1, 2, 3, 4]\nargs.x = {{ item = \"x\" }}\nresources = {{ api = 1 }}\n"
        ));
        project.run().expect(0);
        let started: Vec<i64> = project
            .events()
            .of("task.started")
            .map(|event| millis(event["ts"].as_str().expect("a time")))
            .collect();
        let took = started.last().expect("there are some") - started[0];
        assert!((298..2_000).contains(&took), "{started:?}");
    }
}

#[test]
fn first_declaration_counts_and_others_are_told() {
    let server = Redis::start("");
    let first = project("{ amount = 2, scope = \"backend\" }");
    let mut one = start(&first, &server.uri(), ("one", "a"));
    one.until("started    t");
    let other = Project::basic(
        "[resources]\ngpu = { amount = 4, scope = \"backend\" }\n\
         [tasks.small]\ncall = \"g.double\"\nargs.x = 1\nresources = { gpu = 1 }\n\
         [tasks.large]\ncall = \"g.double\"\nargs.x = 2\nresources = { gpu = 3 }\n",
    );
    let flags = ["--state", &server.uri(), "--run-id", "two", "--keep-going"];
    other.host().args(flags).run().expect(1).says([
        "resource `gpu` is 2, as another run has declared it, and not 4",
        "input: the task requests 3 of resource `gpu`, which is 2",
        "`cascade-host resources` lists them",
    ]);
    assert_eq!(other.events().tasks("task.finished"), ["small"]);
    assert_eq!(other.events().of("warning").filter(|event| event["code"] == "resource-differs").count(), 1);
    open(&first, "a");
    one.wait().expect(0);
    let again = other.host().args(flags).run().expect(0);
    assert_eq!(again.json(), json!({ "small": 2, "large": 4 }));
}

#[test]
fn interrupted_host_leaves_the_line_at_once() {
    let server = Redis::start("");
    let project = project(ONE);
    let (one, two) = holder_and_waiter(&project, &server.uri());
    two.signal("INT");
    let since = Instant::now();
    two.wait().expect(130);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(names(&resources(&server.uri())[0], "waiting"), [""; 0]);
    open(&project, "ab");
    one.wait().expect(0);
    assert_eq!(start(&project, &server.uri(), ("two", "b")).wait().expect(0).json()["t"], "b");
}

#[test]
fn cancelled_run_leaves_the_line() {
    let server = Redis::start("");
    let project = project(ONE);
    let (one, two) = holder_and_waiter(&project, &server.uri());
    Host::new(["cancel", "two", "--state", &server.uri()]).run().expect(0);
    two.wait().expect(130);
    assert_eq!(names(&resources(&server.uri())[0], "waiting"), [""; 0]);
    open(&project, "a");
    one.wait().expect(0);
}

#[test]
fn runs_without_such_resources_leave_no_key() {
    let server = Redis::start("");
    let project = Project::basic(
        "[resources]\ngpu = 1\nlicence = { amount = 1, scope = \"run\" }\napi = { rate = \"9/s\", scope = \"backend\" }\n\
         quick = { rate = \"1000/s\" }\n\
         [tasks.t]\ncall = \"g.double\"\nargs.x = 1\nresources = { gpu = 1, licence = 1, quick = 1 }\n",
    );
    project.host().args(["--state", &server.uri()]).run().expect(0);
    assert_eq!(server.command(&["KEYS", "cascade:resources:*"]), "");
    let listed = Host::new(["resources", "--state", &server.uri()]).run().expect(0);
    assert!(listed.stdout.is_empty(), "{}", listed.text());
}

#[test]
fn plan_says_what_a_task_takes() {
    let project = Project::basic(
        "[resources]\ngpu = 1\nlicence = { amount = 3, scope = \"run\" }\napi = { rate = \"10/s\", burst = 20, scope = \"backend\" }\n\
         [tasks.t]\ncall = \"g.double\"\nargs.x = 1\nresources = { gpu = 1, licence = 2, api = 1 }\n",
    );
    let plan = project.command("plan").run().expect(0).text();
    let lines = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    let takes = "takes 1 gpu (1 on each host), 2 licence (3 in the run), 1 api (10/s with bursts of 20 over all runs)";
    assert!(lines.contains(takes), "{plan}");
    let json = project.command("plan").args(["--json"]).run().expect(0).json();
    assert_eq!(json["tasks"][0]["resources"][0], "1 gpu (1 on each host)");
}
