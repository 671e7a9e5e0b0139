//! Signals as a parent leaves them: ignored or blocked, by intent or by chance.
//! What a signal does is the matter of `signals`.

use crate::gates::{self, GRANTS, open};
use cascade_host_tests::{Host, Project};
use std::fs;

/// Two signals that belong to the C library.
const OF_LIBRARY: u64 = 0b11 << 31;

/// The host, started with these signals ignored or blocked, by words for `env`.
fn left_with(host: Host, words: &str) -> Host {
    host.behind("env", &[words])
}

/// A task that waits at the gate `x`, and one that waits for it.
fn waiting() -> Project {
    gates::project(&format!(
        "[tasks.slow]\ncall = \"g.await-file\"\nargs.path = \"x\"\n{GRANTS}\
         [tasks.next]\ncall = \"g.echo-string\"\nargs.value = {{ task = \"slow\" }}\n"
    ))
}

#[test]
fn a_parent_that_ignores_the_ends_of_children_changes_nothing() {
    let project = Project::basic("build = \"true\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n");
    // Nothing is compiled yet.
    let code = project.folder().join("code").display().to_string();
    let host =
        left_with(project.host().args(["--build"]).env("CASCADE_CODE_CACHE", &code), "--ignore-signal=CHLD");
    assert_eq!(host.run().expect(0).json()["t"], 2);
}

#[test]
fn signals_that_are_ignored_on_purpose_stay_so() {
    for signal in ["INT", "HUP"] {
        let project = waiting();
        let host =
            left_with(project.host().args(["--log-level", "debug"]), &format!("--ignore-signal={signal}"));
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
fn signals_that_are_ignored_by_chance_or_blocked_are_heard() {
    for words in ["--ignore-signal=TERM", "--block-signal=TERM", "--block-signal"] {
        let project = waiting();
        let mut running = left_with(project.host().args(["--log-level", "debug"]), words).start();
        running.until("started");
        running.signal("TERM");
        running.until("again");
        open(&project, "x");
        running.wait().expect(130);
        assert_eq!(project.events().tasks("task.finished"), ["slow"], "{words}");
    }
}

#[test]
fn a_guest_that_leaves_its_memory_traps_where_faults_are_blocked() {
    let project = Project::new("[components.g]\npath = \"g.wasm\"\n[tasks.t]\ncall = \"g.run\"\n");
    let text = "(component (core module $m (memory 1) (func (export \"run\") (result i32) (i32.load (i32.const -8))))
        (core instance $i (instantiate $m))
        (func (export \"run\") (result u32) (canon lift (core func $i \"run\"))))";
    project.file("g.wasm", &wat::parse_str(text).expect("it is a component"));
    left_with(project.host(), "--block-signal").run().expect(1).says(["memory"]);
}

#[test]
fn what_the_host_starts_begins_with_the_defaults() {
    let project = Project::basic(
        "build = \"grep -E '^Sig(Blk|Ign)' /proc/self/status > mask\"\n[tasks.t]\ncall = \"g.double\"\nargs.x = 1\n",
    );
    for (words, expected) in [
        ("--ignore-signal=CHLD,TERM,ALRM,USR1,PIPE,XCPU,XFSZ", [0, 0]),
        ("--block-signal", [0, 0]),
        // By intent, for all that is started.
        ("--ignore-signal=INT,QUIT,HUP", [0, 0b111]),
    ] {
        left_with(project.command("build"), words).run().expect(0);
        let text = fs::read_to_string(project.folder().join("mask")).expect("the command ran");
        let masks =
            text.lines().filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
        let masks = masks.map(|mask| mask & !OF_LIBRARY);
        assert_eq!(masks.collect::<Vec<_>>(), expected, "{words}");
    }
}
