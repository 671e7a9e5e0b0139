//! Built-in tasks: graphs of them from outside, their failures, their limits, and that they run as other tasks do.
//! Each task's own behaviour is tested beside the code; faults of manifests are golden cases.

use cascade_host_tests::{Finished, Host, Project, Redis};
use serde_json::{Value, json};

/// A pipeline that uses every built-in task, without a component.
const ALL: &str = r#"
    [params.rows]
    type = "list<record { name: string, size: u32, ok: bool, note: option<string> }>"
    default = [
        { name = "b", size = 3, ok = true, note = "n" },
        { name = "a", size = 1, ok = false },
        { name = "b", size = 2, ok = true },
    ]
    [tasks.flatten]
    call = "std.flatten"
    args.lists = [{ task = "sizes" }, { task = "sizes" }, [7]]
    [tasks.zip]
    call = "std.zip"
    args = { a = { task = "names" }, b = { task = "sizes" } }
    [tasks.chunk]
    call = "std.chunk"
    args = { items = { task = "names" }, size = 2 }
    [tasks.first]
    call = "std.first"
    args.items = { task = "names" }
    [tasks.last]
    call = "std.last"
    args.items = { task = "chunk" }
    [tasks.length]
    call = "std.length"
    for-each.items = { task = "chunk" }
    args.items = { item = "items" }
    [tasks.sorted]
    call = "std.sort-by"
    args = { items = { param = "rows" }, path = "size" }
    [tasks.reversed]
    call = "std.sort-by"
    args = { items = { param = "rows" }, path = "size", descending = true }
    [tasks.unique]
    call = "std.unique-by"
    args = { items = { param = "rows" }, path = "name" }
    [tasks.grouped]
    call = "std.group-by"
    args = { items = { param = "rows" }, path = "name" }
    [tasks.kept]
    call = "std.filter"
    args = { items = { task = "names" }, keep = [true, false, true] }
    [tasks.ok]
    call = "std.filter-by"
    args = { items = { param = "rows" }, path = "ok" }
    [tasks.names]
    call = "std.map-path"
    args = { items = { param = "rows" }, path = "name" }
    [tasks.sizes]
    call = "std.map-path"
    args = { items = { param = "rows" }, path = "size" }
    [tasks.notes]
    call = "std.map-path"
    args = { items = { param = "rows" }, path = "note" }
    [tasks.compact]
    call = "std.compact"
    args.items = { task = "notes" }
    [tasks.some]
    call = "std.unwrap-or"
    args = { value = { task = "first" }, default = "none" }
    [tasks.lines]
    call = "std.lines"
    args.text = { task = "joined" }
    [tasks.joined]
    call = "std.join"
    args = { items = { task = "names" }, separator = "\n" }
    [tasks.text]
    call = "std.template"
    args.template = { file = "page.txt" }
    args.values = { title = "<T>", rows = { task = "sorted" } }
    [tasks.html]
    call = "std.template-html"
    args.template = "{{ title }}{% if best %}: {{ best.name }}{% endif %}"
    args.values = { title = "<T>", best = { task = "best" } }
    [tasks.best]
    call = "std.first"
    args.items = { task = "reversed" }
    [tasks.json]
    call = "std.to-json"
    args.value = { task = "grouped" }
    [tasks.csv]
    call = "std.to-csv"
    args.items = { param = "rows" }
    [tasks.read-json]
    call = "std.from-json"
    args.text = { task = "json" }
    type = "list<record { key: string, items: list<record { name: string, size: u16, ok: bool, note: option<string> }> }>"
    [tasks.read-csv]
    call = "std.from-csv"
    args.text = { task = "csv" }
    type = "list<record { size: f64, name: string, ok: bool, note: option<string> }>"
"#;

const PAGE: &str =
    "{{ title }}\n{% for r in rows %}{{ loop.index }} {{ r.name }} {{ r.size }} {{ r.note }}|{% endfor %}\n";

fn all() -> Project {
    let outputs = "flatten zip chunk first last length sorted reversed unique grouped kept ok names sizes compact some lines text html \
                   json csv read-json read-csv";
    let outputs: String = outputs
        .split(' ')
        .map(|task| format!("{task} = {{ task = \"{task}\" }}\n"))
        .collect::<Vec<String>>()
        .concat();
    let project = Project::new(&format!("{ALL}\n[outputs]\n{outputs}"));
    project.file("page.txt", PAGE.as_bytes());
    project
}

fn sizes(rows: &Value) -> Vec<u64> {
    rows.as_array().expect("a list").iter().map(|row| row["size"].as_u64().expect("a number")).collect()
}

#[test]
fn graph_of_all_tasks_runs_without_a_component() {
    let outputs = all().run().expect(0).json();
    assert_eq!(outputs["flatten"], json!([3, 1, 2, 3, 1, 2, 7]));
    assert_eq!(outputs["zip"], json!([["b", 3], ["a", 1], ["b", 2]]));
    assert_eq!(outputs["chunk"], json!([["b", "a"], ["b"]]));
    assert_eq!(outputs["first"], "b");
    assert_eq!(outputs["last"], json!(["b"]));
    assert_eq!(outputs["length"], json!([2, 1]));
    assert_eq!(sizes(&outputs["sorted"]), [1, 2, 3]);
    assert_eq!(sizes(&outputs["reversed"]), [3, 2, 1]);
    assert_eq!(sizes(&outputs["unique"]), [3, 1]);
    assert_eq!(outputs["grouped"][0]["key"], "b");
    assert_eq!(sizes(&outputs["grouped"][0]["items"]), [3, 2]);
    assert_eq!(outputs["kept"], json!(["b", "b"]));
    assert_eq!(sizes(&outputs["ok"]), [3, 2]);
    assert_eq!(outputs["compact"], json!(["n"]));
    assert_eq!(outputs["some"], "b");
    assert_eq!(outputs["lines"], outputs["names"]);
    assert_eq!(outputs["text"], "<T>\n1 a 1 |2 b 2 |3 b 3 n|\n");
    assert_eq!(outputs["html"], "&lt;T&gt;: b");
    assert_eq!(outputs["read-json"], outputs["grouped"]);
    assert_eq!(outputs["csv"], "name,size,ok,note\r\nb,3,true,n\r\na,1,false,\r\nb,2,true,\r\n");
    assert_eq!(outputs["read-csv"][1], json!({ "size": 1.0, "name": "a", "ok": false, "note": null }));
}

#[test]
fn every_process_computes_the_same_bytes() {
    let project = all();
    let bytes = || project.host().args(["-o", "msgpack", "--verify"]).run().expect(0).stdout;
    assert_eq!(bytes(), bytes());
}

/// Runs one task that fails, and returns the class and the message of its failure.
fn failure(body: &str) -> (String, String, Finished) {
    let project = Project::new(body);
    let finished = project.run().expect(1);
    let events = project.events();
    let failed = events.of("task.failed").next().expect("a task has failed");
    let text = |key: &str| failed[key].as_str().expect("it is text").to_owned();
    (text("class"), text("error"), finished)
}

#[test]
fn arguments_that_allow_no_result_are_input_failures() {
    for (body, message) in [
        (
            "[params.xs]\ntype = \"list<u8>\"\ndefault = [1]\n\
             [tasks.t]\ncall = \"std.zip\"\nargs = { a = { param = \"xs\" }, b = [1, 2] }",
            "`a` has 1 elements, and `b` has 2",
        ),
        (
            "[params.n]\ntype = \"u32\"\ndefault = 0\n\
             [tasks.t]\ncall = \"std.chunk\"\nargs = { items = [1], size = { param = \"n\" } }",
            "`size` is 0",
        ),
        (
            "[tasks.t]\ncall = \"std.from-json\"\nargs.text = '{\"a\": [1, -1]}'\ntype = \"record { a: list<u8> }\"",
            ".a[1]: expected u8, found -1",
        ),
        (
            "[tasks.t]\ncall = \"std.from-csv\"\nargs.text = \"a\\n1\\nx\\n\"\ntype = \"list<record { a: u8 }>\"",
            "line 3 of the CSV, column `a`: expected u8",
        ),
        (
            "[params.page]\ntype = \"string\"\ndefault = \"a\\n{{ b }}\"\n\
             [tasks.t]\ncall = \"std.template\"\nargs = { template = { param = \"page\" }, values = { a = 1 } }",
            "line 2 of the template: the values have no `b`",
        ),
        (
            "[tasks.t]\ncall = \"std.map-path\"\nargs = { items = [[1], []], path = \"[0]\" }",
            "`items[1]` has no part at `[0]`",
        ),
    ] {
        let (class, error, _) = failure(body);
        assert_eq!(class, "input", "{body}: {error}");
        assert!(error.contains(message), "{body}: {error}");
    }
}

#[test]
fn limits_and_the_timeout_hold() {
    let doubling = "[params.x]\ntype = \"string\"\ndefault = \"0123456789abcdef\"\n\
         [tasks.t]\ncall = \"std.template\"\nargs.values = { x = { param = \"x\" }, xs = { task = \"xs\" } }\n\
         [tasks.xs]\ncall = \"std.lines\"\nargs.text = { task = \"text\" }\n\
         [tasks.text]\ncall = \"std.template\"\nargs.values = { xs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] }\n\
         args.template = \"{% for a in xs %}{% for b in xs %}{% for c in xs %}x\\n{% endfor %}{% endfor %}{% endfor %}\"\n";
    let loops = "{% for a in xs %}{% for b in xs %}{{ x }}{% endfor %}{% endfor %}";
    let endless = "{% for a in xs %}{% for b in xs %}{% for c in xs %}{% for d in xs %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}";
    for (keys, class, message) in [
        (
            format!("args.template = \"{loops}\"\nlimits.output = \"1MiB\""),
            "limit",
            "`limits.output` = 1MiB reached",
        ),
        (
            format!("args.template = \"{loops}\"\nlimits.memory = \"1MiB\""),
            "limit",
            "`limits.memory` = 1MiB reached",
        ),
        (
            format!("args.template = \"{endless}\"\ntimeout = \"300ms\""),
            "timeout",
            "`timeout` = 300ms reached",
        ),
    ] {
        let body = doubling.replace("args.values = { x =", &format!("{keys}\nargs.values = {{ x ="));
        let (found, error, _) = failure(&body);
        assert_eq!(found, class, "{error}");
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn failures_show_no_part_of_a_secret() {
    let project = Project::new(
        "[params.key]\ntype = \"string\"\nsecret = true\n\
         [tasks.page]\ncall = \"std.template\"\nargs = { template = { param = \"key\" }, values = { a = 1 } }\n\
         [tasks.read]\ncall = \"std.from-json\"\nargs.text = { task = \"made\" }\ntype = \"record { a: u8 }\"\n\
         [tasks.made]\ncall = \"std.join\"\nargs = { items = ['{\"', { param = \"key\" }, '\": 1}'], separator = \"\" }\n",
    );
    let finished = project.host().args(["-p", "key={{ hunter2 }}", "--keep-going"]).run().expect(1);
    let events = project.events();
    assert_eq!(events.tasks("task.failed").len(), 2, "{}", finished.stderr);
    for failed in events.of("task.failed") {
        assert_eq!(failed["class"], "input");
        assert!(failed["error"].as_str().is_some_and(|error| error.contains("left out")), "{failed}");
    }
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
}

#[test]
fn inspect_lists_the_tasks() {
    let text = Host::new(["inspect", "std"]).run().expect(0).text();
    assert!(text.contains("group-by: func(items: list<T>, path: string)"), "{text}");
    let json = Host::new(["inspect", "std", "--json"]).run().expect(0).json();
    assert_eq!(json["builtins"].as_array().map(Vec::len), Some(22));
    assert_eq!(
        json["builtins"][6]["params"][2],
        json!({ "name": "descending", "type": "bool", "default": false })
    );
}

#[test]
fn plan_shows_them_like_others() {
    let project = all();
    let plan = project.command("plan").args(["--json", "--cache", "memory:"]).run().expect(0).json();
    let tasks = plan["tasks"].as_array().expect("a list");
    let sorted = tasks.iter().find(|task| task["name"] == "sorted").expect("it is there");
    assert_eq!(sorted["call"], "std.sort-by");
    assert_eq!(sorted["fate"], "run");
    assert_eq!(sorted["why"], "built-in tasks are not cached");
    assert_eq!(sorted["purity"]["kind"], "pure");
}

#[test]
fn results_are_stored_and_kept_by_a_resumed_run() {
    let redis = Redis::start("");
    let project = Project::new(
        "[tasks.a]\ncall = \"std.lines\"\nargs.text = \"b\\na\"\n\
         [tasks.t]\ncall = \"std.sort-by\"\nargs = { items = { task = \"a\" }, path = \"\" }\n",
    );
    let run = || project.host().args(["--state", &redis.uri(), "--run-id", "r"]).run();
    assert_eq!(run().expect(0).json()["t"], json!(["a", "b"]));
    assert_eq!(run().expect(0).json()["t"], json!(["a", "b"]));
    assert_eq!(project.events().tasks("task.started"), Vec::<String>::new());
    let other = "[tasks.a]\ncall = \"std.unique-by\"\nargs = { items = [\"b\"], path = \"\" }\n\
         [tasks.t]\ncall = \"std.sort-by\"\nargs = { items = { task = \"a\" }, path = \"\" }\n";
    project.write(&format!("cascade = 1\nname = \"test\"\n{other}"));
    run().expect(2).says(["task `a`: `call` has changed"]);
}
