//! Texts and variables that a user hands over: what editors and shells do to them is understood, or refused by name.
//! Values against their types are in `values`.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::Project;
use serde_json::json;

/// Two params and their sum, and a text as it is.
const SUM: &str = r#"
[params.a]
type = "u32"
default = 1
[params.b]
type = "u32"
default = 1
[params.text]
type = "string"
default = ""
[tasks.sum]
call = "g.add"
args = { a = { param = "a" }, b = { param = "b" } }
[tasks.text]
call = "g.echo-string"
args.value = { param = "text" }
"#;

fn project(body: &str) -> Project {
    Project::new(&format!("{}{body}", component(Guest::Basic)))
}

fn words(project: &Project, arguments: &[&str]) -> cascade_host_tests::Host {
    arguments.iter().fold(project.command("run"), |host, word| host.args([*word]))
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_text() {
    let project = project(SUM);
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it is there");
    project.write(&format!("\u{feff}{manifest}"));
    for (name, content) in [
        ("p.json", "\u{feff}{\"a\": 5}"),
        ("p.toml", "\u{feff}a = 5\r\n"),
        ("n.json", "\u{feff}5\r\n"),
        ("settings.toml", "\u{feff}log-level = \"warn\"\n"),
    ] {
        project.file(name, content.as_bytes());
    }
    for given in [
        &["--params-file", "p.json"][..],
        &["--params-file", "p.toml"],
        &["-p", "a=@n.json"],
        &["-p", "a=\u{feff}5"],
    ] {
        let finished = words(&project, given).args(["--config", "settings.toml"]).run().expect(0);
        assert_eq!(finished.json()["sum"], 6, "{given:?}");
        assert!(!finished.stderr.contains("task"), "the level of the settings: {}", finished.stderr);
    }
}

#[test]
fn a_byte_order_mark_stays_in_data() {
    let project = project(&format!(
        "{SUM}[tasks.file]\ncall = \"g.echo-string\"\nargs.value = {{ file = \"t.txt\" }}\n\
         [tasks.bytes]\ncall = \"g.echo-bytes\"\nargs.value = {{ file = \"t.txt\" }}\n"
    ));
    project.file("t.txt", "\u{feff}t\r\n".as_bytes());
    let outputs = words(&project, &["-p", "text=@t.txt"]).run().expect(0).json();
    assert_eq!(outputs["text"], "\u{feff}t\r\n");
    assert_eq!(outputs["file"], "\u{feff}t\r\n");
    assert_eq!(outputs["bytes"], json!("77u/dA0K"));
}

#[test]
fn other_encodings_are_named() {
    let utf16 = |text: &str, mark: &[u8]| -> Vec<u8> {
        mark.iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()
    };
    let project = project(SUM);
    project.file("w.json", &utf16("{\"a\": 5}", b"\xff\xfe"));
    project.file("w.toml", &utf16("a = 5", b"\xff\xfe"));
    project.file("w.txt", &utf16("5", b"\xff\xfe"));
    for (given, named) in [
        (["--params-file", "w.json"], "w.json"),
        (["--params-file", "w.toml"], "w.toml"),
        (["-p", "a=@w.txt"], "w.txt"),
        (["-p", "text=@w.txt"], "param `text`"),
        (["--config", "w.toml"], "w.toml"),
    ] {
        words(&project, &given).run().expect(2).says(["UTF-16", "save it as UTF-8", named]);
    }
    project.file("manifest.toml", &utf16("cascade = 1", b"\xff\xfe"));
    project.command("check").run().expect(2).says(["UTF-16", "manifest.toml"]);
    let file = project_with_file();
    file.file("w.txt", &utf16("5", b"\xff\xfe"));
    file.run().expect(2).says(["UTF-16", "w.txt"]);
}

fn project_with_file() -> Project {
    project("[tasks.file]\ncall = \"g.echo-string\"\nargs.value = { file = \"w.txt\" }\n")
}

#[test]
fn a_key_that_is_there_twice_is_refused_by_name() {
    let project = project(&format!(
        "{SUM}[params.point]\ntype = \"record {{ x: f64, y: f64 }}\"\ndefault = {{ x = 1, y = 2 }}\n\
         [params.shape]\ntype = \"variant {{ empty, circle(f64) }}\"\ndefault = \"empty\"\n\
         [params.ended]\ntype = \"result<u32, string>\"\ndefault = {{ ok = 1 }}\n"
    ));
    for (name, content) in [
        ("p.json", r#"{"a": 5, "b": 1, "a": 6}"#),
        ("deep.json", r#"{"point": {"x": 1, "y": 2, "x": 3}}"#),
        ("escaped.json", r#"{"a": 5, "\u0061": 6}"#),
        ("p.toml", "a = 5\na = 6\n"),
        ("deep.toml", "[point]\nx = 1\ny = 2\nx = 3\n"),
        ("settings.toml", "jobs = 1\njobs = 2\n"),
    ] {
        project.file(name, content.as_bytes());
    }
    for (given, named) in [
        (&["--params-file", "p.json"][..], "`p.json` gives param `a` twice"),
        (&["--params-file", "escaped.json"], "`escaped.json` gives param `a` twice"),
        (&["--params-file", "deep.json"], "field `x` stands here twice"),
        (&["--params-file", "p.toml"], "line 2: the key `a`"),
        (&["--params-file", "deep.toml"], "line 4: the key `x`"),
        (&["--config", "settings.toml"], "line 2: the key `jobs`"),
        (&["-p", "a=1", "-p", "a=2"], "param `a` is given twice"),
        (&["-p", r#"point={"x": 1, "y": 2, "y": 3}"#], "field `y` stands here twice"),
        (&["-p", r#"shape={"circle": 1, "circle": 2}"#], "case `circle` stands here twice"),
        (&["-p", r#"ended={"ok": 1, "ok": 2}"#], "case `ok` stands here twice"),
        (&["--state", "redis://h?timeout=1s&timeout=2s"], "`timeout` is given twice"),
    ] {
        let finished = words(&project, given).run().expect(2).says([named]);
        assert!(finished.stdout.is_empty());
    }
}
