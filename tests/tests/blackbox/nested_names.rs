//! Names of nodes in pipelines that run once per element, wherever a user sees or types one: events, the log, keys in
//! Redis, `output`, `logs`, `show`, `watch`, `plan`.
//! Names that stand for nothing elsewhere are in `unknown_names`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Finished, Host, Project, Redis};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Runs over three lists, each with a bonus that a fan-out makes. The second list is empty.
const MANIFEST: &str = r#"
[tasks.numbers]
call = "g.numbers"
args.n = 3
[tasks.bonus]
call = "g.double"
for-each.x = { task = "numbers" }
args.x = { item = "x" }
[tasks.clean]
manifest = "clean.toml"
for-each.list = [[1, 2], [], [7]]
for-each.bonus = { task = "bonus" }
args = { numbers = { item = "list" }, bonus = { item = "bonus" } }
[tasks.again]
call = "g.double"
for-each.record = { task = "clean" }
args.x = { item = "record", path = "total" }
[outputs]
clean = { task = "clean" }
again = { task = "again" }
"#;

/// Doubles numbers and adds a bonus to their sum, says something, and shows what it was given.
const CLEAN: &str = r#"
[params.numbers]
type = "list<u32>"
[params.bonus]
type = "u32"
[tasks.twice]
call = "g.double"
for-each.x = { param = "numbers" }
args.x = { item = "x" }
[tasks.sum]
call = "g.sum"
args.xs = { task = "twice" }
[tasks.total]
call = "g.add"
args = { a = { task = "sum" }, b = { param = "bonus" } }
[tasks.say]
call = "g.say"
for-each.text = ["a", "b"]
args.text = { item = "text" }
[outputs]
total = { task = "total" }
each = { task = "twice" }
bonus = { param = "bonus" }
fixed = "x"
"#;

fn nested() -> Project {
    let project = Project::basic(MANIFEST);
    project.include("clean.toml", CLEAN);
    project
}

fn clean() -> Value {
    json!([
        { "total": 6, "each": [2, 4], "bonus": 0, "fixed": "x" },
        { "total": 2, "each": [], "bonus": 2, "fixed": "x" },
        { "total": 18, "each": [14], "bonus": 4, "fixed": "x" },
    ])
}

fn run(project: &Project, server: &Redis, arguments: &[&str]) -> Finished {
    let host = arguments.iter().fold(project.host(), |host, argument| host.args([*argument]));
    host.args(["--run-id", "r1", "--state", &server.uri()]).run()
}

fn command(server: &Redis, words: &[&str]) -> Finished {
    let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
    host.args(["--state", &server.uri()]).run()
}

#[test]
fn events_name_the_task_with_outer_indexes_and_the_item_apart() {
    let project = nested();
    project.run().expect(0);
    let events = project.events();
    let finished: Vec<(&str, Option<u64>)> = events
        .of("task.finished")
        .map(|event| (event["task"].as_str().expect("a name"), event["item"].as_u64()))
        .collect();
    for node in
        [("clean[0]/twice", Some(1)), ("clean[0]/twice", None), ("clean[2]/sum", None), ("bonus", Some(2))]
    {
        assert_eq!(finished.iter().filter(|found| **found == node).count(), 1, "{node:?}: {finished:?}");
    }
    // The task as a whole ends once, with all of its elements, and has no result of its own.
    let whole = events.of("task.finished").find(|event| event["task"] == "clean/sum").expect("it finishes");
    assert_eq!((&whole["output_bytes"], whole.get("item"), whole.get("attempt")), (&json!(0), None, None));
    let started = events.tasks("task.started");
    assert!(started.contains(&"clean[1]/sum".to_owned()) && !started.contains(&"clean/sum".to_owned()));
}

#[test]
fn log_counts_tasks_and_hides_their_elements() {
    let project = nested();
    let log = project.run().expect(0).stderr;
    assert!(log.contains("test, 7 tasks\n") && log.contains("\nsucceeded  7 done, 0 cached"), "{log}");
    let finished: BTreeSet<&str> =
        log.lines().filter_map(|line| line.strip_prefix("finished ")?.split_whitespace().next()).collect();
    let tasks = ["numbers", "bonus", "clean/twice", "clean/sum", "clean/total", "clean/say", "again"];
    assert_eq!(finished, tasks.into_iter().collect());
    assert!(!log.contains(", 0 B\n"), "{log}");
    assert!(log.contains("clean[0]/say[1] | b\n"), "{log}");
    let log = project.host().args(["--log-level", "debug"]).run().expect(0).stderr;
    assert!(log.contains("\nfinished   clean[2]/twice[0]  "), "{log}");
    let log = project.host().args(["--progress", "plain"]).run().expect(0).stderr;
    assert!(log.contains("7/7 done\n"), "{log}");
}

#[test]
fn results_in_redis_are_stored_under_the_names_of_nodes() {
    let server = Redis::start("");
    let project = nested();
    assert_eq!(run(&project, &server, &[]).expect(0).json()["clean"], clean());
    let fields = server.command(&["HKEYS", "cascade:run:r1:results"]);
    let fields: BTreeSet<&str> = fields.lines().filter(|name| name.starts_with("clean")).collect();
    let mut expected = BTreeSet::new();
    for (at, twice) in [(0, 2), (1, 0), (2, 1)] {
        expected.extend(["twice", "sum", "total", "say"].map(|task| format!("clean[{at}]/{task}")));
        expected.extend((0..twice).map(|item| format!("clean[{at}]/twice[{item}]")));
        expected.extend((0..2).map(|item| format!("clean[{at}]/say[{item}]")));
    }
    assert_eq!(fields, expected.iter().map(String::as_str).collect());
}

#[test]
fn output_takes_the_names_of_nodes_and_elements() {
    let server = Redis::start("");
    run(&nested(), &server, &[]).expect(0);
    let output = |name: &str| command(&server, &["output", "r1", name]).expect(0).json();
    for (name, expected) in [
        ("clean", clean()),
        ("clean[1]", clean()[1].clone()),
        ("clean[2]/sum", json!(14)),
        ("clean[0]/twice", json!([2, 4])),
        ("clean[0]/twice[1]", json!(4)),
        ("clean[1]/twice", json!([])),
        ("bonus[2]", json!(4)),
    ] {
        assert_eq!(output(name), expected, "{name}");
    }
    let all = command(&server, &["output", "r1"]).expect(0);
    assert_eq!(all.json().as_object().map(serde_json::Map::len), Some(15));
    assert_eq!(all.json()["clean[2]/total"], json!(18));
    let begin = "{\"numbers\":[0,1,2],\"bonus\":[0,2,4],\"clean[0]/twice\":[2,4],\"clean[1]/twice\":[],";
    assert!(all.text().starts_with(begin), "{}", all.text());
}

#[test]
fn wrong_names_are_refused_with_the_right_ones() {
    let server = Redis::start("");
    run(&nested(), &server, &[]).expect(0);
    let range = "`clean` has 3 elements, `clean[0]` to `clean[2]`";
    for (name, says) in [
        ("clean[3]/sum", range),
        ("clean[99999999999]/sum", "the index 99999999999 is too large"),
        ("clean[02]/sum", "the index 02 has leading zeros; write 2"),
        ("clean/twice[1]", "name one, as `clean[i]/twice[i]`; `clean` has 3 elements"),
        ("clean[1]/sum[0]", "it runs once per element of `clean`, as `clean[i]/sum`"),
        ("clean[1][2]/sum", "it runs once per element of `clean`, as `clean[i]/sum`"),
        ("clean[0]/twice[2]", "`clean[0]/twice` has 2 elements, `clean[0]/twice[0]` to `clean[0]/twice[1]`"),
        ("clean[1]/twice[0]", "`clean[1]/twice` ran over an empty list"),
        ("clean[1]/summ", "did you mean `clean[1]/sum`?"),
        ("clean[x]/sum", "a node of `clean/twice` is `clean[i]/twice[i]`"),
    ] {
        for verb in ["output", "logs"] {
            let finished = command(&server, &[verb, "r1", name]).expect(4).says([says]);
            assert!(finished.stdout.is_empty(), "{verb} {name}");
        }
    }
    command(&server, &["output", "r1", "clean/sum"]).expect(4).says([
        "runs once per element of `clean`",
        "name one, as `clean[i]/sum`",
        range,
    ]);
    command(&server, &["output", "r1", "clean[3]"]).expect(4).says([range]);
    command(&server, &["logs", "r1", "clean[1]"])
        .expect(4)
        .says(["is a pipeline", "clean[1]/twice, clean[1]/sum"]);
    nested()
        .host()
        .args(["--target", "clean[1]/sum"])
        .run()
        .expect(2)
        .says(["elements run with their task: `--target clean/sum`"]);
}

#[test]
fn logs_of_a_task_are_those_of_all_its_elements_in_order() {
    let server = Redis::start("");
    run(&nested(), &server, &[]).expect(0);
    let logs = |words: &[&str]| command(&server, &[&["logs", "r1"], words].concat()).expect(0);
    assert_eq!(logs(&["clean[1]/say[0]"]).text(), "a\na\n");
    let of_one = "clean[1]/say[0] | a\nclean[1]/say[0] | a\nclean[1]/say[1] | b\nclean[1]/say[1] | b\n";
    assert_eq!(logs(&["clean[1]/say"]).text(), of_one);
    let of_all: String =
        ["clean[0]", "clean[1]", "clean[2]"].map(|at| of_one.replace("clean[1]", at)).concat();
    assert_eq!(logs(&["clean/say"]).text(), of_all);
    let lines = logs(&["clean/say", "--json"]).text();
    let third: Value = serde_json::from_str(lines.lines().nth(2).expect("a third line")).expect("JSON");
    assert_eq!(
        (&third["task"], &third["item"], &third["text"]),
        (&json!("clean[0]/say"), &json!(1), &json!("b"))
    );
    let silent = logs(&["clean/sum"]).says(["no log of one is stored: `clean` has 3 elements"]);
    assert!(silent.stdout.is_empty());
}

#[test]
fn elements_of_elements_have_an_index_each() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.numbers]\ncall = \"g.numbers\"\nargs.n = 3\n\
         [tasks.outer]\nmanifest = \"outer.toml\"\nfor-each.n = { task = \"numbers\" }\nargs.n = { item = \"n\" }\n\
         [tasks.grid]\nmanifest = \"cell.toml\"\nproduct = true\nfor-each.x = { task = \"numbers\" }\n\
         for-each.y = { range = 2 }\nargs = { x = { item = \"x\" }, y = { item = \"y\" } }\n\
         [outputs]\nouter = { task = \"outer\" }\ngrid = { task = \"grid\" }\n",
    );
    project.include(
        "outer.toml",
        "[params.n]\ntype = \"u32\"\n[tasks.make]\ncall = \"g.numbers\"\nargs.n = { param = \"n\" }\n\
         [tasks.inner]\nmanifest = \"cell.toml\"\nfor-each.x = { task = \"make\" }\n\
         args = { x = { item = \"x\" }, y = { param = \"n\" } }\n\
         [outputs]\ncells = { task = \"inner\" }\nn = { param = \"n\" }\n",
    );
    project.include(
        "cell.toml",
        "[params.x]\ntype = \"u32\"\n[params.y]\ntype = \"u32\"\n[tasks.sum]\ncall = \"g.add\"\n\
         args = { a = { param = \"x\" }, b = { param = \"y\" } }\n\
         [outputs]\nsum = { task = \"sum\" }\nx = { param = \"x\" }\ny = { param = \"y\" }\n",
    );
    let outputs = run(&project, &server, &[]).expect(0).json();
    assert_eq!(outputs["outer"][2]["cells"][1], json!({ "sum": 3, "x": 1, "y": 2 }));
    let output = |name: &str| command(&server, &["output", "r1", name]).expect(0).json();
    for name in ["outer", "grid"] {
        assert_eq!(output(name), outputs[name]);
    }
    assert_eq!(output("outer[2]/inner"), outputs["outer"][2]["cells"]);
    assert_eq!(output("outer[0]/inner"), json!([]));
    assert_eq!(output("outer[2]/inner[1]"), outputs["outer"][2]["cells"][1]);
    assert_eq!(output("outer[2]/inner[1]/sum"), json!(3));
    assert_eq!(output("grid[3]"), json!({ "sum": 2, "x": 1, "y": 1 }));
    for (name, says) in [
        ("outer/inner", "name one, as `outer[i]/inner[i]`; `outer` has 3 elements"),
        ("outer/inner[1]/sum", "name one, as `outer[i]/inner[i]/sum`; `outer` has 3 elements"),
        ("outer[2]/inner/sum", "`outer[2]/inner` has 2 elements, `outer[2]/inner[0]` to `outer[2]/inner[1]`"),
        ("outer[2]/inner[2]", "`outer[2]/inner` has 2 elements"),
        ("outer[0]/inner[0]/sum", "`outer[0]/inner` ran over an empty list"),
        (
            "outer/inner/sum@3",
            "`outer/inner/sum` does not repeat: it runs once per element, as `outer[i]/inner[i]/sum`",
        ),
        ("grid[9]@1", "`grid` has "),
    ] {
        command(&server, &["output", "r1", name]).expect(4).says([says]);
    }
    for (name, says) in [
        ("grid[9]", "`grid` has "),
        ("outer[2]/inner[5]", "`outer[2]/inner` has 2 elements"),
        ("outer[1]", "outer[1]/inner/sum"),
    ] {
        command(&server, &["logs", "r1", name]).expect(4).says([says]);
    }
}

/// Runs `maybe-fail`, which fails on odd numbers, and says something for even ones.
const PARTLY: &str = "[params.n]\ntype = \"u32\"\n[tasks.try]\ncall = \"g.maybe-fail\"\nargs.x = { param = \"n\" }\n\
    [tasks.next]\ncall = \"g.double\"\nargs.x = { task = \"try\" }\n\
    [tasks.even]\ncall = \"g.is-even\"\nargs.x = { param = \"n\" }\n";

#[test]
fn failed_elements_are_shown_below_their_task() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.part]\nmanifest = \"part.toml\"\nfor-each.n = { range = 4 }\nargs.n = { item = \"n\" }\n",
    );
    project.include("part.toml", PARTLY);
    run(&project, &server, &["--keep-going"]).expect(1).says(["1 done, 0 cached, 1 skipped, 1 failed in"]);
    let rows = |words: &[&str]| {
        let shown = command(&server, words).expect(0).json();
        let rows = shown["tasks"].as_array().expect("a list").clone();
        let text = |row: &Value, key: &str| row[key].as_str().expect("text").to_owned();
        rows.iter().map(|row| (text(row, "name"), text(row, "state"))).collect::<Vec<_>>()
    };
    let expected = [
        ("part/try", "failed"),
        ("part[1]/try", "failed"),
        ("part[3]/try", "failed"),
        ("part/next", "skipped"),
        ("part/even", "done"),
    ];
    let expected = expected.map(|(name, state)| (name.to_owned(), state.to_owned()));
    assert_eq!(rows(&["show", "r1", "--json"]), expected);
    let shown = command(&server, &["show", "r1"]).expect(0).text();
    assert!(shown.lines().any(|line| line.starts_with("part[3]/try  failed    1 attempt")), "{shown}");
    let log = command(&server, &["watch", "r1"]).expect(1).text();
    assert!(log.contains("failed     part[3]/try  error: ") && log.contains("1 done, "), "{log}");
    command(&server, &["output", "r1", "part"])
        .expect(4)
        .says(["has no result of `part[1]/next`", "UpstreamFailed"]);
    assert_eq!(
        command(&server, &["output", "r1", "part[2]"]).expect(0).json(),
        json!({ "next": 4, "even": true })
    );
    command(&server, &["output", "r1", "part[1]/try"]).expect(4).says(["it failed: error: "]);
}

#[test]
fn outputs_that_are_not_stored_or_were_skipped_are_left_out_of_the_list() {
    let server = Redis::start("");
    let body = "[params.numbers]\ntype = \"list<u32>\"\ndefault = [3, 4]\n\
        [tasks.part]\nmanifest = \"part.toml\"\nfor-each.n = { param = \"numbers\" }\nargs.n = { item = \"n\" }\n";
    let project = Project::basic(body);
    let part = "[params.n]\ntype = \"u32\"\n[tasks.even]\ncall = \"g.is-even\"\nargs.x = { param = \"n\" }\n\
        [tasks.half]\ncall = \"g.double\"\nargs.x = { param = \"n\" }\nwhen = { task = \"even\" }\n\
        [outputs]\nn = { param = \"n\" }\nhalf = { task = \"half\" }\neven = { task = \"even\" }\n";
    project.include("part.toml", part);
    run(&project, &server, &[]).expect(0);
    let finished = command(&server, &["output", "r1", "part"]).expect(0);
    assert_eq!(finished.json(), json!([{ "n": 3, "even": false }, { "n": 4, "half": 8, "even": true }]));
    finished.says(["left out of `part`: `half` was skipped in `part[0]`"]);
    let second = command(&server, &["output", "r1", "part[1]"]).expect(0);
    assert_eq!(second.json(), json!({ "n": 4, "half": 8, "even": true }));
    // How many elements there are is known even if the list is not stored.
    project.write(
        &std::fs::read_to_string(project.folder().join("manifest.toml"))
            .expect("the manifest can be read")
            .replace("[params.numbers]", "[params.numbers]\nsecret = true"),
    );
    project.host().args(["--run-id", "r2", "--state", &server.uri()]).run().expect(0);
    let output = |name: &str| Host::new(["output", "r2", name, "--state", &server.uri()]).run();
    let finished = output("part").expect(0);
    assert_eq!(finished.json(), json!([{ "even": false }, { "half": 8, "even": true }]));
    finished.says(["left out of `part`: `n` depends on a secret"]);
    output("part[2]/even").expect(4).says(["`part` has 2 elements"]);
}

#[test]
fn claimed_elements_are_shown_while_they_run() {
    let server = Redis::start("");
    let project = gates::project(
        "[tasks.part]\nmanifest = \"part.toml\"\nfor-each.name = [\"a\", \"b\"]\nargs.name = { item = \"name\" }\n",
    );
    let wait = format!("[tasks.wait]\ncall = \"g.await-file\"\nargs.path = {{ param = \"name\" }}\n{GRANTS}");
    let wait = wait.replace("gates:.", "../gates:.");
    project.include("lib/part.toml", &format!("[params.name]\ntype = \"string\"\n{wait}"));
    project.write(
        &std::fs::read_to_string(project.folder().join("manifest.toml"))
            .expect("the manifest can be read")
            .replace("part.toml", "lib/part.toml"),
    );
    let host =
        project.host().args(["--run-id", "r1", "--state", &server.uri(), "-j", "2", "--log-level", "debug"]);
    let mut running = host.start();
    running.until("started    part[1]/wait");
    let shown = command(&server, &["show", "r1", "--json"]).expect(0).json();
    let rows = shown["tasks"].as_array().expect("a list");
    let held: Vec<&Value> = rows.iter().filter(|row| row.get("lease_ms").is_some()).collect();
    let names: Vec<&Value> = held.iter().map(|row| &row["name"]).collect();
    assert_eq!(names, ["part[0]/wait", "part[1]/wait"]);
    assert!(held.iter().all(|row| row["state"] == "running"), "{held:?}");
    command(&server, &["output", "r1", "part"]).expect(4).says(["has no result of `part[0]/wait`"]);
    open(&project, "ab");
    running.wait().expect(0).says(["1 done"]);
    assert_eq!(
        command(&server, &["output", "r1", "part"]).expect(0).json(),
        json!([{ "wait": "a" }, { "wait": "b" }])
    );
}

#[test]
fn task_that_has_ended_in_all_elements_is_done_though_its_host_died_before_it_could_say_so() {
    let server = Redis::start("");
    let project = gates::project(&format!(
        "[tasks.part]\nmanifest = \"part.toml\"\nfor-each.n = [1, 2]\nargs.n = {{ item = \"n\" }}\n\
         [tasks.wait]\ncall = \"g.await-file\"\nargs.path = \"a\"\nafter = [\"part\"]\n{GRANTS}"
    ));
    let even = "[params.n]\ntype = \"u32\"\n[tasks.even]\ncall = \"g.is-even\"\nargs.x = { param = \"n\" }\n";
    project.include("part.toml", even);
    let host = project.host().args(["--run-id", "r1", "--state", &server.uri(), "--log-level", "debug"]);
    let mut running = host.start();
    running.until("started    wait");
    running.signal("KILL");
    running.wait();
    // What the journal had not written yet.
    server.command(&["DEL", "cascade:run:r1:notes"]);
    let shown = command(&server, &["show", "r1", "--json"]).expect(0).json();
    let state = |name: &str| {
        let rows = shown["tasks"].as_array().expect("a list").iter();
        rows.filter(|row| row["name"] == name).map(|row| row["state"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(state("part/even"), [json!("done")]);
    assert_ne!(state("wait"), [json!("done")]);
}

#[test]
fn plan_says_what_runs_once_per_element_and_what_is_stored() {
    let server = Redis::start("");
    let project = nested();
    let plan = |arguments: &[&str]| {
        let host = arguments.iter().fold(project.command("plan"), |host, argument| host.args([*argument]));
        host.args(["--state", &server.uri()]).run().expect(0)
    };
    let shown = plan(&[]).text();
    for line in [
        "     once per element of clean",
        "     for each x of a list of each element of its pipeline",
        "  clean  4 tasks of clean.toml, for each list of a list of the manifest or its params, bonus of task bonus",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line:?} is not in:\n{shown}");
    }
    let fates = |arguments: &[&str]| -> Vec<(String, String, Value)> {
        let plan = plan(arguments).json();
        let tasks = plan["tasks"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        tasks.map(|row| (text(&row["name"]), text(&row["fate"]), row["needs"].clone())).collect()
    };
    let again = fates(&["--json"]).into_iter().find(|(name, ..)| name == "again").expect("the task is there");
    assert!(again.2.as_array().expect("a list").contains(&json!("clean/total")), "{again:?}");
    run(&project, &server, &[]).expect(0);
    let stored = fates(&["--json", "--run-id", "r1"]);
    assert!(stored.iter().all(|(_, fate, _)| fate == "stored"), "{stored:?}");
}
