//! `--update` of a run with lists: each element is kept by its index and its own arguments.
//! How backends hand on results is tested in their conformance suite; what else resumes a run, in `stored`.

use crate::gates::{self, GRANTS, open};
use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Host, Project, Redis};
use serde_json::json;
use std::collections::BTreeSet;

/// A chain over the list `xs`, and the sum of it.
const CHAIN: &str = r#"
[params.xs]
type = "list<u32>"
[tasks.a]
call = "g.double"
for-each.x = { param = "xs" }
args.x = { item = "x" }
[tasks.b]
call = "g.double"
for-each.x = { task = "a" }
args.x = { item = "x" }
[tasks.sum]
call = "g.sum"
args.xs = { task = "b" }
"#;

fn on(project: &Project, server: &Redis, run: &str, arguments: &[&str]) -> Host {
    let host = project.host().args(["--state", &server.uri(), "--run-id", run]);
    arguments.iter().fold(host, |host, argument| host.args([*argument]))
}

/// Updates a run, and returns its outputs.
fn update(project: &Project, server: &Redis, run: &str, arguments: &[&str]) -> serde_json::Value {
    on(project, server, run, &[&["--update"], arguments].concat()).run().expect(0).json()
}

/// The calls of the last process.
fn started(project: &Project) -> BTreeSet<String> {
    project.events().tasks("task.started").into_iter().collect()
}

fn set(nodes: &[&str]) -> BTreeSet<String> {
    nodes.iter().map(|node| (*node).to_owned()).collect()
}

#[test]
fn elements_are_kept_by_their_index_and_arguments_in_every_step_of_a_chain() {
    let server = Redis::start("");
    let project = Project::basic(CHAIN);
    // The list of each run, the outputs, what is called, and how many elements are kept.
    let cases: [(&str, &str, u32, &[&str], usize); 5] = [
        ("appended", "xs=[1, 2, 3, 4]", 40, &["a[3]", "b[3]", "sum"], 6),
        (
            "prepended",
            "xs=[7, 1, 2, 3]",
            52,
            &["a[0]", "a[1]", "a[2]", "a[3]", "b[0]", "b[1]", "b[2]", "b[3]", "sum"],
            0,
        ),
        ("middle", "xs=[1, 9, 3]", 52, &["a[1]", "b[1]", "sum"], 4),
        ("shortened", "xs=[1, 2]", 12, &["sum"], 4),
        ("emptied", "xs=[]", 0, &["sum"], 0),
    ];
    for (run, list, sum, calls, kept) in cases {
        on(&project, &server, run, &["-p", "xs=[1, 2, 3]"]).run().expect(0);
        assert_eq!(started(&project).len(), 7);
        assert_eq!(update(&project, &server, run, &["-p", list]), json!({ "sum": sum }), "{run}");
        assert_eq!(started(&project), set(calls), "{run}");
        let stored = project.events().tasks("task.stored");
        assert_eq!(stored.len(), kept, "{run}: {stored:?}");
        assert_eq!(server.command(&["EXISTS", &format!("cascade:run:{run}:offers")]), "0");
        // A run that is resumed has all results.
        on(&project, &server, run, &["-p", list]).run().expect(0);
        assert_eq!(started(&project), set(&[]));
    }
}

#[test]
fn run_is_updated_again_and_again() {
    let server = Redis::start("");
    let project = Project::basic(CHAIN);
    let run = |list: &str, calls: &[&str]| {
        update(&project, &server, "r1", &["-p", list]);
        assert_eq!(started(&project), set(calls), "{list}");
    };
    run("xs=[1, 2]", &["a[0]", "a[1]", "b[0]", "b[1]", "sum"]);
    run("xs=[1, 2, 3]", &["a[2]", "b[2]", "sum"]);
    run("xs=[1, 9, 3]", &["a[1]", "b[1]", "sum"]);
    run("xs=[1, 9, 3, 4]", &["a[3]", "b[3]", "sum"]);
    run("xs=[1, 2, 3, 4]", &["a[1]", "b[1]", "sum"]);
}

#[test]
fn list_of_a_task_that_runs_again_keeps_its_elements() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [params.n]
        type = "u32"
        [tasks.load]
        call = "g.numbers"
        args.n = { param = "n" }
        [tasks.each]
        call = "g.double"
        for-each.x = { task = "load" }
        args.x = { item = "x" }
        [tasks.sum]
        call = "g.sum"
        args.xs = { task = "each" }
        [tasks.first]
        call = "g.double"
        args.x = { task = "each", path = "[0]" }
        "#,
    );
    update(&project, &server, "r1", &["-p", "n=3"]);
    update(&project, &server, "r1", &["-p", "n=4"]);
    // What a whole task is called with decides too.
    assert_eq!(started(&project), set(&["load", "each[3]", "sum"]));
}

#[test]
fn literal_lists_and_other_calls_are_compared() {
    let server = Redis::start("");
    let project = Project::raw("");
    let write = |list: &str, function: &str| {
        project.write(&format!(
            "cascade = 1\nname = \"test\"\n[components.g]\npath = \"{{guest:basic}}\"\n[tasks.each]\ncall = \"g.{function}\"\nfor-each.x = {list}\nargs.x = {{ item = \"x\" }}\n"
        ));
    };
    write("[1, 2]", "double");
    update(&project, &server, "r1", &[]);
    write("[1, 2, 3]", "double");
    update(&project, &server, "r1", &[]);
    assert_eq!(started(&project), set(&["each[2]"]));
    write("[1, 2, 3, 4]", "maybe-fail");
    on(&project, &server, "r1", &["--update", "--keep-going"]).run().expect(1);
    assert_eq!(started(&project), set(&["each[0]", "each[1]", "each[2]", "each[3]"]));
}

/// Doubles the numbers of a row, one by one, and adds them up.
const ROW: &str = r#"
[params.row]
type = "list<u32>"
[tasks.twice]
call = "g.double"
for-each.x = { param = "row" }
args.x = { item = "x" }
[tasks.total]
call = "g.sum"
args.xs = { task = "twice" }
[outputs]
total = { task = "total" }
"#;

#[test]
fn pipelines_over_lists_keep_their_elements_and_the_elements_of_these() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [params.rows]
        type = "list<list<u32>>"
        [tasks.clean]
        manifest = "row.toml"
        for-each.row = { param = "rows" }
        args.row = { item = "row" }
        [tasks.after]
        call = "g.double"
        for-each.clean = { task = "clean" }
        args.x = { item = "clean", path = "total" }
        "#,
    );
    project.include("row.toml", ROW);
    let run = |rows: &str, outputs: serde_json::Value, calls: &[&str]| {
        assert_eq!(update(&project, &server, "r1", &["-p", rows]), json!({ "after": outputs }));
        assert_eq!(started(&project), set(calls), "{rows}");
    };
    let first = [
        "clean[0]/twice[0]",
        "clean[0]/twice[1]",
        "clean[0]/total",
        "clean[1]/twice[0]",
        "clean[1]/total",
        "after[0]",
        "after[1]",
    ];
    run("rows=[[1, 2], [3]]", json!([12, 12]), &first);
    let appended = [
        "clean[1]/twice[1]",
        "clean[1]/total",
        "clean[2]/twice[0]",
        "clean[2]/total",
        "after[1]",
        "after[2]",
    ];
    run("rows=[[1, 2], [3, 4], [5]]", json!([12, 28, 20]), &appended);
    // The same total is the same argument.
    run(
        "rows=[[2, 1], [3, 4]]",
        json!([12, 28]),
        &["clean[0]/twice[0]", "clean[0]/twice[1]", "clean[0]/total"],
    );
}

#[test]
fn conditions_of_elements_are_decided_anew() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [params.wanted]
        type = "list<bool>"
        [tasks.part]
        manifest = "part.toml"
        for-each.wanted = { param = "wanted" }
        args.wanted = { item = "wanted" }
        "#,
    );
    project.include(
        "part.toml",
        "[params.wanted]\ntype = \"bool\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 4\nwhen = { param = \"wanted\" }\n[outputs]\nt = { task = \"t\", default = 0 }\n",
    );
    let run = |wanted: &str| update(&project, &server, "r1", &["-p", wanted]);
    assert_eq!(run("wanted=[true, true]"), json!({ "part": [{ "t": 8 }, { "t": 8 }] }));
    assert_eq!(run("wanted=[true, false, true]"), json!({ "part": [{ "t": 8 }, { "t": 0 }, { "t": 8 }] }));
    assert_eq!(started(&project), set(&["part[2]/t"]));
}

#[test]
fn impure_elements_are_kept_too() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        "[params.names]\ntype = \"list<string>\"\n[tasks.read]\ncall = \"g.read-file\"\n\
         for-each.path = {{ param = \"names\" }}\nargs.path = {{ item = \"path\" }}\n{GRANTS}"
    ));
    open(&project, "ab");
    update(&project, &server, "r1", &["-p", "names=[\"a\"]"]);
    std::fs::write(project.folder().join("gates/a"), "changed").expect("a file can be written");
    let read = update(&project, &server, "r1", &["-p", "names=[\"a\", \"b\"]"]);
    assert_eq!((read, started(&project)), (json!({ "read": ["a", "b"] }), set(&["read[1]"])));
}

#[test]
fn iterations_of_elements_are_kept() {
    let server = Redis::start("");
    let inner = format!(
        "{}[params.until]\ntype = \"u32\"\n[tasks.count]\ncall = \"r.step\"\n\
         args = {{ tally = {{ count = 0, words = [] }}, until = {{ param = \"until\" }} }}\n\
         repeat = {{ feed = \"tally\", until = \"done\" }}\n[outputs]\ncount = {{ task = \"count\", path = \"count\" }}\n",
        named("r", Guest::Repeat)
    );
    let project = Project::new(
        "[params.untils]\ntype = \"list<u32>\"\n[tasks.each]\nmanifest = \"inner.toml\"\n\
         for-each.until = { param = \"untils\" }\nargs.until = { item = \"until\" }\n",
    );
    project.include("inner.toml", &inner);
    update(&project, &server, "r1", &["-p", "untils=[2, 3]"]);
    let counts = update(&project, &server, "r1", &["-p", "untils=[2, 4, 1]"]);
    assert_eq!(counts, json!({ "each": [{ "count": 2 }, { "count": 4 }, { "count": 1 }] }));
    let calls: Vec<String> = started(&project).into_iter().collect();
    assert!(calls.iter().all(|node| !node.starts_with("each[0]")), "{calls:?}");
    let output = |name: &str| Host::new(["output", "r1", name, "--state", &server.uri()]).run();
    assert_eq!(output("each[0]/count@0").expect(0).json()["count"], 1);
    output("each[0]/count@2").expect(4);
}

#[test]
fn update_that_was_killed_is_resumed() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        "[params.names]\ntype = \"list<string>\"\n[tasks.wait]\ncall = \"g.await-file\"\n\
         for-each.path = {{ param = \"names\" }}\nargs.path = {{ item = \"path\" }}\n{GRANTS}\
         [tasks.all]\ncall = \"g.concat\"\nargs.parts = {{ task = \"wait\" }}\n"
    ));
    open(&project, "abc");
    update(&project, &server, "r1", &["-p", "names=[\"a\", \"b\", \"c\"]"]);
    let names = ["-p", "names=[\"x\", \"b\", \"c\", \"d\"]"];
    let uri = format!("{}?lease=1s", server.uri());
    let host = |flags: &[&str]| {
        let host = project.host().args(["--state", &uri, "--run-id", "r1", "-j", "1"]);
        flags.iter().chain(&names).fold(host, |host, flag| host.args([*flag]))
    };
    // The first element waits, so that no other is accepted before the host is killed.
    let mut running = host(&["--update", "--log-level", "debug"]).start();
    running.until("started");
    running.signal("KILL");
    running.wait();
    open(&project, "xd");
    assert_eq!(host(&[]).run().expect(0).json(), json!({ "all": "xbcd" }));
    assert_eq!(started(&project), set(&["wait[0]", "wait[3]", "all"]));
}

#[test]
fn results_behind_a_task_that_now_fails_are_skipped_and_found_again() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [params.c]
        type = "u32"
        [tasks.first]
        call = "g.maybe-fail"
        args.x = { param = "c" }
        [tasks.one]
        call = "g.double"
        args.x = 4
        after = ["first"]
        [tasks.list]
        call = "g.double"
        for-each.i = [1, 2]
        args.x = { item = "i" }
        after = ["first"]
        [tasks.flow]
        call = "g.double"
        for-each.i = { task = "list" }
        args.x = { item = "i" }
        [tasks.each]
        manifest = "each.toml"
        for-each.i = [1, 2]
        args.x = { item = "i" }
        after = ["first"]
        [tasks.free]
        call = "g.double"
        args.x = 5
        "#,
    );
    project.include(
        "each.toml",
        "[params.x]\ntype = \"u32\"\n[tasks.a]\ncall = \"g.double\"\nargs.x = { param = \"x\" }\n\
         [tasks.l]\ncall = \"g.double\"\nfor-each.i = [1, 2]\nargs.x = { item = \"i\" }\n",
    );
    let each = json!([{ "a": 2, "l": [2, 4] }, { "a": 4, "l": [2, 4] }]);
    let all = |c: u32| json!({ "first": c, "one": 8, "flow": [4, 8], "each": each, "free": 10 });
    assert_eq!(on(&project, &server, "a1", &["-p", "c=0"]).run().expect(0).json(), all(0));
    let failed = on(&project, &server, "a1", &["--update", "--keep-going", "-p", "c=1"]).run().expect(1);
    assert_eq!(failed.json(), json!({ "free": 10 }));
    let skipped = project.events().tasks("task.skipped").into_iter().collect();
    assert_eq!(set(&["one", "list", "flow", "each/a", "each/l"]), skipped);
    for missing in ["one", "list", "each", "each[0]/a", "each[1]/l"] {
        Host::new(["output"]).args(["a1", missing, "--state", &server.uri()]).run().expect(4);
    }
    // A call that is the same is not made again.
    assert_eq!(update(&project, &server, "a1", &["-p", "c=2"]), all(2));
    assert_eq!(started(&project), set(&["first"]));
}
