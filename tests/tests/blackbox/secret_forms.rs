//! Secrets in the forms in which the host passes them to guests: bytes, chars, records, texts with surrounding
//! whitespace.
//! Secrets outside guest output are tested in `secrets`.

use crate::component;
use crate::guests::Guest;
use crate::secrets::content;
use cascade_host_tests::{Finished, Host, Project, Redis};
use std::fmt::Write as _;

fn project(params: &str, tasks: &str) -> Project {
    Project::new(&format!("{params}{}{tasks}", component(Guest::Basic)))
}

/// Returns the output of a run: both log formats, and its events.
fn outputs_of_run(project: &Project, arguments: &[&str], code: i32) -> Vec<(&'static str, String)> {
    let run = |more: &[&str]| -> Finished {
        let host = arguments.iter().chain(more).fold(project.command("run"), |host, word| host.args([*word]));
        host.env("TOKEN", "t0ken-value\r\n").run().expect(code)
    };
    let human = run(&["--log-level", "trace", "--events", "events.jsonl"]).stderr;
    let events = std::fs::read_to_string(project.folder().join("events.jsonl")).expect("there are events");
    let json = run(&["--log-format", "json", "--log-level", "trace"]).stderr;
    vec![("the log", human), ("the events", events), ("the log as JSON", json)]
}

#[track_caller]
fn assert_has_none(from: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!text.contains(secret), "{from} has {secret:?}:\n{text}");
    }
    assert!(text.contains("***"), "{from} marks what is hidden:\n{text}");
}

#[test]
fn whitespace_around_a_secret_does_not_reveal_it() {
    let project = project(
        "[params.pw]\ntype = \"string\"\nsecret = true\n",
        "[tasks.t]\ncall = \"g.tell-lines\"\nargs.text = { param = \"pw\" }\n\
         [tasks.v]\ncall = \"g.tell-variable\"\nargs.name = \"TOKEN\"\n\
         grants.env = [\"TOKEN\"]\n",
    );
    for content in
        ["hunter2\n", "hunter2\r\n", "  hunter2", "\u{feff}hunter2\r\n", "\thunter2 \n\n", "user\nhunter2\n"]
    {
        project.file("pw.txt", content.as_bytes());
        for (from, text) in outputs_of_run(&project, &["-p", "pw=@pw.txt"], 0) {
            assert_has_none(from, &text, &["hunter2", "t0ken-value"]);
        }
    }
}

#[test]
fn multi_line_key_is_hidden_in_every_line() {
    let project = project(
        "[params.key]\ntype = \"list<u8>\"\nsecret = true\n",
        "[tasks.t]\ncall = \"g.tell-bytes\"\nargs.bytes = { param = \"key\" }\n",
    );
    let line = |number: u32| format!("MIIEvQIBADANBgkqhki{number:08}");
    let lines: Vec<String> = (0..30).map(line).collect();
    let key =
        format!("-----BEGIN PRIVATE KEY-----\r\n{}\r\n-----END PRIVATE KEY-----\r\n", lines.join("\r\n"));
    project.file("key.pem", key.as_bytes());
    for (from, text) in outputs_of_run(&project, &["-p", "key=@key.pem"], 0) {
        assert_has_none(from, &text, &["MIIEvQ", "PRIVATE KEY"]);
    }
}

/// Params of every type; each text in them is secret.
const FORMS: &str = r#"
[params.bytes]
type = "list<u8>"
secret = true
[params.latin]
type = "list<u8>"
secret = true
[params.chars]
type = "list<char>"
secret = true
default = ["c", "h", "a", "r", "s", "e", "q"]
[params.account]
type = """record { name: string, key: option<list<u8>>, pin: u64, code: tuple<char, char, char, char, char>,
    hints: list<tuple<string, list<u8>>>, way: variant { token(string), certificate(list<u8>), none } }"""
secret = true
[params.pieces]
type = "list<list<u8>>"
secret = true
"#;

const SECRETS: [&str; 10] = [
    "bytes-as-text",
    "caf",
    "-au-lait",
    "charseq",
    "the-name",
    "key-in-option",
    "90210",
    "codex",
    "hint-name",
    "hint-text",
];

const ACCOUNT: &str = r#"account={"name": "the-name", "key": "a2V5LWluLW9wdGlvbg==", "pin": 90210,
    "code": ["c", "o", "d", "e", "x"], "hints": [["hint-name", "aGludC10ZXh0Cg=="]], "way": {"token": "way-token"}}"#;

#[test]
fn secrets_are_hidden_in_every_argument_type() {
    let server = Redis::start("");
    let project = project(
        &format!("[state]\nuri = \"{}\"\n{FORMS}", server.uri()),
        r#"
        [tasks.bytes]
        call = "g.tell-bytes"
        args.bytes = { param = "bytes" }
        [tasks.latin]
        call = "g.tell-bytes"
        args.bytes = { param = "latin" }
        [tasks.chars]
        call = "g.tell-chars"
        args.chars = { param = "chars" }
        [tasks.account]
        call = "g.tell-account"
        args.account = { param = "account" }
        [tasks.parts]
        call = "g.tell-bytes"
        for-each.part = { param = "pieces" }
        args.bytes = { item = "part" }
        "#,
    );
    project.file("text.bin", b"bytes-as-text\n");
    project.file("latin.bin", b"caf\xe9-au-lait");
    let values = [
        "-p",
        "bytes=@text.bin",
        "-p",
        "latin=@latin.bin",
        "-p",
        ACCOUNT,
        "-p",
        r#"pieces=["cGllY2UtdGV4dA=="]"#,
        "--run-id",
        "r1",
    ];
    let fresh: Vec<&str> = values.iter().copied().chain(["--fresh"]).collect();
    let secrets: Vec<&str> = SECRETS.into_iter().chain(["way-token", "piece-text"]).collect();
    for (from, text) in outputs_of_run(&project, &fresh, 0) {
        assert_has_none(from, &text, &secrets);
    }
    let uri = server.uri();
    for words in
        [&["logs", "r1", "bytes"][..], &["logs", "r1", "account", "--json"], &["logs", "r1", "parts[0]"]]
    {
        let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
        let text = host.args(["--state", &uri]).run().expect(0).text();
        assert_has_none(&words.join(" "), &text, &secrets);
    }
    assert_has_none("the server", &content(&server), &secrets);
}

#[test]
fn returned_error_hides_its_secret() {
    let mut long = String::new();
    (0..4000).for_each(|number| write!(long, "{}", number * 7919 % 10_007).expect("a text grows"));
    let project = project(
        "[params.long]\ntype = \"string\"\nsecret = true\n[params.short]\ntype = \"string\"\nsecret = true\n\
         [params.chars]\ntype = \"list<char>\"\nsecret = true\n[params.bytes]\ntype = \"list<u8>\"\nsecret = true\n",
        "[tasks.whole]\ncall = \"g.fail-with\"\nargs = { text = { param = \"long\" }, letters = 3 }\n\
         [tasks.beginning]\ncall = \"g.fail-with\"\nargs = { text = { param = \"long\" }, letters = 16370 }\n\
         [tasks.cut]\ncall = \"g.fail-with\"\nargs = { text = { param = \"short\" }, letters = 16377 }\n\
         [tasks.chars]\ncall = \"g.fail-with-chars\"\nargs.chars = { param = \"chars\" }\n\
         [tasks.bytes]\ncall = \"g.fail-with-bytes\"\nargs.bytes = { param = \"bytes\" }\n",
    );
    project.file("long.txt", long.as_bytes());
    project.file("short.txt", b"hunter2-token\n");
    let chars = r#"chars=["c", "h", "a", "r", "s", "e", "q"]"#;
    let values = [
        "-p",
        "long=@long.txt",
        "-p",
        "short=@short.txt",
        "-p",
        "bytes=@short.txt",
        "-p",
        chars,
        "--keep-going",
    ];
    let pieces: Vec<&str> = (0..long.len() - 16).step_by(97).map(|at| &long[at..at + 16]).collect();
    for (from, text) in outputs_of_run(&project, &values, 1) {
        assert_has_none(from, &text, &pieces);
        assert_has_none(from, &text, &["hunt", &long[..6], r#""c","h""#, "aHVudGVyMi10b2tlbgo"]);
    }
}

/// How a text gets into the secret param `key` of an included manifest, as it is or as an item. Each has the text once, and
/// no other reference to it in the manifest.
const PASSED: [(&str, &str); 14] = [
    ("a literal", "args.key = \"hidden-text\""),
    ("a param", "args.key = { param = \"text\" }"),
    ("a variable", "args.key = { env = \"TEXT\" }"),
    ("a file", "args.key = { file = \"text.txt\" }"),
    ("a case", "args.key = { select = { param = \"mode\" }, cases = { a = \"hidden-text\", b = \"b\" } }"),
    ("an item of a literal", "for-each.k = [\"hidden-text\", \"other\"]\nargs.key = { item = \"k\" }"),
    ("an item of a param", "for-each.k = { param = \"texts\" }\nargs.key = { item = \"k\" }"),
    ("a param in a list", "for-each.k = [{ param = \"text\" }]\nargs.key = { item = \"k\" }"),
    ("a variable in a list", "for-each.k = [{ env = \"TEXT\" }]\nargs.key = { item = \"k\" }"),
    ("an item of files", "for-each.k = { files = \"text*.txt\" }\nargs.key = { item = \"k\" }"),
    (
        "an item of a case",
        "for-each.k = { select = { param = \"mode\" }, cases = { a = [\"hidden-text\"], b = [\"b\"] } }\n\
         args.key = { item = \"k\" }",
    ),
    (
        "an item of a product",
        "product = true\nfor-each.k = [\"hidden-text\"]\nfor-each.n = { range = 2 }\nargs.key = { item = \"k\" }\nargs.n = { item = \"n\" }",
    ),
    (
        "a part of an item",
        "for-each.k = [{ a = \"hidden-text\", b = 1 }]\nargs.key = { item = \"k\", path = \"a\" }",
    ),
    (
        "a part of a param's item",
        "for-each.k = { param = \"pairs\" }\nargs.key = { item = \"k\", path = \"[0]\" }",
    ),
];

const TELLER: &str = "[params.key]\ntype = \"string\"\nsecret = true\n[params.n]\ntype = \"u32\"\ndefault = 0\n\
     [tasks.tell]\ncall = \"g.tell-lines\"\nargs.text = { param = \"key\" }\n";

/// Manifests that take what is passed, and pass it on as a whole, as an item, and as an item of an item.
const BETWEEN: [(&str, &str, &str); 3] = [
    ("one.toml", "[params.key]\ntype = \"string\"\n", "args.key = { param = \"key\" }"),
    (
        "items.toml",
        "[params.key]\ntype = \"string\"\n",
        "for-each.k = [{ param = \"key\" }]\nargs.key = { item = \"k\" }",
    ),
    (
        "nested.toml",
        "[params.key]\ntype = \"string\"\n",
        "for-each.ks = [[{ param = \"key\" }], [\"x\"]]\nargs.ks = { item = \"ks\" }",
    ),
];

#[test]
fn everything_that_is_passed_into_a_secret_param_is_hidden() {
    let server = Redis::start("");
    let params = "[params.text]\ntype = \"string\"\ndefault = \"hidden-text\"\n\
         [params.texts]\ntype = \"list<string>\"\ndefault = [\"hidden-text\", \"y\"]\n\
         [params.pairs]\ntype = \"list<tuple<string, u8>>\"\ndefault = [[\"hidden-text\", 1]]\n\
         [params.mode]\ntype = \"string\"\ndefault = \"a\"\n";
    let uses = |line: &str| {
        let used = |name: &&str| line.contains(&format!("param = \"{name}\""));
        let declared = params.split_inclusive('\n').collect::<Vec<_>>();
        let unused = ["text", "texts", "pairs", "mode"].into_iter().filter(|name| !used(name));
        let unused: Vec<String> = unused.map(|name| format!("[params.{name}]\n")).collect();
        let declared = declared.chunks(3).filter(|param| !unused.iter().any(|name| name == param[0]));
        declared.map(<[&str]>::concat).collect::<String>()
    };
    let check = |how: &str, included: &str, line: &str| {
        let body = format!("{}[tasks.in]\nmanifest = \"{included}\"\n{line}\n", uses(line));
        let project = Project::new(&format!("[state]\nuri = \"{}\"\n{body}", server.uri()));
        project.include("teller.toml", TELLER);
        for (file, params, pass) in BETWEEN {
            let inner = if file == "nested.toml" { "inner.toml" } else { "teller.toml" };
            project.include(file, &format!("{params}[tasks.on]\nmanifest = \"{inner}\"\n{pass}\n"));
        }
        let inner = "[params.ks]\ntype = \"list<string>\"\n[tasks.on]\nmanifest = \"teller.toml\"\n\
             for-each.k = { param = \"ks\" }\nargs.key = { item = \"k\" }\n";
        project.include("inner.toml", inner);
        project.file("text.txt", b"hidden-text");
        let host = project.command("run").args(["--log-level", "trace", "--events", "events.jsonl"]);
        let log = host.env("TEXT", "hidden-text").run().expect(0).stderr;
        let events =
            std::fs::read_to_string(project.folder().join("events.jsonl")).expect("there are events");
        for (from, text) in [("the log", log), ("the events", events), ("the server", content(&server))] {
            assert_has_none(&format!("{how} into {included}: {from}"), &text, &["hidden-text"]);
        }
        server.command(&["FLUSHALL"]);
    };
    for (how, line) in PASSED {
        check(how, "teller.toml", line);
    }
    for (file, ..) in BETWEEN {
        check("a literal", file, "args.key = \"hidden-text\"");
        check("an item", file, "for-each.k = { param = \"texts\" }\nargs.key = { item = \"k\" }");
    }
}
