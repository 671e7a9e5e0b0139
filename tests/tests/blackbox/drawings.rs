//! `graph`: what the formats say of tasks, links and states, and how large and hostile graphs are drawn.
//! The parts of a drawing are tested beside the code.

use cascade_host_tests::{Host, Project, Redis};
use serde_json::{Value, json};

/// Tasks of every kind of link, of components that are not there.
const TASKS: &str = r#"
[components.g]
path = "missing.wasm"
[tasks.load]
call = "g.load"
[tasks.choose]
call = "g.choose"
[tasks.words]
call = "g.split"
for-each.chunk = { task = "load" }
args.x = { item = "chunk" }
[tasks.tens]
call = "std.range"
for-each.i = { range = 10 }
[tasks.a]
call = "g.a"
[tasks.b]
call = "g.b"
[tasks.pick]
call = "g.pick"
args.x = { select = { task = "choose" }, cases = { a = { task = "a" }, b = { task = "b" } } }
[tasks.clean]
manifest = "lib/clean.toml"
args.rows = { task = "words" }
[tasks.publish]
call = "g.publish"
args = { a = { task = "pick" }, b = { task = "clean", path = "out" }, c = { task = "tens" } }
after = ["load"]
[finally.tell]
call = "g.tell"
"#;

/// The included manifest.
const CLEAN: &str = r#"
cascade = 1
name = "clean"
[params.rows]
type = "list<string>"
[components.g]
path = "missing.wasm"
[tasks.one]
call = "g.one"
args.x = { param = "rows" }
[tasks.two]
call = "g.two"
args.x = { task = "one" }
[outputs]
out = { task = "two" }
"#;

fn project() -> Project {
    let project = Project::new(TASKS.replace("std.range", "g.ten").as_str());
    project.write_to("lib/clean.toml", CLEAN);
    project
}

fn draw<const N: usize>(project: &Project, arguments: [&str; N]) -> String {
    project.command("graph").args(arguments).run().expect(0).text()
}

/// Returns the links of the JSON form as `from kind to`.
fn links(graph: &Value) -> Vec<String> {
    let links = graph["links"].as_array().expect("there are links").iter();
    let word = |link: &Value, key: &str| link[key].as_str().expect("it is a word").to_owned();
    links.map(|link| format!("{} {} {}", word(link, "from"), word(link, "kind"), word(link, "to"))).collect()
}

#[test]
fn graph_needs_no_component() {
    let graph: Value = serde_json::from_str(&draw(&project(), ["--format", "json"])).expect("it is JSON");
    assert_eq!(
        links(&graph),
        [
            "load data words",
            "choose order a",
            "choose order b",
            "choose data pick",
            "a case pick",
            "b case pick",
            "words data clean/one",
            "clean/one data clean/two",
            "load order publish",
            "tens data publish",
            "pick data publish",
            "clean/two data publish",
        ]
    );
    assert_eq!(graph["tasks"][2], json!({ "name": "words", "call": "g.split", "for_each": ["chunk"] }));
    assert_eq!(graph["pipelines"][0]["tasks"], json!(["clean/one", "clean/two"]));
    assert_eq!(graph["outputs"], json!([{ "name": "publish", "tasks": ["publish"] }]));
}

#[test]
fn mermaid_is_the_default() {
    let text = draw(&project(), []);
    for line in [
        "flowchart TB",
        "  t2[\"<b>words</b><br/>g.split<br/>for each chunk\"]",
        "<br/>for each i, 10 elements\"]",
        "<b>clean</b><br/>2 tasks of lib/clean.toml",
        "<b>tell</b><br/>g.tell<br/>finally",
        "  t4 -. case .-> t6",
        "  t0 -.-> t8",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("clean/one"), "a pipeline is one box:\n{text}");
    let expanded = draw(&project(), ["--expand"]);
    assert!(expanded.contains("<b>clean/one</b>") && !expanded.contains("2 tasks"), "{expanded}");
}

#[test]
fn name_of_the_file_decides_the_format() {
    let project = project();
    for (name, start) in [("g.svg", "<svg "), ("g.dot", "digraph {"), ("g.mmd", "---\n"), ("g.json", "{\n")] {
        project.command("graph").args(["--out", name]).run().expect(0).says(["wrote "]);
        let text = std::fs::read_to_string(project.folder().join(name)).expect("the file is there");
        assert!(text.starts_with(start), "{name}: {text}");
    }
    project.command("graph").args(["-o", "g.png"]).run().expect(2).says(["`.svg`", "--format"]);
    let svg = draw(&project, ["--format", "svg"]);
    assert!(svg.contains("prefers-color-scheme: dark") && svg.ends_with("</svg>\n"), "{svg}");
    assert_eq!(svg, draw(&project, ["--format", "svg"]), "a drawing is the same each time");
}

#[test]
fn texts_of_the_manifest_stay_texts() {
    let body = "[components.g]\npath = \"x.wasm\"\n[tasks.t]\ncall = \"g.t\"\n[tasks.u]\nmanifest = \"</text><script>\\\"`;\\u0007.toml\"\n";
    let project = Project::raw(&format!("cascade = 1\nname = \"\\\"]<script>&--\"\n{body}"));
    project.write_to(
        "</text><script>\"`;\u{7}.toml",
        &CLEAN.replace("[params.rows]\ntype = \"list<string>\"\n", "").replace("{ param = \"rows\" }", "1"),
    );
    let svg = draw(&project, ["--format", "svg"]);
    assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;"), "{svg}");
    let mermaid = draw(&project, []);
    assert!(!mermaid.contains("<script>\\") && mermaid.contains("title: \"\\\"]"), "{mermaid}");
    assert!(mermaid.contains("#60;script#62;#34;#96;#59;"), "{mermaid}");
    let dot = draw(&project, ["--format", "dot"]);
    assert!(dot.contains("label=\"\\\"]<script>") && dot.contains("\\\"`;\\\\u{7}"), "{dot}");
}

#[test]
fn large_graph_is_bounded_and_says_so() {
    let mut body = "[components.g]\npath = \"x.wasm\"\n[tasks.all]\ncall = \"g.all\"\nargs.xs = [".to_owned();
    (0..1000).for_each(|task| body.push_str(&format!("{{ task = \"b{task}\" }}, ")));
    body.push_str("]\n");
    for task in 0..1000 {
        body.push_str(&format!("[tasks.a{task}]\ncall = \"g.a\"\n"));
        body.push_str(&format!("[tasks.b{task}]\ncall = \"g.b\"\nargs.x = {{ task = \"a{task}\" }}\n"));
    }
    let project = Project::new(&body);
    let finished =
        project.command("graph").run().expect(0).says(["2001 tasks are too many", "--format json"]);
    let text = finished.text();
    assert!(text.contains("<b>1000 tasks</b><br/>a0 … a999<br/>g.a"), "{text}");
    assert_eq!(text.matches("-->").count(), 2, "two chains of many become one line each:\n{text}");
    let graph: Value = serde_json::from_str(&draw(&project, ["--format", "json"])).expect("it is JSON");
    assert_eq!(graph["tasks"].as_array().map(Vec::len), Some(2001), "JSON leaves nothing out");
    // All different, so that only the depth is left to join them by.
    let chain = |task: u32| {
        let read =
            if task == 0 { String::new() } else { format!("args.x = {{ task = \"t{}\" }}\n", task - 1) };
        format!("[tasks.t{task}]\ncall = \"g.f{task}\"\n{read}")
    };
    let chain: String = (0..1000).map(chain).collect();
    let project = Project::new(&format!("[components.g]\npath = \"x.wasm\"\n{chain}"));
    let text = project.command("graph").args(["--format", "svg"]).run().expect(0).says(["too many"]).text();
    assert!(text.matches("class=\"name\"").count() <= 300, "{}", text.len());
}

#[test]
fn run_shows_its_states() {
    let server = Redis::start("");
    let project = Project::basic(
        r#"
        [tasks.good]
        call = "g.double"
        args.x = 1
        [tasks.bad]
        call = "g.maybe-fail"
        for-each.x = [2, 3, 4]
        args.x = { item = "x" }
        [tasks.after]
        call = "g.sum"
        args.xs = { task = "bad" }
        [tasks.never]
        call = "g.double"
        args.x = { task = "good" }
        when = { value = false }
        "#,
    );
    let state = server.uri();
    let run = project.host().args(["--run-id", "r1", "--state", &state, "--keep-going"]).run().expect(1);
    drop(run);
    let graph = project.command("graph").args(["--run", "r1", "--state", &state]);
    let text = graph.run().expect(0).text();
    for line in [
        "test, run r1: failed",
        "t0(\"<b>good</b><br/>g.double<br/><i>done</i>\")",
        "t1{{\"<b>bad</b><br/>g.maybe-fail<br/>for each x, 3 elements<br/><i>failed, 1 element failed</i>\"}}",
        "t3[\"<b>never</b><br/>g.double<br/>when<br/><i>skipped</i>\"]",
        "class t1 failed",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let json = project.command("graph").args(["--format", "json", "--run", "r1", "--state", &state]);
    let json = json.run().expect(0).json();
    assert_eq!(json["run"], json!({ "run": "r1", "status": "failed" }));
    assert_eq!(json["tasks"][1]["failed_elements"], 1);
    assert_eq!(json["tasks"][2]["state"], "skipped");
    // The manifest changes: the drawing says so, and shows what both have.
    project.write_to(
        "manifest.toml",
        "cascade = 1\nname = \"test\"\n[components.g]\npath = \"x\"\n[tasks.good]\ncall = \"g.f\"\n[tasks.new]\ncall = \"g.f\"\n",
    );
    let finished = project.command("graph").args(["--run", "r1", "--state", &state]).run().expect(0);
    let finished = finished.says(["it does not have `new`", "it has besides `after`, `bad`, `never`"]);
    assert!(finished.text().contains("t1[\"<b>new</b><br/>g.f\"]"), "{}", finished.text());
    project.command("graph").args(["--run", "other", "--state", &state]).run().expect(4);
}

#[test]
fn faults_of_a_manifest_are_reported() {
    let project = Project::new("[tasks.t]\ncall = \"g.f\"\nafter = [\"u\"]\n");
    project.command("graph").run().expect(2).says(["`u`"]);
    Host::new(["graph", "missing.toml"]).within(project.folder()).run().expect(2).says(["cannot read"]);
}
