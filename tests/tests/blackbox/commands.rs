//! Programs as tasks: what they are given, what they leave, how they end, and what is shared of it.
//! Limits of programs are tested in `hostile`; `manual` and `examples` run the example of the manual.

use crate::secrets::content;
use cascade_host_tests::{Finished, Project, Redis, build_preview1_guests};
use serde_json::{Value, json};

/// A project with the program `c`, whose arguments are steps to take.
fn project(body: &str) -> Project {
    Project::new(&format!("[components.c]\npath = \"{{guest:command}}\"\n{body}"))
}

/// Runs one command with these keys, and returns its output.
fn output(keys: &str) -> Value {
    let finished = project(&format!("[tasks.t]\ncommand = \"c\"\n{keys}")).run().expect(0);
    finished.json()["t"].clone()
}

#[test]
fn arguments_become_text() {
    let program = build_preview1_guests().join("preview1-command.wasm");
    let tasks = r#"
        [params.ratio]
        type = "f32"
        default = 0.1
        [params.flag]
        type = "bool"
        default = true
        [tasks.made]
        command = "made"
        output = "json"
        type = "record { size: u64, delta: s8 }"
        stdin = '{ "size": 18446744073709551615, "delta": -5 }'
        args = ["copy"]
        [tasks.shown]
        command = "m"
        args = ["-v", "", "a b", 3, -2, 1.5, false, { param = "ratio" }, { param = "flag" },
            { task = "made", path = "size" }, { task = "made", path = "delta" }, { env = "WORD" }, { file = "f.txt" }]
        env = { SECOND = { env = "WORD" }, FIRST = "1", BOTH = "task" }
        [components.m.grants]
        args = ["--granted"]
        env = ["BOTH=grant", "GRANTED=yes"]
    "#;
    let project = Project::new(&format!(
        "[components.m]\npath = \"{}\"\n[components.made]\npath = \"{{guest:command}}\"\n{tasks}",
        program.display()
    ));
    project.file("f.txt", "ü\n".as_bytes());
    let shown = project.host().env("WORD", "word").run().expect(0).json()["shown"].clone();
    let lines: Vec<&str> = shown.as_str().expect("it is text").lines().collect();
    let arguments = r#"["m", "--granted", "-v", "", "a b", "3", "-2", "1.5", "false", "0.1", "true", "18446744073709551615", "-5", "word", "ü\n"]"#;
    assert_eq!(lines[0], format!("arguments: {arguments}"));
    let mut variables: Vec<&str> = lines[1..].iter().filter(|line| line.contains('=')).copied().collect();
    variables.sort_unstable();
    assert_eq!(variables, ["BOTH=task", "FIRST=1", "GRANTED=yes", "SECOND=word"]);
}

#[test]
fn input_and_files_are_text_or_bytes() {
    let tasks = r#"
        [tasks.raw]
        command = "c"
        args = ["bytes"]
        output = "bytes"
        [tasks.text]
        command = "c"
        args = ["copy", "read=in/a.txt", "read=b"]
        stdin = { file = "f.txt" }
        files."in/a.txt" = "literal\n"
        files.b = { task = "other" }
        [tasks.other]
        command = "c"
        args = ["say=said"]
        [tasks.copied]
        command = "c"
        args = ["copy"]
        stdin = { task = "raw" }
        output = "bytes"
        [tasks.file]
        command = "c"
        files."deep/er/x" = { task = "raw" }
        output = { file = "deep/er/x" }
        [tasks.empty]
        command = "c"
        args = ["copy"]
    "#;
    let project = project(tasks);
    project.file("f.txt", b"from a file\n");
    let outputs = project.run().expect(0).json();
    assert_eq!(outputs["text"], "from a file\nliteral\nsaid\n");
    for bytes in ["copied", "file"] {
        assert_eq!(outputs[bytes], "/wD+", "{bytes}"); // base64 of ff 00 fe
    }
    assert_eq!(outputs["empty"], "");
}

#[test]
fn every_form_of_output_is_collected() {
    assert_eq!(output("args = [\"say=x\"]\n"), "x\n");
    assert_eq!(output("args = [\"say=x\"]\noutput = \"bytes\"\n"), "eAo=");
    assert_eq!(output("args = ['say=[1, 2]']\noutput = \"json\"\ntype = \"list<u16>\"\n"), json!([1, 2]));
    assert_eq!(output("args = ['say=\"a\"']\noutput = { json = \"enum { a, b }\" }\n"), "a");
    assert_eq!(output("args = [\"write=o/a:x\"]\noutput = { file = \"o/a\" }\n"), "eA==");
    assert_eq!(output("args = [\"write=o/a:x\"]\noutput = { file = \"./o//a\", text = true }\n"), "x");
    let write =
        "args = [\"write=o/b.md:2\", \"write=o/a.md:1\", \"write=o/x/c.md:3\", \"write=o/d.txt:4\"]\n";
    let files =
        |pattern: &str| output(&format!("{write}output = {{ files = \"{pattern}\", text = true }}\n"));
    let [a, b, c] = [("o/a.md", "1"), ("o/b.md", "2"), ("o/x/c.md", "3")]
        .map(|(name, content)| json!({ "name": name, "content": content }));
    assert_eq!(files("o/*.md"), json!([a, b]));
    assert_eq!(files("o/?.md"), json!([a, b]));
    assert_eq!(files("**/*.md"), json!([a, b, c]));
    assert_eq!(files("o/*/*"), json!([c]));
    assert_eq!(files("none/*"), json!([]));
    assert_eq!(
        output(&format!("{write}output = {{ files = \"o/d*\" }}\n")),
        json!([{ "name": "o/d.txt", "content": "NA==" }])
    );
    let several = project(
        "[tasks.t]\ncommand = \"c\"\nargs = [\"write=o:x\", \"say=7\"]\n\
         outputs = { z = \"text\", n = { json = \"u8\" }, o = { file = \"o\", text = true } }\n",
    );
    assert_eq!(several.run().expect(0).text(), "{\"t\":{\"z\":\"7\\n\",\"n\":7,\"o\":\"x\"}}\n");
}

#[test]
fn output_that_is_not_collected_is_logged() {
    let project = project(
        "[tasks.kept]\ncommand = \"c\"\nargs = [\"say=kept\", \"complain=complaint\"]\n\
         [tasks.logged]\ncommand = \"c\"\nargs = [\"say=logged\"]\noutput = { files = \"*\" }\n",
    );
    let finished = project.run().expect(0).says(["kept | complaint", "logged | logged"]);
    assert!(!finished.stderr.contains("kept | kept"), "{}", finished.stderr);
}

fn class_of_failure(keys: &str) -> (String, Finished) {
    let project = project(&format!("[tasks.t]\ncommand = \"c\"\n{keys}"));
    let finished = project.run().expect(1);
    let events = project.events();
    let failed = events.of("task.failed").next().expect("it failed");
    (failed["class"].as_str().expect("a class").to_owned(), finished)
}

#[test]
fn status_decides_about_success() {
    assert_eq!(output("args = [\"say=x\", \"exit=0\"]\n"), "x\n");
    assert_eq!(output("args = [\"say=x\", \"exit-with-code=3\"]\nok-status = [0, 3]\n"), "x\n");
    let (class, finished) = class_of_failure("args = [\"complain=why\", \"exit-with-code=3\"]\n");
    assert_eq!(class, "error");
    finished.says(["| why", "the program `c` exited with status 3"]);
    let (class, finished) = class_of_failure("args = [\"exit=3\"]\nok-status = [3]\n");
    assert_eq!(class, "error", "WASI 0.2 does not tell the 3");
    finished.says(["the program `c` exited with a status other than 0"]);
    assert_eq!(class_of_failure("args = [\"exit-with-code=0\"]\nok-status = [1]\n").0, "error");
    let (class, finished) = class_of_failure("args = [\"panic\"]\n");
    assert_eq!(class, "trap");
    finished.says(["as you wish"]);
}

#[test]
fn status_of_a_preview_1_module_is_its_own() {
    let program = build_preview1_guests().join("preview1-command.wasm");
    let project = |keys: &str| {
        let program = program.display();
        Project::new(&format!("[components.m]\npath = \"{program}\"\n[tasks.t]\ncommand = \"m\"\n{keys}"))
    };
    let found = project("args = [\"exit=1\"]\nok-status = [0, 1]\n").run().expect(0).json();
    assert!(found["t"].as_str().is_some_and(|text| text.ends_with("copied: 0\n")), "{found}");
    for (status, shown) in [(7, 7), (263, 7)] {
        let project = project(&format!("args = [\"exit={status}\"]\nok-status = [0, 1]\n"));
        project.run().expect(1).says([&format!("the program `m` exited with status {shown}")]);
    }
}

#[test]
fn failed_program_tells_its_reason_first_and_then_what_it_wrote() {
    let error = |keys: &str| {
        let project = project(&format!("[tasks.t]\ncommand = \"c\"\n{keys}"));
        let finished = project.run().expect(1);
        let errors: Vec<String> =
            project.events().of("task.failed").map(|event| event["error"].to_string()).collect();
        (finished, serde_json::from_str::<String>(&errors[errors.len() - 1]).expect("a text"))
    };
    let (finished, told) = error("args = [\"say=printed\", \"complain=why\", \"exit-with-code=3\"]\n");
    assert_eq!(told, "the program `c` exited with status 3\nthe guest's last lines on stderr:\n  | why");
    finished.says(["t | printed", "t | why", "error: the program `c` exited with status 3\n"]);
    let (finished, told) = error("args = [\"say=printed\", \"exit-with-code=3\"]\n");
    assert_eq!(told, "the program `c` exited with status 3\nthe guest's last lines on stdout:\n  | printed");
    finished.says(["t | printed"]);
    let (_, told) =
        error("for-each.x = [\"a\"]\nargs = [\"say=printed\", \"exit-with-code=3\", { item = \"x\" }]\n");
    let expected = "element 0 failed: the program `c` exited with status 3\nthe guest's last lines on stdout:\n  | printed";
    assert_eq!(told, expected);
    // A limit has its own reason; the log has the rest.
    let (finished, told) =
        error("args = [\"say=printed\", \"write=x:0123456789\"]\nlimits.disk = \"100B\"\n");
    assert!(told.contains("limits.disk") && !told.contains("printed"), "{told}");
    finished.says(["t | printed"]);
}

#[test]
fn output_that_cannot_be_made_is_an_error() {
    for (keys, says) in [
        ("output = { file = \"gone\" }\n", "the program left no file `gone`"),
        ("args = [\"bytes\"]\n", "UTF-8"),
        ("args = [\"say=300\"]\noutput = { json = \"u8\" }\n", "300"),
        ("args = [\"say=x\"]\nlimits.output = \"1B\"\n", "limits.output"),
        ("args = [\"write=x:0123456789\"]\nlimits.disk = \"100B\"\n", "limits.disk"),
    ] {
        class_of_failure(keys).1.says([says]);
    }
}

#[test]
fn error_may_be_data_and_is_retried_before() {
    let project = project(
        "[tasks.t]\ncommand = \"c\"\nargs = [\"complain=why\", \"exit-with-code=4\"]\non-error = \"value\"\n\
         retry = { attempts = 3, delay = \"1ms\" }\n\
         [tasks.fine]\ncommand = \"c\"\nargs = [\"say=x\"]\non-error = \"value\"\n\
         [tasks.fallback]\ncommand = \"c\"\nargs = [\"copy\"]\n\
         stdin = { task = \"t\", path = \"ok\", default = \"y\" }\n",
    );
    let outputs = project.run().expect(0).json();
    assert_eq!(outputs["fallback"], "y");
    assert_eq!(outputs["fine"], json!({ "ok": "x\n" }));
    assert_eq!(project.events().of("task.retrying").count(), 2);
    let failed = project.command("run").args(["--target", "t"]).run().expect(0).json()["t"].clone();
    assert_eq!(failed, json!({ "err": { "status": 4, "stderr": "why\n" } }));
}

const EACH: &str = r#"
    [params.names]
    type = "list<string>"
    default = ["a", "b"]
    [tasks.make]
    command = "c"
    args = ["write=out/1.txt:one", "write=out/2.txt:two"]
    output = { files = "out/*" }
    [tasks.each]
    command = "c"
    for-each.file = { task = "make" }
    args = ["copy", "read=name"]
    stdin = { item = "file", path = "content" }
    files.name = { item = "file", path = "name" }
    [tasks.host-files]
    command = "c"
    for-each.file = [{ file = "f.bin" }, { file = "g.txt" }]
    args = ["copy"]
    stdin = { item = "file" }
    output = "bytes"
    [tasks.named]
    command = "c"
    for-each.name = { param = "names" }
    args = ["variables"]
    env.NAME = { item = "name" }
"#;

#[test]
fn programs_run_over_files_and_over_lists() {
    let project = project(EACH);
    project.file("f.bin", &[0xff, 0x00]);
    project.file("g.txt", b"g");
    let outputs = project.run().expect(0).json();
    assert_eq!(outputs["each"], json!(["oneout/1.txt", "twoout/2.txt"]));
    assert_eq!(outputs["host-files"], json!(["/wA=", "Zw=="]));
    assert_eq!(outputs["named"], json!(["NAME=a\n", "NAME=b\n"]));
}

#[test]
fn results_are_shared_by_equal_commands() {
    let server = Redis::start("");
    let uri = server.uri();
    let base =
        "[tasks.t]\ncommand = \"c\"\nargs = [\"say=x\"]\nstdin = \"in\"\nenv.A = \"1\"\nfiles.f = \"f\"\n";
    let project = project(base);
    let calls = |body: &str| {
        project.write(&format!(
            "cascade = 1\nname = \"test\"\n[components.c]\npath = \"{{guest:command}}\"\n{body}"
        ));
        project.host().args(["--cache", &uri]).run().expect(0);
        project.events().tasks("task.started").len()
    };
    assert_eq!((calls(base), calls(base)), (1, 0));
    for (old, new) in [
        ("say=x", "say=y"),
        ("[\"say=x\"]", "[\"say=x\", \"say=x\"]"),
        ("\"in\"", "\"other\""),
        ("stdin = \"in\"\n", ""),
        ("\"1\"", "\"2\""),
        ("env.A", "env.B"),
        ("files.f = \"f\"", "files.f = \"g\""),
        ("files.f", "files.g"),
        ("files.f", "output = \"bytes\"\nfiles.f"),
        ("files.f", "ok-status = [0, 1]\nfiles.f"),
        ("files.f", "outputs.o = \"text\"\nfiles.f"),
    ] {
        assert!(base.contains(old), "{old}");
        let other = base.replace(old, new);
        assert_eq!((calls(&other), calls(&other)), (1, 0), "{old} -> {new}");
    }
    let renamed = base.replace("stdin", "cache = \"1h\"\nstdin");
    assert_eq!(calls(&renamed), 0, "a time to live is no part of the key");
}

#[test]
fn changed_command_is_another_plan_and_the_change_is_named() {
    let server = Redis::start("");
    let uri = server.uri();
    let body = "[tasks.t]\ncommand = \"c\"\nargs = [\"say=x\"]\noutput = \"text\"\n\
                [tasks.u]\ncommand = \"c\"\nargs = [\"copy\"]\nstdin = { task = \"t\" }\n\
                [tasks.v]\ncommand = \"c\"\nargs = [\"say=v\"]\n";
    let project = project(body);
    let run = |more: &[&str]| {
        let host =
            project.command("run").args(["--run-id", "r", "--state", &uri, "--events", "events.jsonl"]);
        more.iter().fold(host, |host, argument| host.args([*argument])).run()
    };
    run(&[]).expect(0);
    let changed = body.replace("say=x", "say=y");
    project.write(&format!(
        "cascade = 1\nname = \"test\"\n[components.c]\npath = \"{{guest:command}}\"\n{changed}"
    ));
    run(&[]).expect(2).says(["task `t`: `args[0]` has changed"]);
    assert_eq!(run(&["--update"]).expect(0).json(), json!({ "u": "y\n", "v": "v\n" }));
    let mut started = project.events().tasks("task.started");
    started.sort();
    assert_eq!(started, ["t", "u"], "the result of `v` was kept");
    run(&[]).expect(0);
    assert_eq!(project.events().tasks("task.started"), [""; 0], "everything is stored");
}

#[test]
fn program_is_deterministic() {
    let project = project(
        "[tasks.t]\ncommand = \"c\"\nargs = [\"surroundings\", \"tree\", \"write=a:x\", \"tree\"]\nfiles.\"in/f\" = \"x\"\n\
         outputs = { said = \"text\", files = { files = \"**\" } }\n",
    );
    let first = project.host().args(["--verify"]).run().expect(0).json();
    assert_eq!(project.run().expect(0).json(), first);
}

const TOKEN: &str = "t0ken-Secret~value/1";

#[test]
fn secrets_of_a_program_are_hidden_in_logs_errors_and_what_is_stored() {
    let server = Redis::start("");
    let uri = server.uri();
    let project = project(
        r#"
        [params.token]
        type = "string"
        secret = true
        [tasks.logs]
        command = "c"
        args = ["copy", "say=", "variables", "read=f", "say="]
        stdin = { param = "token" }
        env.TOKEN = { param = "token" }
        files.f = { param = "token" }
        output = { files = "out/*" }
        [tasks.traps]
        command = "c"
        args = [{ param = "token" }]
        [tasks.fails]
        command = "c"
        args = ["complain-of=f", "exit-with-code=3"]
        files.f = { param = "token" }
        [tasks.prints]
        command = "c"
        args = ["read=f", "say=", "exit-with-code=3"]
        files.f = { param = "token" }
        [tasks.tried]
        command = "c"
        args = ["complain-of=f", "exit-with-code=3"]
        files.f = { param = "token" }
        on-error = "value"
        [tasks.unread]
        command = "c"
        args = ["read=f"]
        files.f = { param = "token" }
        output = { json = "u8" }
        "#,
    );
    let token = format!("token={TOKEN}");
    let with_token =
        |command: &str| project.command(command).args(["-p", &token, "--run-id", "r", "--state", &uri]);
    let finished = with_token("run").args(["--keep-going", "--events", "events.jsonl"]).run().expect(1);
    let outputs = finished.json();
    finished.says([
        "logs | ***",
        "TOKEN=***",
        "there is no step `***`",
        "fails | ***",
        "prints | ***",
        "last lines on stdout:\n               | ***",
        "exited with status 3",
    ]);
    assert_eq!(outputs, json!({ "logs": [], "tried": { "err": { "status": 3, "stderr": "***\n" } } }));
    let mut shown = String::new();
    let mut add = |finished: Finished| {
        shown.push_str(&finished.text());
        shown.push_str(&finished.stderr);
    };
    add(with_token("run").args(["--keep-going"]).run());
    add(with_token("plan").run().expect(0));
    add(with_token("plan").args(["--json"]).run().expect(0));
    for command in [
        &["show", "r", "--json"][..],
        &["show", "r"],
        &["logs", "r", "logs"],
        &["logs", "r", "fails"],
        &["logs", "r", "prints"],
    ] {
        let [first, rest @ ..] = command else { unreachable!("none is empty") };
        let host = cascade_host_tests::Host::new([*first]).within(project.folder());
        let host = rest.iter().fold(host, |host, argument| host.args([*argument]));
        add(host.args(["--state", &uri]).run().expect(0));
    }
    shown
        .push_str(&std::fs::read_to_string(project.folder().join("events.jsonl")).expect("there are events"));
    assert!(shown.contains("***"), "{shown}");
    assert!(!shown.contains(TOKEN), "{shown}");
    assert!(!content(&server).contains(TOKEN));
}

#[test]
fn plan_and_inspect_show_the_command() {
    let project = project(
        "[params.name]\ntype = \"string\"\ndefault = \"x\"\n[params.key]\ntype = \"string\"\nsecret = true\ndefault = \"hunter2hunter2\"\n\
         [tasks.t]\ncommand = \"c\"\nargs = [\"say=a b\", { param = \"name\" }, { param = \"key\" }, 3]\nstdin = { file = \"f.txt\" }\n\
         env = { B = \"written-Secret\", A = { param = \"key\" } }\nfiles.\"in/x\" = { param = \"key\" }\n\
         outputs = { all = { files = \"out/*\" }, said = \"text\" }\n",
    );
    project.file("f.txt", b"x");
    let plan = project.command("plan").run().expect(0).text();
    let expected = "     command c \"say=a b\" { param = \"name\" } { param = \"key\" } 3, pure\n     \
                    stdin { file = \"f.txt\" }\n     env A, B\n     files in/x\n     \
                    collects all: out/* as list<record { name: string, content: list<u8> }>, said: stdout as string\n";
    assert!(plan.contains(expected), "{plan}");
    let json = project.command("plan").args(["--json"]).run().expect(0);
    let command = &json.json()["tasks"][0]["command"];
    assert_eq!(
        command["argv"],
        json!(["c", "\"say=a b\"", "{ param = \"name\" }", "{ param = \"key\" }", "3"])
    );
    assert_eq!((&command["env"], &command["files"]), (&json!(["A", "B"]), &json!(["in/x"])));
    for secret in ["hunter2hunter2", "written-Secret"] {
        assert!(!plan.contains(secret) && !json.text().contains(secret), "{secret}");
    }
    let program = build_preview1_guests().join("preview1-command.wasm").display().to_string();
    let shown = cascade_host_tests::Host::new(["inspect", &program]).run().expect(0).text();
    let lines = "command = \"preview1-command\"\n        call = \"preview1-command.run\"";
    assert!(shown.contains(lines), "{shown}");
}
