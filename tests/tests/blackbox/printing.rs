//! Printing: the formats of results, and that stdout carries results only.
//! Faults are in `golden`.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::{Host, Project};
use serde_json::json;
use std::collections::BTreeMap;

fn two_outputs() -> Project {
    Project::basic(
        r#"
        [tasks.text]
        call = "g.echo-string"
        args.value = "hello"
        [tasks.number]
        call = "g.double"
        args.x = 4
        "#,
    )
}

#[test]
fn outputs_are_one_object_in_the_order_of_the_manifest() {
    assert_eq!(two_outputs().run().expect(0).text().trim_end(), r#"{"text":"hello","number":8}"#);
}

#[test]
fn msgpack_is_one_map() {
    let finished = two_outputs().host().args(["-o", "msgpack", "--output", "number"]).run().expect(0);
    let map: BTreeMap<String, u32> = rmp_serde::from_slice(&finished.stdout).expect("stdout is MessagePack");
    assert_eq!(map, BTreeMap::from([("number".to_owned(), 8)]));
}

#[test]
fn raw_prints_the_bytes_of_one_string() {
    let project = two_outputs();
    assert_eq!(project.host().args(["-o", "raw", "--output", "text"]).run().expect(0).stdout, b"hello");
    // Refused before anything runs, since the output could not be printed afterwards.
    project.host().args(["-o", "raw"]).run().expect(2).says(["--output"]);
    project.host().args(["-o", "raw", "--output", "number"]).run().expect(2).says(["u32"]);
    project.host().args(["--output", "nmber"]).run().expect(2).says(["nmber", "number"]);
}

#[test]
fn params_are_read_from_flags_and_files() {
    let project = Project::basic(
        r#"
        [params.text]
        type = "string"
        [params.colour]
        type = "enum { red, green, blue }"
        default = "red"
        [params.xs]
        type = "list<u32>"
        default = []
        [tasks.text]
        call = "g.echo-string"
        args.value = { param = "text" }
        [tasks.colour]
        call = "g.echo-colour"
        args.value = { param = "colour" }
        [tasks.sum]
        call = "g.sum"
        args.xs = { param = "xs" }
        "#,
    );
    project.file("text.txt", b"from a file");
    project.file("all.toml", b"text = \"from toml\"\nxs = [1, 2]\n");
    project.file("all.json", br#"{"text": "from json", "xs": [5]}"#);
    let run = |arguments: &[&str]| {
        let host = arguments.iter().fold(project.host(), |host, argument| host.args([*argument]));
        host.run()
    };
    let expected = |text: &str, colour: &str, sum: u32| json!({ "text": text, "colour": colour, "sum": sum });
    let flags = run(&["-p", "text=12", "-p", "colour=blue", "-p", "xs=[3,4]"]).expect(0);
    assert_eq!(flags.json(), expected("12", "blue", 7));
    assert_eq!(run(&["-p", "text=@text.txt"]).expect(0).json(), expected("from a file", "red", 0));
    assert_eq!(run(&["-p", "text=@@home"]).expect(0).json(), expected("@home", "red", 0));
    assert_eq!(run(&["--params-file", "all.toml"]).expect(0).json(), expected("from toml", "red", 3));
    let both = run(&["--params-file", "all.json", "-p", "text=flag"]).expect(0);
    assert_eq!(both.json(), expected("flag", "red", 5));
    run(&[]).expect(2).says(["param `text` has no value", "-p text="]);
    run(&["-p", "txt=1", "-p", "text=x"]).expect(2).says(["`txt`", "did you mean `text`?"]);
    run(&["-p", "text=x", "-p", "xs=oops"]).expect(2).says(["param `xs`", "JSON"]);
    run(&["-p", "text=x", "-p", "colour=pink"]).expect(2).says(["pink"]);
}

#[test]
fn secret_params_are_never_printed() {
    let project = Project::basic(
        r#"
        [params.token]
        type = "string"
        secret = true
        [params.number]
        type = "u32"
        default = 1
        secret = true
        [tasks.use]
        call = "g.panic-with"
        args.message = "no"
        [tasks.also]
        call = "g.double"
        args.x = { param = "number" }
        [tasks.keeps]
        call = "g.name-of"
        args.who = { name = { param = "token" } }
        "#,
    );
    let arguments = ["-p", "token=hunter2", "-p", "number=hunter2", "--log-level", "trace", "--keep-going"];
    let refused = project.host().args(arguments).run().expect(2);
    assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    let failed = project.host().args(["-p", "token=hunter2", "--log-level", "trace"]).run().expect(1);
    assert!(!failed.stderr.contains("hunter2"), "{}", failed.stderr);
    assert!(!format!("{:?}", project.events()).contains("hunter2"));
    let plan = project.command("plan").args(["-p", "token=hunter2"]).run().expect(0);
    assert!(!plan.text().contains("hunter2") && !plan.stderr.contains("hunter2"));
}

/// Returns the output of a command on a terminal, which gets both streams.
fn on_terminal(host: Host) -> String {
    let script = "printf '%s ' \"$0\" \"$@\" > command; script -qec \"sh command\" /dev/null < /dev/null";
    String::from_utf8(host.behind("sh", &["-c", script]).run().expect(0).stdout).expect("it is text")
}

#[test]
fn untrusted_text_is_escaped_on_a_terminal() {
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.echo-string\"\nargs.value = \"a\\u009b31m\\u202Eb\\u007F\\u001bc\"\n\
         [tasks.said]\ncall = \"g.say\"\nargs.text = \"a\\u009b31m\\u202Eb\\u061C\\u2028c\"\n",
    );
    let steers = |text: &str| {
        // Remove the terminal's line ends, and the styles of the host's log.
        let text = text.replace("\r\n", "\n").replace("\u{1b}[", "[");
        text.chars().any(|c| (c.is_control() && c != '\n') || "\u{202e}\u{61c}\u{2028}".contains(c))
    };
    let run = || project.host().args(["--progress", "none"]);
    for host in [
        run(),
        run().args(["--log-format", "json"]),
        Host::new(["run", "manifest.toml", "--events", "-"]).within(project.folder()),
    ] {
        let shown = on_terminal(host);
        assert!(!steers(&shown), "{shown:?}");
        // The escaped JSON is still the same value.
        assert!(shown.contains(r#""t": "a\u009b31m\u202eb\u007f\u001bc""#), "{shown}");
    }
    // Programs get texts unchanged.
    assert_eq!(project.run().expect(0).json()["t"], "a\u{9b}31m\u{202e}b\u{7f}\u{1b}c");
    let piped = project.run().expect(0).text();
    assert!(piped.contains("a\u{9b}31m\u{202e}b"), "{piped}");
    // A manifest may come from an untrusted source.
    project.file("odd.toml", "cascade = 1\nname = \"x\"\nnam = \"a\u{9b}31m\u{200f}\"\n".as_bytes());
    let shown = Host::new(["check", "odd.toml"]).within(project.folder()).run().expect(2).stderr;
    assert!(!steers(&shown) && shown.contains(r"\u{9b}31m"), "{shown}");
}

#[test]
fn json_log_is_json_lines() {
    let finished = two_outputs().host().args(["--log-format", "json"]).run().expect(0);
    for line in finished.stderr.lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect("a line of the log is JSON");
        assert_eq!(event["v"], 1);
        assert!(event["ts"].as_str().is_some_and(|ts| ts.ends_with('Z')), "{line}");
    }
    assert!(finished.stderr.lines().count() >= 4);
}

#[test]
fn events_on_stderr_replace_the_log_and_leave_stdout_unchanged() {
    let project = two_outputs();
    let finished =
        Host::new(["run", "manifest.toml", "--events", "-"]).within(project.folder()).run().expect(0);
    assert_eq!(finished.json(), json!({ "text": "hello", "number": 8 }));
    assert!(finished.stderr.lines().all(|line| line.starts_with('{')), "{}", finished.stderr);
}

#[test]
fn variables_and_flags_override_the_settings_file() {
    let project = two_outputs();
    let file =
        project.file("host.toml", b"log-format = \"json\"\nlog-level = \"error\"\nstate = \"memory:\"\n");
    let file = file.display().to_string();
    let quiet = project.host().env("CASCADE_CONFIG", &file).run().expect(0);
    assert!(quiet.stderr.is_empty(), "{}", quiet.stderr);
    let loud = project.host().args(["--config", &file, "--log-level", "info"]).run().expect(0);
    assert!(loud.stderr.starts_with('{'), "{}", loud.stderr);
    project.file("bad.toml", b"colour = \"blue\"\n");
    project.host().args(["--config", "bad.toml"]).run().expect(2).says(["bad.toml", "colour"]);
}

#[test]
fn inspect_shows_functions_with_their_calls() {
    let project = Project::new(&component(Guest::TwoFaces));
    let path =
        std::fs::read_to_string(project.folder().join("manifest.toml")).expect("the manifest was written");
    let path = path.split('"').nth(3).expect("the path stands in quotes").to_owned();
    let shown = Host::new(["inspect", &path]).run().expect(0).text();
    for text in ["two_faces.only", "two_faces#test:faces/a@1.0.0.run", "func() -> string"] {
        assert!(shown.contains(text), "{text} is not in:\n{shown}");
    }
    let json = Host::new(["inspect", &path, "--json"]).run().expect(0).json();
    assert_eq!(json["v"], 1);
    let odd = project.folder().join("9 kits-0.1.component.wasm");
    std::fs::copy(&path, &odd).expect("the component can be copied");
    let shown = Host::new(["inspect", &odd.display().to_string()]).run().expect(0).text();
    assert!(shown.contains("call = \"c-9-kits-0-1.only\""), "{shown}");
    Host::new(["inspect", "/nonexistent.wasm"]).run().expect(2).says(["cannot read"]);
}

#[test]
fn output_of_a_memory_run_explains_how_to_keep_results() {
    Host::new(["output", "some-run"]).run().expect(4).says(["some-run", "--state"]);
    Host::new(["output", "some-run", "task"]).run().expect(4);
    Host::new(["output", "a:b"]).run().expect(2);
}

#[test]
fn unknown_uri_schemes_list_the_known_ones() {
    let project = two_outputs();
    let finished = project.host().args(["--state", "postgres://user:hunter2@db"]).run().expect(2);
    let finished = finished.says(["redis://", "memory:"]);
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    project.host().env("CASCADE_CACHE", "file:///x").run().expect(2).says(["CASCADE_CACHE"]);
}
