//! Special files in granted folders: pipes, sockets and devices, whose readers could wait forever, and non-UTF-8 names.
//! Guests get neither, and the task's log names them. Ordinary files are tested in `paths`.

use crate::component;
use crate::guests::Guest;
use crate::paths::{act, acted, action, playground};
use cascade_host_tests::{Host, Project};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// The actions of a guest on a path.
const ACTIONS: [&str; 6] = ["read", "write", "truncate", "set-size", "touch", "times"];

fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().expect("mkfifo can be started");
    assert!(made.success());
}

/// Creates the playground, with a pipe, a link to it and a socket in both folders.
fn playground_with_special_files() -> Project {
    let project = playground();
    for granted in ["in", "out"] {
        let folder = project.folder().join(granted);
        make_pipe(&folder.join("pipe"));
        symlink("pipe", folder.join("way")).expect("a link can be made");
        drop(UnixListener::bind(folder.join("socket")).expect("a socket can be made"));
    }
    project
}

#[test]
fn pipes_and_sockets_are_refused_without_waiting() {
    let project = playground_with_special_files();
    let mut actions = Vec::new();
    for name in ["pipe", "way", "socket"] {
        for folder in ["/in", "/out"] {
            actions.extend(ACTIONS.map(|what| action(what, (folder, name), None)));
        }
    }
    for (action, result) in actions.iter().zip(act(&project, &actions)) {
        assert!(
            result["err"].as_str().is_some_and(|code| code.contains("not-permitted")),
            "{action}: {result}"
        );
    }
    // Special files are listed, as for every program.
    let seen = ["stat", "hash"].map(|what| action(what, ("/in", "pipe"), None));
    assert!(act(&project, &seen).iter().all(|result| result["ok"].is_string()));
    let listed = act(&project, &[action("list", ("/in", "."), None)]);
    let names = listed[0]["ok"].as_str().unwrap_or_default();
    assert!(
        ["pipe", "socket", "way"].iter().all(|name| names.split(' ').any(|listed| listed == *name)),
        "{names}"
    );
}

#[test]
fn devices_are_refused() {
    let project = Project::new(&format!(
        "{}[components.g.grants]\nread = [\"/dev:/in\"]\nwrite = [\"/dev:/out\"]\n",
        component(Guest::Paths)
    ));
    let devices = ["null", "zero", "tty", "urandom"];
    let actions: Vec<Value> = devices.iter().map(|name| action("read", ("/in", name), None)).collect();
    let finished = acted(&project, &actions);
    let refused = finished.json()["t"].as_array().expect("a list").clone();
    assert!(refused.iter().all(|result| result["err"].is_string()), "{refused:?}");
    finished.says(["opening `/in/zero` was refused; it is a device"]);
    let written = act(&project, &[action("write", ("/out", "null"), None)]);
    assert!(written[0]["err"].is_string(), "{written:?}");
}

#[test]
fn refused_pipe_is_logged_once_with_name_and_kind() {
    let project = playground_with_special_files();
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    let path = "{ folder = \"/in\", path = \"pipe\" }";
    project.write(&format!(
        "{text}[tasks.t]\ncall = \"g.storm\"\nargs = {{ read = {path}, write = {path}, times = 100 }}\n"
    ));
    let finished = project.run().expect(0);
    let refusal = "opening `/in/pipe` was refused; it is a named pipe";
    assert_eq!(finished.stderr.matches(refusal).count(), 1, "{}", finished.stderr);
    let events = project.events();
    let logs: Vec<&Value> = events.of("task.log").map(|event| &event["stream"]).collect();
    // The write is refused because the folder is read-only, which is a different line.
    assert_eq!(logs, ["log", "log"]);
}

/// If opening a pipe blocked, each attempt that times out would keep one of the threads that all guests share.
#[test]
fn refused_pipes_do_not_use_up_open_files() {
    let project = playground_with_special_files();
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    project.write(&format!(
        r#"{text}
        [tasks.bad]
        call = "g.act"
        args.action = {{ what = "read", at = {{ folder = "/in", path = "pipe" }} }}
        timeout = "20ms"
        retry = {{ attempts = 600, delay = "0ms", backoff = "fixed", jitter = false, on = ["timeout"] }}
        on-error = "value"
        [tasks.good]
        call = "g.act"
        args.action = {{ what = "read", at = {{ folder = "/in", path = "own" }} }}
        after = ["bad"]
        timeout = "10s"
        "#
    ));
    let shown = project.run().expect(0).json();
    assert!(shown["bad"]["err"].is_string() && shown["good"].is_string(), "{shown}");
}

#[test]
fn guest_may_have_more_streams_than_threads() {
    let project = playground();
    let text = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("it was written");
    std::fs::write(project.folder().join("in/long"), vec![7; 300_000]).expect("a file can be written");
    project.write(&format!(
        "{text}[tasks.t]\ncall = \"g.streams\"\nargs.read = {{ folder = \"/in\", path = \"long\" }}\n\
         args.write = \"/out\"\nargs.count = 30\n"
    ));
    assert_eq!(project.run().expect(0).json()["t"], 30 * 300_000);
    for nth in 0..30 {
        let written = std::fs::read_to_string(project.folder().join("out").join(nth.to_string()));
        assert_eq!(written.expect("it was made"), "written by the guest", "{nth}");
    }
}

#[test]
fn non_utf8_names_are_omitted_and_logged_once() {
    let project = playground();
    let folder = project.folder().join("in/below");
    let odd = |name: &[u8]| folder.join(OsStr::from_bytes(name));
    std::fs::write(odd(b"b\xe9d"), "").expect("a file can be made");
    std::fs::create_dir(odd(b"worse \xff")).expect("a folder can be made");
    symlink(OsStr::from_bytes(b"to \xe9"), folder.join("link")).expect("a link can be made");
    let actions = [action("list", ("/in", "below"), None), action("read-link", ("/in", "below/link"), None)];
    let finished = acted(&project, &actions);
    let shown = finished.json()["t"].clone();
    assert_eq!(shown[0], json!({ "ok": "link own" }));
    assert!(shown[1]["err"].as_str().is_some_and(|code| code.contains("illegal-byte-sequence")), "{shown}");
    let finished = finished.says([
        "the listing of `/in/below` omits 2 names that are not UTF-8",
        r"`b\xe9d`",
        r"`worse \xff`",
        r"the target of the link `below/link`, `to \xe9`, is not UTF-8",
    ]);
    assert_eq!(finished.stderr.matches("not UTF-8").count(), 2, "{}", finished.stderr);
    let plain = acted(&project, &[action("list", ("/out", "."), None)]);
    assert!(!plain.stderr.contains("not UTF-8"), "{}", plain.stderr);
}

#[test]
fn user_supplied_pipes_are_refused_but_shell_pipes_are_read() {
    let project = Project::basic(
        "[params.data]\ntype = \"string\"\ndefault = \"x\"\n[tasks.t]\ncall = \"g.echo-string\"\n\
         args.value = { param = \"data\" }\n",
    );
    make_pipe(&project.folder().join("pipe"));
    drop(UnixListener::bind(project.folder().join("socket")).expect("a socket can be made"));
    for (name, says) in [("pipe", "it is a named pipe"), ("socket", "it is a socket")] {
        let at = format!("data=@{name}");
        project.host().args(["-p", &at]).run().expect(2).says([says]);
        project.host().args(["--params-file", name]).run().expect(2).says([says]);
        project.host().env("CASCADE_CONFIG", name).run().expect(2).says([says]);
        let state = format!("rediss://127.0.0.1:1/0?ca={name}");
        project.host().args(["--state", &state]).run().expect(3).says([says]);
        let odd = format!("[components.g]\npath = \"{name}\"\n");
        let reference = format!(
            "{}[tasks.t]\ncall = \"g.echo-string\"\nargs.value = {{ file = \"{name}\" }}\n",
            component(Guest::Basic)
        );
        for manifest in [odd, reference] {
            let other = Project::new(&manifest);
            let other = std::fs::read(other.folder().join("manifest.toml")).expect("it was written");
            project.file("other.toml", &other);
            let host = Host::new(["check", "other.toml"]).within(project.folder());
            host.run().expect(2).says([says]);
        }
    }
    for script in [
        "host -p data=@<(printf text)",
        "printf text | host -p data=@/dev/stdin",
        "host -p data=@/dev/fd/7 7< <(printf text)",
        "host --params-file <(printf 'data = \"text\"')",
        // Its writers have ended before the host reopens it by its descriptor.
        "exec 6<> pipe; printf text > pipe; exec 5< pipe 6>&-; host -p data=@/dev/fd/5",
    ] {
        let script = format!(
            "binary=$0; given=(\"$@\"); host() {{ \"$binary\" \"${{given[@]}}\" \"$@\"; }}; {script}"
        );
        let finished = project.host().behind("bash", &["-c", &script]).run().expect(0);
        assert_eq!(finished.json()["t"], "text", "{script}");
    }
}
