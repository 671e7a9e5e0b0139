//! `show --stats`, `report` and `trace`: figures of a run, a page without scripts, and a trace that viewers open.
//! The figures themselves are tested beside `app/figures`.

use crate::guests::Guest;
use crate::{component, named};
use cascade_host_tests::{Host, Project, Redis};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Elements, a chain of two lists, retries, a failure and a skip.
const TASKS: &str = r#"
[tasks.a]
call = "g.double"
for-each.x = { range = 200 }
args.x = { item = "x" }
[tasks.sum]
call = "g.sum"
args.xs = { task = "a" }
[tasks.flaky]
call = "h.flaky"
args.until = 2
retry = { attempts = 5, delay = "1ms" }
[tasks.bad]
call = "g.panic-with"
args.message = "</pre><script>alert(1)</script> \u001b[31m \u202eexe"
after = ["sum", "flaky"]
[tasks.last]
call = "g.double"
args.x = 1
after = ["bad"]
"#;

fn project() -> Project {
    let grants = "grants.context = true\n";
    Project::new(&format!("{}{grants}{}\n{TASKS}", named("h", Guest::HostCalls), component(Guest::Basic)))
}

fn run(project: &Project, server: &Redis, run: &str) {
    project.host().args(["--state", &server.uri(), "--run-id", run]).run().expect(1);
}

fn ask(server: &Redis, arguments: &[&str]) -> cascade_host_tests::Finished {
    let host = arguments.iter().fold(Host::new([]), |host, argument| host.args([*argument]));
    host.args(["--state", &server.uri()]).run()
}

fn task<'a>(stats: &'a Value, name: &str) -> &'a Value {
    stats["tasks"].as_array().unwrap().iter().find(|task| task["task"] == name).unwrap()
}

#[test]
fn figures_count_calls_attempts_and_the_critical_path() {
    let (server, project) = (Redis::start(""), project());
    run(&project, &server, "r1");
    let stats = ask(&server, &["show", "r1", "--stats", "--json"]).expect(0).json();
    assert_eq!((&stats["v"], &stats["run"], &stats["status"]), (&json!(1), &json!("r1"), &json!("failed")));
    assert_eq!((&stats["calls"], &stats["failed"], &stats["retried"]), (&json!(203), &json!(1), &json!(1)));
    let a = task(&stats, "a");
    assert_eq!((&a["done"], &a["open"]), (&json!(200), &json!(0)));
    let spread = |name: &str| a["duration_ms"][name].as_f64().unwrap();
    assert!(0.0 < spread("p50") && spread("p50") <= spread("p95") && spread("p99") <= spread("max"));
    assert!(a["memory_bytes"].as_u64().unwrap() > 0 && a["memory_limit"] == "256MiB");
    assert_eq!(task(&stats, "last")["done"], 0);
    let path: Vec<&str> =
        stats["critical_path"].as_array().unwrap().iter().filter_map(|step| step["task"].as_str()).collect();
    assert!(path == ["a", "sum", "bad"] || path == ["flaky", "bad"], "{path:?}");
    let attempts: u64 =
        stats["hosts"].as_array().unwrap().iter().filter_map(|host| host["attempts"].as_u64()).sum();
    assert_eq!((attempts, stats["slowest"].as_array().unwrap().len()), (204, 100));
    let text = ask(&server, &["show", "r1", "--stats"]).expect(0).text();
    assert!(
        text.starts_with("r1  failed\n") && text.contains("203 calls, 1 of them failed, 1 retried"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'));
    ask(&server, &["show", "nobody", "--stats"]).expect(4);
}

#[test]
fn cached_results_save_time() {
    let server = Redis::start("");
    let project = Project::basic(
        "[params.xs]\ntype = \"list<u32>\"\n[tasks.a]\ncall = \"g.double\"\nfor-each.x = { param = \"xs\" }\n\
         args.x = { item = \"x\" }\n",
    );
    for (run, xs) in [("r1", "xs=[1, 2, 3]"), ("r2", "xs=[1, 2, 3, 4]")] {
        let host = project.host().args(["--state", &server.uri(), "--run-id", run, "--cache", &server.uri()]);
        host.args(["-p", xs]).run().expect(0);
    }
    let stats = ask(&server, &["show", "r2", "--stats", "--json"]).expect(0).json();
    assert_eq!((&stats["cached"], &stats["calls"]), (&json!(3), &json!(1)));
    assert!(stats["saved_ms"].as_f64().unwrap() > 0.0, "{stats}");
}

#[test]
fn page_has_everything_and_nothing_hostile() {
    let (server, project) = (Redis::start(""), project());
    run(&project, &server, "r1");
    let out = project.folder().join("page.html");
    let out = out.to_str().unwrap();
    let manifest = project.folder().join("manifest.toml");
    ask(&server, &["report", "r1", "-o", out, "--manifest", manifest.to_str().unwrap()])
        .expect(0)
        .says(["wrote "]);
    let page = std::fs::read_to_string(out).unwrap();
    assert!(page.len() < 1_000_000);
    for section in ["failures", "graph", "timeline", "tasks", "slowest", "memory", "plan", "manifest"] {
        assert!(page.contains(&format!("<h2 id=\"{section}\">")), "{section}");
    }
    for wanted in
        ["<th scope=\"row\">a</th>", "panicked at", "&lt;script&gt;alert(1)", "role=\"img\"", "lang=\"en\""]
    {
        assert!(page.contains(wanted), "{wanted}");
    }
    // No script, no request, no control character, no mark of direction.
    for unwanted in ["<script", "src=", "@import", "<link", "<iframe", "javascript:", "\u{1b}", "\u{202e}"] {
        assert!(!page.contains(unwanted), "{unwanted:?}");
    }
    // References stay within the page.
    assert!(page.match_indices("url(").all(|(at, _)| page[at..].starts_with("url(#")));
    let addresses = page.match_indices("http").map(|(at, _)| &page[at..page.len().min(at + 26)]);
    for address in addresses {
        assert!(
            address.starts_with("http-equiv") || address.starts_with("http://www.w3.org/2000/svg"),
            "{address}"
        );
    }
    assert!(page.contains("default-src 'none'"));
    balanced(&page);
    let printed = ask(&server, &["report", "r1", "-o", "-"]).expect(0).text();
    assert!(printed.starts_with("<!doctype html>") && printed.contains("report --manifest FILE"));
    let impossible = manifest.join("page.html");
    ask(&server, &["report", "r1", "-o", impossible.to_str().unwrap()]).expect(2).says(["cannot write"]);
    ask(&server, &["report", "r1", "-o", out, "--manifest", "/nowhere.toml"])
        .expect(2)
        .says(["cannot read the manifest"]);
}

/// Asserts that the elements of the body are closed in order.
fn balanced(page: &str) {
    let body = page
        .split_once("<body>")
        .and_then(|(_, rest)| rest.split_once("</body>"))
        .expect("there is a body")
        .0;
    let mut open: Vec<&str> = Vec::new();
    for part in body.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("each tag ends");
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "</{closed}>"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().unwrap_or_default()),
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn trace_has_hosts_slots_attempts_arrows_and_counters() {
    let (server, project) = (Redis::start(""), project());
    run(&project, &server, "r1");
    let trace = ask(&server, &["trace", "r1"]).expect(0).json();
    assert_eq!(trace["otherData"]["attempts_left_out"], 0);
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |kind: &str| events.iter().filter(|event| event["ph"] == kind).collect::<Vec<_>>();
    assert_eq!(of("X").len(), 204);
    assert!(
        of("X").iter().all(|event| event["dur"].as_i64().unwrap() >= 0 && event["ts"].as_i64().unwrap() >= 0)
    );
    assert_eq!(of("X").iter().filter(|event| event["cat"] == "failed").count(), 2);
    let names: Vec<&str> = of("M").iter().filter_map(|event| event["name"].as_str()).collect();
    assert!(names.contains(&"process_name") && names.contains(&"thread_name"));
    let (starts, ends) = (of("s"), of("f"));
    assert!(!starts.is_empty() && starts.len() == ends.len());
    for counter in ["running", "waiting", "memory"] {
        assert!(of("C").iter().any(|event| event["name"] == counter), "{counter}");
    }
    // Attempts on one slot do not overlap.
    let mut lanes: BTreeMap<(u64, u64), Vec<(i64, i64)>> = BTreeMap::new();
    for event in of("X") {
        let number = |key: &str| event[key].as_i64().unwrap();
        let lane = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        lanes.entry(lane).or_default().push((number("ts"), number("ts") + number("dur")));
    }
    for spans in lanes.values_mut() {
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0));
    }
    let out = project.folder().join("trace.json");
    ask(&server, &["trace", "r1", "-o", out.to_str().unwrap()]).expect(0).says(["ui.perfetto.dev"]);
    assert!(std::fs::metadata(&out).unwrap().len() > 1000);
}

#[test]
fn logs_of_all_tasks_are_merged_by_time() {
    let server = Redis::start("");
    let tasks = "[tasks.first]\ncall = \"h.log-it\"\nargs.text = \"one\"\n\
                 [tasks.each]\ncall = \"h.log-it\"\nfor-each.t = [\"two\", \"three\"]\nargs.text = { item = \"t\" }\n\
                 after = [\"first\"]\nmax-parallel = 1\n\
                 [tasks.last]\ncall = \"h.log-it\"\nargs.text = \"four\"\nafter = [\"each\"]\n";
    let project = Project::new(&format!("{}{tasks}", named("h", Guest::HostCalls)));
    project.host().args(["--state", &server.uri(), "--run-id", "r1"]).run().expect(0);
    let text = ask(&server, &["logs", "r1"]).expect(0).text();
    let nodes: Vec<&str> = text.lines().filter_map(|line| line.split(" | ").next()).collect();
    let mut distinct = nodes.clone();
    distinct.dedup();
    assert_eq!(distinct, ["first", "each[0]", "each[1]", "last"], "{text}");
    assert!(text.contains("first | ") && text.contains("one"), "{text}");
    let lines = ask(&server, &["logs", "r1", "--json"]).expect(0).text();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last["task"], "last");
    let empty = Project::basic("[tasks.a]\ncall = \"g.double\"\nargs.x = 1\n");
    empty.host().args(["--state", &server.uri(), "--run-id", "r2"]).run().expect(0);
    let nothing = ask(&server, &["logs", "r2"]).expect(0).says(["no guest of the run has written anything"]);
    assert_eq!(nothing.text(), "");
    ask(&server, &["logs", "nobody"]).expect(4);
}

#[test]
fn lists_are_filtered_by_status_name_and_time() {
    let server = Redis::start("");
    let project = project();
    run(&project, &server, "bad");
    let good = Project::basic("[tasks.a]\ncall = \"g.double\"\nargs.x = 1\n");
    good.host().args(["--state", &server.uri(), "--run-id", "good"]).run().expect(0);
    let listed = |filters: &[&str]| {
        let list = ask(&server, &[&["runs", "--json"], filters].concat()).expect(0).json();
        let runs = list["runs"].as_array().unwrap().iter().filter_map(|run| run["run"].as_str());
        let mut runs: Vec<String> = runs.map(str::to_owned).collect();
        runs.sort();
        runs
    };
    assert_eq!(listed(&[]), ["bad", "good"]);
    assert_eq!(listed(&["--failed"]), ["bad"]);
    assert_eq!(listed(&["--status", "succeeded,cancelled"]), ["good"]);
    assert_eq!(listed(&["--since", "1h"]), ["bad", "good"]);
    assert_eq!(listed(&["--since", "2999-01-01T00:00:00Z"]), [""; 0]);
    assert_eq!(listed(&["--name", "no such name"]), [""; 0]);
    ask(&server, &["runs", "--status", "fine"]).expect(2).says(["abandoned, succeeded"]);
    ask(&server, &["runs", "--since", "yesterday"]).expect(2).says(["such as 90s or 2h"]);
    let shown = |filters: &[&str]| {
        let show = ask(&server, &[&["show", "bad", "--json"], filters].concat()).expect(0).json();
        let tasks = show["tasks"].as_array().unwrap().iter().filter_map(|task| task["name"].as_str());
        tasks.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(shown(&["--failed"]), ["bad"]);
    assert_eq!(shown(&["--status", "skipped"]), ["last"]);
    assert_eq!(shown(&["--name", "la"]), ["flaky", "last"]);
}

#[test]
fn failures_that_have_scrolled_away_are_shown_again_at_the_end() {
    let server = Redis::start("");
    let tasks = "[tasks.bad]\ncall = \"g.panic-with\"\nargs.message = \"first of all\"\n\
                 [tasks.wait]\ncall = \"g.slow-echo\"\nargs = { text = \"x\", ms = 300 }\n\
                 [tasks.each]\ncall = \"h.log-it\"\nfor-each.t = { range = 30 }\nargs.text = \"on and on\"\nafter = [\"wait\"]\n";
    let project =
        Project::new(&format!("{}{}\n{tasks}", named("h", Guest::HostCalls), component(Guest::Basic)));
    let host = || project.host().args(["--run-id", "r1", "--keep-going", "-j", "2"]);
    let stored = host().args(["--state", &server.uri()]).run().expect(1).stderr;
    let (before, end) =
        stored.split_once("\nfailures\nfailed     bad  trap: ").expect("they are shown again");
    assert!(before.contains("on and on") && before.contains("failed     bad  trap: "), "{before}");
    assert!(
        end.contains("first of all") && end.contains("What led to one: cascade-host why r1 TASK\n"),
        "{end}"
    );
    assert!(end.contains("1 failed in "), "{end}");
    let in_memory = host().run().expect(1).stderr;
    assert!(in_memory.contains("\nfailures\n") && !in_memory.contains("cascade-host why"), "{in_memory}");
}
