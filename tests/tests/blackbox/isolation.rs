//! The capabilities of a guest with and without grants, and the limits that end it.
//! Attacks are in `hostile`.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::Project;
use serde_json::json;
use std::time::Duration;

fn failure(project: &Project) -> (String, String) {
    let events = project.events();
    let failed = events.of("task.failed").next().expect("a task failed").clone();
    let text = |key: &str| failed[key].as_str().unwrap_or_default().to_owned();
    (text("class"), text("error"))
}

#[test]
fn without_grants_there_are_no_variables_arguments_or_files() {
    let body = "[tasks.env]\ncall = \"g.env\"\nargs.name = \"HOME\"\n[tasks.args]\ncall = \"g.args\"\n\
                [tasks.file]\ncall = \"g.read-file\"\nargs.path = \"/etc/passwd\"\non-error = \"value\"\n";
    let shown = Project::basic(body).run().expect(0).json();
    assert_eq!((&shown["env"], &shown["args"]), (&json!(null), &json!([])));
    assert!(shown["file"]["err"].is_string(), "{shown}");
}

#[test]
fn grants_provide_exactly_what_they_name() {
    let grants = "grants = { env = [\"COLOUR\", \"MODE=fast\"], args = [\"-v\"], read = [\"data:/in\"], write = [\"out\"] }";
    let body = "[tasks.colour]\ncall = \"g.env\"\nargs.name = \"COLOUR\"\n[tasks.mode]\ncall = \"g.env\"\nargs.name = \"MODE\"\n\
                [tasks.home]\ncall = \"g.env\"\nargs.name = \"HOME\"\n[tasks.args]\ncall = \"g.args\"\n\
                [tasks.read]\ncall = \"g.read-file\"\nargs.path = \"/in/a.txt\"\n\
                [tasks.write]\ncall = \"g.write-file\"\nargs = { path = \"out/b.txt\", text = \"written\" }\n\
                [tasks.denied]\ncall = \"g.write-file\"\nargs = { path = \"/in/c.txt\", text = \"x\" }\non-error = \"value\"\n\
                [tasks.escape]\ncall = \"g.read-file\"\nargs.path = \"/in/../manifest.toml\"\non-error = \"value\"\n";
    let project = Project::basic(&format!("{grants}\n{body}"));
    for folder in ["data", "out"] {
        std::fs::create_dir(project.folder().join(folder)).expect("a folder can be made");
    }
    project.file("data/a.txt", b"content");
    let shown = project.host().env("COLOUR", "green").run().expect(0).json();
    assert_eq!(
        (&shown["colour"], &shown["mode"], &shown["home"]),
        (&json!("green"), &json!("fast"), &json!(null))
    );
    assert_eq!((&shown["args"], &shown["read"]), (&json!(["g", "-v"]), &json!("content")));
    assert!(shown["denied"]["err"].is_string() && shown["escape"]["err"].is_string(), "{shown}");
    assert_eq!(std::fs::read(project.folder().join("out/b.txt")).expect("the guest wrote it"), b"written");
    let missing = Project::basic("grants.read = [\"nowhere\"]\n[tasks.t]\ncall = \"g.args\"\n");
    missing.run().expect(2).says(["nowhere", "does not exist", "create the folder"]);
}

#[test]
fn guest_output_is_logged_and_limited() {
    let project = Project::basic("[tasks.t]\ncall = \"g.say\"\nargs.text = \"hello there\"\n");
    project.run().expect(0).says(["hello there"]);
    let events = project.events();
    let logs: Vec<_> = events.of("task.log").map(|event| event["stream"].as_str().unwrap_or("?")).collect();
    assert_eq!(logs, ["stdout", "stderr"]);
    let flood =
        Project::basic("[tasks.t]\ncall = \"g.flood\"\nargs.bytes = 100_000_000\nlimits.logs = \"64KiB\"\n");
    flood.run().expect(1).says(["limits.logs"]);
    assert_eq!(failure(&flood).0, "limit");
}

#[test]
fn logging_progress_and_context_are_recorded() {
    let project = Project::new(&format!(
        "{}grants.context = true\n{}",
        named("h", Guest::HostCalls),
        "[tasks.log]\ncall = \"h.log-it\"\nargs.text = \"a message\"\n[tasks.steps]\ncall = \"h.progress-steps\"\nargs.n = 4\n\
         [tasks.who]\ncall = \"h.attempt-info\"\n[tasks.cancelled]\ncall = \"h.is-cancelled\"\n"
    ));
    let shown = project.host().args(["--run-id", "my-run"]).run().expect(0).says(["a message"]).json();
    assert_eq!((&shown["who"]["run"], &shown["who"]["task"]), (&json!("my-run"), &json!("who")));
    assert_eq!((&shown["who"]["attempt"], &shown["cancelled"]), (&json!(1), &json!(false)));
    let events = project.events();
    let last = events.of("task.progress").last().expect("progress is recorded");
    assert_eq!(last["fraction"], 1.0);
    let denied =
        Project::new(&format!("{}[tasks.t]\ncall = \"h.attempt-info\"\n", named("h", Guest::HostCalls)));
    denied.run().expect(1).says(["context = true"]);
}

#[test]
fn every_exceeded_limit_is_named() {
    for (call, keys, named, class) in [
        ("g.grow\"\nargs.mib = 200", "limits.memory = \"64MiB\"", "limits.memory", "limit"),
        ("g.spin\"", "timeout = \"100ms\"", "timeout", "timeout"),
        ("g.spin\"", "limits.fuel = 1_000_000", "limits.fuel", "limit"),
        ("g.big\"\nargs.bytes = 1_000_000", "limits.output = \"100KiB\"", "limits.output", "limit"),
        ("g.recurse\"\nargs.n = 100_000_000", "", "stack", "limit"),
    ] {
        let project = Project::basic(&format!("[tasks.t]\ncall = \"{call}\n{keys}\n"));
        let finished = project.run().expect(1).says([named]);
        let (found, error) = failure(&project);
        assert_eq!(found, class, "{error}");
        assert!(finished.took < Duration::from_secs(30), "{named}: {:?}", finished.took);
    }
}

#[test]
fn trap_has_a_backtrace() {
    let project = Project::basic("[tasks.t]\ncall = \"g.panic-with\"\nargs.message = \"so it is\"\n");
    project.run().expect(1).says(["so it is", "panic"]);
    let (class, error) = failure(&project);
    assert_eq!(class, "trap");
    assert!(error.lines().count() > 3, "there is no backtrace: {error}");
    let exit = Project::basic("[tasks.t]\ncall = \"g.exit-with\"\nargs.code = 3\n");
    exit.run().expect(1).says(["exit"]);
}

/// Returns the lines of an error that quote the guest's last output.
fn end_of_stderr(error: &str) -> Vec<&str> {
    error.lines().filter_map(|line| line.strip_prefix("  | ")).collect()
}

#[test]
fn trap_includes_the_last_output() {
    let message = r"first\nwhat went wrong\n  0: 0x2 - forged\n\u001b[2J\u009b31m";
    let project =
        Project::basic(&format!("[tasks.t]\ncall = \"g.panic-with\"\nargs.message = \"{message}\"\n"));
    let finished = project.host().args(["--log-level", "error"]).run().expect(1).says([
        "failed     t  trap: the guest's last lines on stderr:\n               | ",
        "\n               | what went wrong\n",
        "\n               |   0: 0x2 - forged\n",
        r"| \u{1b}[2J\u{9b}31m",
        "\n             wasm `unreachable` instruction executed\n",
    ]);
    assert!(!finished.stderr.contains(['\u{1b}', '\u{9b}']), "{}", finished.stderr);
    let (_, error) = failure(&project);
    let end = end_of_stderr(&error);
    assert!(end[0].contains("panicked at") && end[1] == "first" && end[2] == "what went wrong", "{error}");
    let frames = error.lines().filter(|line| line.starts_with("0: "));
    assert_eq!(frames.count(), 1, "the backtrace follows: {error}");
}

#[test]
fn error_of_several_lines_is_shown_as_such() {
    let message = r#"{ other = "Traceback:\n  File \"x\"\n\u001b[2J" }"#;
    let project =
        Project::basic(&format!("[tasks.t]\ncall = \"g.fails\"\nargs.kind = {message}\nretry = 2\n"));
    let finished = project.host().run().expect(1).says([
        "failed     t  after 2 attempts, error: the function returned the error:\n               | {\"other\":\"Traceback:\n",
        "\n               |   File \\\"x\\\"\n",
        "retrying   t  in ",
    ]);
    assert!(!finished.stderr.contains('\u{1b}'), "{}", finished.stderr);
    let (class, error) = failure(&project);
    assert_eq!((&*class, error.lines().count()), ("error", 4), "{error}");
}

#[test]
fn failed_element_includes_the_last_output() {
    let project = Project::basic(
        "[tasks.t]\ncall = \"g.panic-with\"\nfor-each.message = [\"it is so\"]\nargs.message = { item = \"message\" }\n",
    );
    project.host().args(["--log-level", "error"]).run().expect(1);
    let events = project.events();
    let errors: Vec<&str> = events.of("task.failed").filter_map(|event| event["error"].as_str()).collect();
    let [element, task] = &*errors else { panic!("{errors:?}") };
    for error in [element, task] {
        assert!(
            error.starts_with("the guest's last lines on stderr:\n  | ")
                && error.contains("\n  | it is so\n"),
            "{error}"
        );
    }
    assert!(task.ends_with("\nelement 0 failed: wasm `unreachable` instruction executed"), "{task}");
}

#[test]
fn last_output_is_limited_and_has_no_secret() {
    let body = "[params.token]\ntype = \"string\"\nsecret = true\n[tasks.t]\ncall = \"g.panic-with\"\n\
                args.message = { param = \"token\" }\n";
    let project = Project::basic(body);
    let token: Vec<String> = (0..5_000).map(|nth| format!("hunter{nth}")).collect();
    project.file("params.toml", format!("token = \"\"\"{}\"\"\"", token.join("\n")).as_bytes());
    let finished =
        project.host().args(["--params-file", "params.toml", "--log-level", "error"]).run().expect(1);
    let (_, error) = failure(&project);
    assert!(!error.contains("hunter") && !finished.stderr.contains("hunter"), "{error}");
    let end = end_of_stderr(&error);
    assert!(end.len() > 2 && end.len() < 30 && end.concat().len() < 4096, "{error}");
    assert_eq!(end[0], "…");
}

#[test]
fn failed_exit_status_includes_the_last_output() {
    let call = |code: u8| {
        let args = format!("args = {{ text = \"no such file: x\", code = {code} }}");
        Project::basic(&format!("[tasks.t]\ncall = \"g.complain\"\n{args}\n"))
    };
    let project = call(3);
    project.host().args(["--log-level", "error"]).run().expect(1).says(["| no such file: x"]);
    let (class, error) = failure(&project);
    assert_eq!((&*class, end_of_stderr(&error)), ("error", vec!["no such file: x"]), "{error}");
    call(0).run().expect(0);
    // If the function must return a value, a failed exit status is a trap.
    let exit = Project::basic("[tasks.t]\ncall = \"g.exit-with\"\nargs.code = 3\n");
    exit.run().expect(1).says(["the guest called exit with a failure status"]);
    assert_eq!(end_of_stderr(&failure(&exit).1), Vec::<&str>::new());
}

#[test]
fn network_is_unavailable_without_grants() {
    let project = Project::new(&format!(
        "{}{}",
        named("n", Guest::Network),
        "[tasks.tcp]\ncall = \"n.exchange\"\nargs = { address = \"127.0.0.1:9\", text = \"x\" }\non-error = \"value\"\n\
         [tasks.dns]\ncall = \"n.resolve\"\nargs.name = \"localhost\"\non-error = \"value\"\n\
         [tasks.http]\ncall = \"n.fetch\"\nargs.url = \"http://127.0.0.1:9/\"\non-error = \"value\"\n"
    ));
    let shown = project.run().expect(0).json();
    for task in ["tcp", "dns", "http"] {
        assert!(shown[task]["err"].is_string(), "{shown}");
    }
}
