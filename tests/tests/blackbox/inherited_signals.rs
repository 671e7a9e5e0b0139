//! Signals that a parent left ignored or blocked, on purpose or by accident.
//! The effects of signals are tested in `signals`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Host, Project};
use std::fs;

/// Two signals reserved by the C library.
const OF_LIBRARY: u64 = 0b11 << 31;

/// Starts the host with signals ignored or blocked, by options of `env`.
fn with_dispositions(host: Host, words: &str) -> Host {
    host.behind("env", &[words])
}

/// Creates a task that waits at the gate `x`, and one that depends on it.
fn gated_project() -> Project {
    gates::project(&format!(
        "[tasks.slow]\ncall = \"g.await-file\"\nargs.path = \"x\"\n{GRANTS}\
         [tasks.next]\ncall = \"g.echo-string\"\nargs.value = {{ task = \"slow\" }}\n"
    ))
}

#[test]
fn ignored_sigchld_has_no_effect() {
    let project = Project::basic("build = \"true\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    // Nothing is compiled yet.
    let code = project.folder().join("code").display().to_string();
    let host = with_dispositions(
        project.host().args(["--build"]).env("CASCADE_CODE_CACHE", &code),
        "--ignore-signal=CHLD",
    );
    assert_eq!(host.run().expect(0).json()["t"], 2);
}

#[test]
fn purposely_ignored_signals_stay_ignored() {
    for signal in ["INT", "HUP"] {
        let project = gated_project();
        let host = with_dispositions(
            project.host().args(["--log-level", "debug"]),
            &format!("--ignore-signal={signal}"),
        );
        let mut running = host.start();
        running.until("started");
        running.signal(signal);
        running.signal("TERM");
        running.until("again");
        open(&project, "x");
        let finished = running.wait().expect(130);
        assert!(!finished.stderr.contains("stopping running tasks"), "{signal}: {}", finished.stderr);
        assert_eq!(project.events().tasks("task.finished"), ["slow"]);
    }
}

#[test]
fn blocked_and_accidentally_ignored_signals_are_handled() {
    for words in ["--ignore-signal=TERM", "--block-signal=TERM", "--block-signal"] {
        let project = gated_project();
        let mut running = with_dispositions(project.host().args(["--log-level", "debug"]), words).start();
        running.until("started");
        running.signal("TERM");
        running.until("again");
        open(&project, "x");
        running.wait().expect(130);
        assert_eq!(project.events().tasks("task.finished"), ["slow"], "{words}");
    }
}

#[test]
fn out_of_bounds_access_traps_even_if_sigsegv_is_blocked() {
    let project = Project::new("[components.g]\npath = \"g.wasm\"\n[tasks.t]\ncall = \"g.run\"\n");
    let text = "(component (core module $m (memory 1) (func (export \"run\") (result i32) (i32.load (i32.const -8))))
        (core instance $i (instantiate $m))
        (func (export \"run\") (result u32) (canon lift (core func $i \"run\"))))";
    project.file("g.wasm", &wat::parse_str(text).expect("it is a component"));
    with_dispositions(project.host(), "--block-signal").run().expect(1).says(["memory"]);
}

#[test]
fn child_processes_start_with_default_dispositions() {
    let project = Project::basic(
        "build = \"grep -E '^Sig(Blk|Ign)' /proc/self/status > mask\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n",
    );
    for (words, expected) in [
        ("--ignore-signal=CHLD,TERM,ALRM,USR1,PIPE,XCPU,XFSZ", [0, 0]),
        ("--block-signal", [0, 0]),
        // Ignored on purpose, for all child processes.
        ("--ignore-signal=INT,QUIT,HUP", [0, 0b111]),
    ] {
        with_dispositions(project.command("build"), words).run().expect(0);
        let text = fs::read_to_string(project.folder().join("mask")).expect("the command ran");
        let masks =
            text.lines().filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
        let masks = masks.map(|mask| mask & !OF_LIBRARY);
        assert_eq!(masks.collect::<Vec<_>>(), expected, "{words}");
    }
}
