//! A run id with another plan: the error names the changed key, and the input that changed it.
//! `--update` is tested in `stored`.

use crate::component;
use crate::guests::Guest;
use cascade_host_tests::{Host, Project, Redis};

const MANIFEST: &str = r#"
[params.word]
type = "string"
[params.token]
type = "string"
secret = true
[params.list]
type = "list<string>"
default = ["a"]
[tasks.words]
call = "g.concat"
args.parts = [{ param = "word" }, { env = "PLAIN" }, { file = "data.txt" }]
[tasks.secret]
call = "g.tell-lines"
args.text = { param = "token" }
[tasks.each]
call = "g.echo-string"
for-each.x = { param = "list" }
args.value = { item = "x" }
[tasks.maybe]
call = "g.double"
args.x = 1
when = { param = "word", equals = "w" }
[tasks.granted]
call = "g.env"
args.name = "GRANTED"
grants.env = ["GRANTED", "OTHER=other-value"]
"#;

/// The inputs of a run, by name.
#[derive(Clone, Copy)]
struct Inputs {
    word: &'static str,
    token: &'static str,
    list: &'static str,
    plain: &'static str,
    granted: &'static str,
    file: &'static str,
}

const FIRST: Inputs = Inputs {
    word: "w",
    token: "first-token",
    list: r#"["a"]"#,
    plain: "p",
    granted: "first-granted",
    file: "f",
};

fn command(project: &Project, command: &str, inputs: Inputs, uri: &str) -> Host {
    project.file("data.txt", inputs.file.as_bytes());
    let pairs =
        [format!("word={}", inputs.word), format!("token={}", inputs.token), format!("list={}", inputs.list)];
    let [word, token, list] = &pairs;
    let host = project.command(command).args(["--run-id", "r1", "--state", uri]);
    host.args(["-p", word, "-p", token, "-p", list]).env("PLAIN", inputs.plain).env("GRANTED", inputs.granted)
}

#[test]
fn plan_difference_names_the_changed_key_and_its_input() {
    let server = Redis::start("");
    let uri = server.uri();
    let manifest = format!("{}{MANIFEST}", component(Guest::Basic));
    let project = Project::new(&manifest);
    command(&project, "run", FIRST, &uri).run().expect(0);
    // A checkout in another folder is no difference.
    let elsewhere = Project::new(&manifest);
    command(&elsewhere, "run", FIRST, &uri).run().expect(0);
    for (changed, notes) in [
        (
            Inputs { word: "v", ..FIRST },
            &[
                "task `words`: `args.parts` has changed: param `word` has another value",
                "task `maybe`: `when` has changed: param `word` has another value",
            ][..],
        ),
        (
            Inputs { plain: "q", file: "g", ..FIRST },
            &[
                "task `words`: `args.parts` has changed: the file `data.txt`, the variable `PLAIN` have other values",
            ],
        ),
        (
            Inputs { token: "second-token", ..FIRST },
            &["task `secret`: `args.text` has changed: param `token` has another value"],
        ),
        (
            Inputs { list: r#"["b"]"#, ..FIRST },
            &["task `each`: `for-each.x` has changed: param `list` has another value"],
        ),
        (
            Inputs { granted: "second-granted", ..FIRST },
            &["task `granted`: `grants` has changed: the granted variable `GRANTED` has another value"],
        ),
    ] {
        for (verb, code) in [("run", 2), ("plan", 0)] {
            let finished = command(&elsewhere, verb, changed, &uri).run().expect(code);
            for note in notes {
                assert!(finished.stderr.contains(note), "{note} is not in\n{}", finished.stderr);
            }
            assert_eq!(finished.stderr.matches("has changed").count(), notes.len(), "{}", finished.stderr);
            for secret in ["-token", "-granted", "other-value"] {
                assert!(!finished.stderr.contains(secret), "{}", finished.stderr);
            }
        }
    }
    let rewritten =
        Project::new(&manifest.replace("args.x = 1", "args.x = 2").replace("\"OTHER=", "\"ANOTHER="));
    let finished = command(&rewritten, "run", FIRST, &uri).run().expect(2);
    let finished =
        finished.says(["task `maybe`: `args.x` has changed\n", "task `granted`: `grants` has changed\n"]);
    assert!(!finished.stderr.contains("another value"), "{}", finished.stderr);
}
