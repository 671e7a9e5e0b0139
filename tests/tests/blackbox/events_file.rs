//! `--events` replaces its file, so it must not name an input of the run, under any path.
//! The events themselves are tested where they occur.

use crate::guests::Guest;
use crate::named;
use cascade_host_tests::{Host, Project};
use std::fs;
use std::path::Path;
use std::process::Command;

const MANIFEST: &str = r#"
[params.text]
type = "string"
[params.count]
type = "u32"
[components.own]
path = "own.wasm"
build = "cp kept.wasm own.wasm"
[tasks.file]
call = "g.echo-string"
args.value = { file = "data.csv" }
[tasks.params]
call = "own.slow-echo"
args = { text = { param = "text" }, ms = { param = "count" } }
"#;

/// Creates a project whose run reads a file of every kind.
fn project() -> Project {
    let project = Project::new(&format!("{}{MANIFEST}", named("g", Guest::Basic)));
    project.file("data.csv", b"1,2\n");
    project.file("params.json", br#"{"text": "t"}"#);
    project.file("count.json", b"0");
    project.file("settings.toml", b"log-level = \"debug\"\n");
    let basic = cascade_host_tests::build_rust_guests().join("basic.wasm");
    for name in ["kept.wasm", "own.wasm"] {
        fs::copy(&basic, project.folder().join(name)).expect("the component can be copied");
    }
    project
}

fn command(project: &Project) -> Host {
    let inputs = ["--params-file", "params.json", "-p", "count=@count.json", "--config", "settings.toml"];
    project.command("run").args(inputs)
}

#[track_caller]
fn is_refused(project: &Project, host: Host, events: &str, named: &str) {
    let path = project.folder().join(events);
    let before = fs::read(&path).ok();
    let finished = host.args(["--events", events]).run().expect(2);
    let refused = finished.says([&*format!("`--events {events}` would replace "), named]);
    assert!(!refused.stderr.contains("task"), "nothing was run:\n{}", refused.stderr);
    if before.is_some() {
        assert!(fs::read(&path).ok() == before, "{events} is another one now");
    }
}

#[test]
fn events_file_never_replaces_an_input_of_the_run() {
    let project = project();
    command(&project).args(["--events", "events.jsonl"]).run().expect(0);
    for (events, named) in [
        ("data.csv", "the input `data.csv`"),
        ("params.json", "the params file `params.json`"),
        ("count.json", "the value of param `count`, `count.json`"),
        ("settings.toml", "the settings file `settings.toml`"),
        ("own.wasm", "the component `own` `own.wasm`"),
        ("manifest.toml", "the manifest `manifest.toml`"),
    ] {
        is_refused(&project, command(&project), events, named);
        let at = |name: &str| project.folder().join(name);
        for (kind, link) in [
            ("hard", fs::hard_link as fn(_, _) -> _),
            ("soft", |from, to| std::os::unix::fs::symlink(from, to)),
        ] {
            let name = format!("{kind}-{events}");
            link(at(events), at(&name)).expect("the file can be linked");
            is_refused(&project, command(&project), &name, named);
        }
        is_refused(&project, command(&project), &format!("{}/./{events}", project.folder().display()), named);
    }
    command(&project).args(["--events", "events.jsonl"]).run().expect(0);
}

#[test]
fn events_file_never_replaces_a_built_component() {
    let project = project();
    fs::remove_file(project.folder().join("own.wasm")).expect("the component was there");
    is_refused(&project, command(&project).args(["--build"]), "own.wasm", "the component `own` `own.wasm`");
    command(&project).args(["--events", "events.jsonl"]).run().expect(0);
}

#[test]
fn events_file_never_replaces_files_named_in_uris() {
    let project = project();
    let words = "req -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout key.pem -out ca.pem";
    let made = Command::new("openssl").args(words.split(' ')).current_dir(project.folder()).output();
    assert!(made.expect("install openssl: apt-get install openssl").status.success());
    fs::copy(project.folder().join("ca.pem"), project.folder().join("cert.pem")).expect("it can be copied");
    // No server listens there: the refusal comes before any connection.
    let uri = "rediss://127.0.0.1:1/0?ca=ca.pem&cert=cert.pem&key=key.pem&connect-timeout=100ms";
    for flag in ["--state", "--cache"] {
        for (events, named) in [("ca.pem", "authority"), ("cert.pem", "certificate"), ("key.pem", "key")] {
            is_refused(
                &project,
                command(&project).args([flag, uri]),
                events,
                &format!("the {named} `{events}`"),
            );
        }
    }
}

#[test]
fn events_file_never_replaces_the_host_or_its_code_cache() {
    let project = project();
    let host = || command(&project).env("CASCADE_CODE_CACHE", "code");
    host().run().expect(0);
    let codes = fs::read_dir(project.folder().join("code")).expect("code is kept");
    let names: Vec<String> = codes
        .map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is text"))
        .collect();
    assert!(names.len() >= 3, "a secret, a code and its seal: {names:?}");
    for name in names {
        is_refused(&project, host(), &format!("code/{name}"), "the compiled code `code/");
    }
    let program = Host::new(["--version"]).command().get_program().to_owned();
    let program = Path::new(&program).to_str().expect("the path is text");
    is_refused(&project, host(), program, "the program of this host");
}
