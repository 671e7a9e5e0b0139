//! All languages in one graph: a value of every kind comes out as it went in, on one host and on two of which one is
//! killed; and each language fails in its own words. `new_pipelines` has the templates.

use cascade_host_tests::{
    Host, LANGUAGES, Language, Project, Redis, build_rust_guests, build_variables, polyglot_folder,
};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// Components of all languages that this machine can have: name, and the table of the manifest.
fn components() -> &'static [(&'static str, String)] {
    static BUILT: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = polyglot_folder();
        let languages: Vec<Language> =
            LANGUAGES.into_iter().filter(|language| !language.is_declined()).collect();
        let mut manifest = "cascade = 1\nname = \"polyglot\"\n".to_owned();
        for Language { key, .. } in &languages {
            manifest += &format!(
                "[components.{key}]\npath = \"{key}/task.wasm\"\nbuild = \"{key}\"\nbuild-dir = \"{key}\"\n\
                 [tasks.{key}]\ncall = \"{key}.big\"\nargs.text = \"\"\n"
            );
        }
        std::fs::write(folder.join("manifest.toml"), manifest).expect("the folder is ours");
        let build = Host::new(["build", "manifest.toml"]).within(folder);
        build_variables()
            .into_iter()
            .fold(build, |build, (name, value)| build.env(name, &value))
            .run()
            .expect(0);
        let rust = ("rust", build_rust_guests().join("polyglot.wasm"));
        let others =
            languages.iter().map(|language| (language.key, folder.join(language.key).join("task.wasm")));
        let table = |(name, path): (&'static str, std::path::PathBuf)| {
            (name, format!("[components.{name}]\npath = \"{}\"\n", path.display()))
        };
        std::iter::once(rust).chain(others).map(table).collect()
    })
}

/// A chain of tasks: `function` of each language, one after the other, from a param of this type to the output.
fn chain(function: &str, (param, ty): (&str, &str), more: &str) -> String {
    let mut manifest = format!("[params.from]\ntype = \"{ty}\"\n");
    let mut from = "{ param = \"from\" }".to_owned();
    for (name, table) in components() {
        manifest += table;
        manifest += &format!(
            "[tasks.{function}-{name}]\ncall = \"{name}.{function}\"\nargs.{param} = {from}\n{more}"
        );
        from = format!("{{ task = \"{function}-{name}\" }}");
    }
    manifest + &format!("[outputs]\nto = {from}\n")
}

const BAGGAGE: &str = "record { text: string, id: u64, depth: s64, ratio: f32, exact: f64, letter: char, is-open: bool, \
    marks: flags { bold, small, odd }, level: enum { low, mid, high }, shape: variant { none, dot(char), line(list<f32>) }, \
    parts: list<record { name: string, note: option<string>, size: u64 }>, grid: list<list<u16>>, empty: list<string>, \
    bytes: list<u8>, missing: option<u32>, fine: result<u8, string>, broken: result<u8, string> }";

fn baggage() -> Value {
    json!({
        "text": "g\u{fc}r\u{f1}\u{0}\u{1F9F3}\u{4e2d}", "id": u64::MAX - 1, "depth": i64::MIN, "ratio": 0.1, "exact": 1e-310,
        "letter": "\u{1F9ED}", "is-open": true, "marks": ["bold", "odd"], "level": "high",
        "shape": { "line": [-0.5, 3.402_823_5e38, 1e-45] },
        "parts": [
            { "name": "\u{1D11E}", "note": "", "size": 9_007_199_254_740_993_u64 },
            { "name": "", "note": null, "size": 0 },
        ],
        "grid": [[], [1, 65535], [0]], "empty": [], "bytes": "AAH/", "missing": null,
        "fine": { "ok": 255 }, "broken": { "err": "\u{10FFFF}" },
    })
}

#[test]
fn a_value_of_every_kind_passes_all_languages_unchanged() {
    let project = Project::new(&chain("pass", ("what", BAGGAGE), ""));
    let given = baggage();
    project.file("params.json", json!({ "from": given }).to_string().as_bytes());
    let host = project.host().args(["--verify", "--params-file", "params.json"]);
    let shown = host.run().expect(0).json();
    assert_eq!(shown["to"], given);
    let finished = project.events().of("task.finished").count();
    assert_eq!(finished, components().len());
}

#[test]
fn five_megabytes_pass_all_languages_unchanged() {
    let project = Project::new(&chain("big", ("text", "string"), ""));
    let text: String = "line \u{1F9F3} \u{0} \u{e9}\n".repeat(340_000);
    assert!(text.len() > 5_000_000);
    let file = project.file("text.txt", text.as_bytes());
    let host = project.host().args(["-o", "raw", "-p", &format!("from=@{}", file.display())]);
    let shown = host.run().expect(0).stdout;
    assert!(shown == text.as_bytes(), "{} bytes came out of {}", shown.len(), text.len());
}

#[test]
fn a_host_is_killed_while_all_languages_run() {
    let server = Redis::start("");
    let names: Vec<&str> = components().iter().map(|(name, _)| *name).collect();
    let mut manifest = format!("[params.from]\ntype = \"{BAGGAGE}\"\n");
    let mut from = "{ param = \"from\" }".to_owned();
    for (name, table) in components() {
        manifest += table;
        let (each, item) = if from.contains("param") {
            ("for-each.nth = { range = 60 }\n".to_owned(), from)
        } else {
            (format!("for-each.what = {from}\n"), "{ item = \"what\" }".to_owned())
        };
        manifest += &format!("[tasks.{name}]\ncall = \"{name}.pass\"\n{each}args.what = {item}\n");
        from = format!("{{ task = \"{name}\" }}");
    }
    manifest += &format!("[outputs]\nto = {from}\n");
    let project = Project::new(&manifest);
    project.file("params.json", json!({ "from": baggage() }).to_string().as_bytes());
    let uri = server.uri();
    let run = |host: Host| {
        host.args(["--params-file", "params.json", "--state", &uri, "--run-id", "r", "--log-level", "debug"])
    };
    let mut one = run(project.host()).args(["-j", "1"]).start();
    one.until(&format!("finished   {}[5]", names[1]));
    let other = run(project.other_host("other.jsonl")).start();
    one.signal("KILL");
    one.wait();
    let shown = other.wait().expect(0).json();
    let list = shown["to"].as_array().expect("a list");
    assert_eq!(list.len(), 60);
    assert!(list.iter().all(|value| *value == baggage()), "{shown}");
}

/// How a language tells of its failures: what it does for `throw` and `assert`, as the first lines of the error.
const FAILURES: &[(&str, [&str; 2])] = &[
    ("rust", ["no such city", "how is empty"]),
    ("python", ["LookupError: no such city", "AssertionError: how is empty"]),
    ("javascript", ["no such city", "null"]),
    ("typescript", ["no such city", "undefined"]),
    ("c", ["no such city", "Assertion failed: !is(how, \"assert\")"]),
    ("cpp", ["no such city", "Assertion failed: word != \"assert\""]),
    ("zig", ["no such city", "how is empty"]),
    ("go", ["panic: no such city", "index out of range [6]"]),
    ("assemblyscript", ["no such city at", "how is empty at"]),
    ("nim", ["no such city", "how is empty"]),
];

#[test]
fn each_language_fails_in_its_own_words() {
    let mut manifest = String::new();
    for (name, table) in components() {
        manifest += table;
        for how in ["throw", "assert", "exit"] {
            manifest += &format!(
                "[tasks.{name}-{how}]\ncall = \"{name}.fail\"\nargs.how = \"{how}\"\ntimeout = \"20s\"\n"
            );
        }
    }
    let project = Project::new(&manifest);
    project.host().args(["--keep-going", "--log-level", "error"]).run().expect(1);
    let events = project.events();
    for (name, _) in components() {
        let (_, words) = FAILURES.iter().find(|(known, _)| known == name).expect("a language has its words");
        for (how, words) in ["throw", "assert"].into_iter().zip(words) {
            let error = error_of(&events, &format!("{name}-{how}"));
            let quoted = error
                .strip_prefix("the guest's last lines on stderr:\n  | ")
                .unwrap_or_else(|| panic!("{name}: {error}"));
            let guest: Vec<&str> = quoted
                .lines()
                .take_while(|line| line.starts_with("  | ") || quoted.starts_with(line))
                .collect();
            assert!(guest.iter().any(|line| line.contains(words)), "{name}: {error}");
            let host: Vec<&str> = error.lines().skip(1 + guest.len()).collect();
            assert!(host.iter().any(|line| line.contains("0: ")), "{name} has no backtrace of wasm: {error}");
        }
        if !["javascript", "typescript", "assemblyscript"].contains(name) {
            let error = error_of(&events, &format!("{name}-exit"));
            assert!(error.contains("the guest called exit with "), "{name}: {error}");
        }
    }
}

fn error_of(events: &cascade_host_tests::Events, task: &str) -> String {
    let failed = events.of("task.failed").find(|event| event["task"] == task);
    failed
        .and_then(|event| event["error"].as_str())
        .unwrap_or_else(|| panic!("{task} did not fail"))
        .to_owned()
}
