//! `run --watch`: which changes start a run, what is kept, and how it ends.
//! Stamps, quiet times and what builds write are tested beside the code.

use crate::gates::{self, open};
use cascade_host_tests::{Answer, Finished, Host, Project, Receiver, Redis, Running, build_rust_guests};
use std::path::Path;

/// Doubles a number in a file, and another one.
const TASKS: &str = "[tasks.a]\ncall = \"g.double\"\nargs.x = { param = \"x\" }\n\
    [tasks.b]\ncall = \"g.concat\"\nargs.parts = [{ file = \"text.txt\" }]\n\
    [params.x]\ntype = \"u32\"\ndefault = 2\n";

fn start(host: Host) -> Running {
    let mut running = host.args(["--watch"]).start();
    running.until("watching ");
    running
}

/// Waits for the end of the run that a change of `path` has started, and returns its log.
fn after(running: &mut Running, path: &str) -> String {
    running.until(&format!("{path} changed: running again"));
    running.until("after the change; watching ")
}

/// Ends the watch.
#[track_caller]
fn end(running: Running) -> Finished {
    running.signal("INT");
    running.wait().expect(130).says(["stopped watching `manifest.toml`"])
}

fn lines(finished: &Finished) -> Vec<serde_json::Value> {
    finished.text().lines().map(|line| serde_json::from_str(line).expect("a line of outputs")).collect()
}

/// Replaces a file as editors do.
fn replace(project: &Project, name: &str, content: &str) {
    let aside = project.file("aside~", content.as_bytes());
    std::fs::rename(aside, project.folder().join(name)).expect("a file can be renamed");
}

#[test]
fn a_saved_file_starts_a_run_that_keeps_what_is_unchanged() {
    let project = Project::basic(TASKS);
    project.file("text.txt", b"one");
    let mut running = start(project.host());
    project.file("text.txt", b"two");
    let log = after(&mut running, "text.txt");
    assert!(log.contains("cached     a") && log.contains("finished   b"), "{log}");
    replace(&project, "text.txt", "three");
    after(&mut running, "text.txt");
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("a manifest");
    replace(&project, "manifest.toml", &manifest.replace("default = 2", "default = 5"));
    let log = after(&mut running, "manifest.toml");
    assert!(log.contains("finished   a") && log.contains("cached     b"), "{log}");
    let finished = end(running);
    let found = lines(&finished);
    let expected = [(4, "one"), (4, "two"), (4, "three"), (10, "three")];
    assert_eq!(found, expected.map(|(a, b)| serde_json::json!({ "a": a, "b": b })));
    // The file has the events of the last run.
    assert_eq!(project.events().of("run.started").count(), 1);
    assert_eq!(project.events().tasks("task.cached"), ["b"]);
}

#[test]
fn faults_and_failures_are_shown_and_the_watch_goes_on() {
    let project = Project::basic(
        "[tasks.a]\ncall = \"g.maybe-fail\"\nargs.x = { param = \"x\" }\n[params.x]\ntype = \"u3\"\n",
    );
    project.file("params.toml", b"x = 3");
    let mut running = project.host().args(["--params-file", "params.toml", "--watch"]).start();
    let shown = running.until("watching ");
    assert!(shown.contains("the type of param `x` is not a WIT type"), "{shown}");
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("a manifest");
    replace(&project, "manifest.toml", &manifest.replace("u3", "u32"));
    let log = after(&mut running, "manifest.toml");
    assert!(log.contains("3 is odd") && !log.contains("To make runs resumable"), "{log}");
    project.file("params.toml", b"x = 8");
    after(&mut running, "params.toml");
    std::fs::remove_file(project.folder().join("params.toml")).expect("a file can be removed");
    let log = after(&mut running, "params.toml");
    assert!(log.contains("params.toml"), "{log}");
    project.file("params.toml", b"x = 6");
    after(&mut running, "params.toml");
    assert_eq!(end(running).text(), "{\"a\":8}\n{\"a\":6}\n");
}

#[test]
fn included_manifests_new_files_and_components_are_watched() {
    let project = Project::new(
        "[components.g]\npath = \"g.wasm\"\n[tasks.i]\nmanifest = \"inner.toml\"\n\
         [tasks.all]\ncall = \"g.concat\"\nargs.parts = { files = \"texts/*.txt\" }\n",
    );
    project.file("texts/1.txt", b"1");
    let inner = "[tasks.n]\ncall = \"g.double\"\nargs.x = 1\n[outputs]\nn = { task = \"n\" }\n";
    let mut running = project.host().args(["--watch"]).start();
    let shown = running.until("watching ");
    assert!(shown.contains("cannot read the manifest `inner.toml`"), "{shown}");
    project.include("inner.toml", inner);
    let log = after(&mut running, "inner.toml");
    assert!(log.contains("cannot read the component `g`"), "{log}");
    let guest = std::fs::read(build_rust_guests().join("basic.wasm")).expect("a guest was built");
    project.file("g.wasm", &guest);
    after(&mut running, "g.wasm");
    project.file("texts/2.txt", b"2");
    after(&mut running, "texts/2.txt");
    project.include("inner.toml", &inner.replace("args.x = 1", "args.x = 4"));
    after(&mut running, "inner.toml");
    let found = lines(&end(running));
    let shown: Vec<String> = found.iter().map(|line| format!("{} {}", line["all"], line["i"]["n"])).collect();
    assert_eq!(shown, ["\"1\" 2", "\"12\" 2", "\"12\" 8"]);
}

#[test]
fn a_change_stops_the_run_that_goes_on() {
    let (server, project) = (Redis::start(""), gates::elements("ab"));
    let uri = server.uri();
    let flags = ["--watch", "--log-level", "debug", "-j", "2", "--state", &uri];
    let mut running = project.host().args(flags).start();
    running.until("started    texts[1]");
    let manifest = std::fs::read_to_string(project.folder().join("manifest.toml")).expect("a manifest");
    // The new run has gates that are open.
    open(&project, "cd");
    let changed = manifest.replace("[\"a\", \"b\"]", "[\"c\", \"d\"]");
    assert_ne!(changed, manifest);
    replace(&project, "manifest.toml", &changed);
    running.until("stopped before it had finished: the run after the change computes it anew");
    after(&mut running, "manifest.toml");
    assert_eq!(end(running).text(), "{\"all\":\"cd\"}\n");
    // Nobody resumes the run that was stopped, so it does not look as if its host were lost.
    let runs = cascade_host_tests::Host::new(["runs", "--json", "--state", &uri]).run().expect(0).json();
    let runs = runs["runs"].as_array().expect("runs").iter().map(|run| run["status"].clone());
    assert_eq!(runs.collect::<Vec<_>>(), ["succeeded", "cancelled"]);
}

#[test]
fn an_interrupt_during_a_run_ends_the_watch_after_it() {
    let project = gates::elements("ab");
    let mut running = project.host().args(["--watch", "--log-level", "debug", "-j", "2"]).start();
    running.until("started    texts[1]");
    running.signal("INT");
    running.until("interrupt again");
    open(&project, "ab");
    let finished = running.wait().expect(130);
    let log = finished.stderr;
    assert!(log.ends_with("stopped watching `manifest.toml`\n") && !log.contains("; watching"), "{log}");
}

#[test]
fn builds_run_again_when_their_sources_change() {
    let guest = build_rust_guests().join("basic.wasm");
    let project = Project::new(&format!(
        "[components.g]\npath = \"made/g.wasm\"\nbuild-dir = \"src\"\n\
         build = \"mkdir -p ../made target && cp {} ../made/g.wasm && date +%N > target/log && echo same > made.txt\"\n{TASKS}",
        guest.display()
    ));
    project.file("src/lib.rs", b"1");
    project.file("text.txt", b"one");
    let mut running = project.host().args(["--watch", "--build"]).start();
    // The file that the build has written beside its sources is one more change, and no other.
    running.until("src/made.txt changed: running again");
    let log = running.until("after the change; watching ");
    assert!(log.contains("building g"), "{log}");
    project.file("text.txt", b"two");
    let log = after(&mut running, "text.txt");
    assert!(!log.contains("building") && log.contains("cached     a"), "{log}");
    replace(&project, "src/lib.rs", "2");
    let log = after(&mut running, "src/lib.rs");
    assert!(log.contains("building g") && log.contains("cached     a"), "{log}");
    project.file("text.txt", b"three");
    after(&mut running, "text.txt");
    let finished = end(running);
    assert_eq!(lines(&finished).last().expect("outputs")["b"], "three");
}

#[test]
fn a_failed_build_is_repeated_after_a_change() {
    let guest = build_rust_guests().join("basic.wasm");
    let project = Project::new(&format!(
        "[components.g]\npath = \"made/g.wasm\"\nbuild-dir = \"src\"\n\
         build = \"test -e ok && mkdir -p ../made && cp {} ../made/g.wasm\"\n{TASKS}",
        guest.display()
    ));
    project.file("text.txt", b"one");
    project.file("src/lib.rs", b"1");
    let mut running = project.host().args(["--watch", "--build"]).start();
    let shown = running.until("watching ");
    assert!(shown.contains("the build command of g"), "{shown}");
    project.file("src/ok", b"");
    let log = after(&mut running, "src/ok");
    assert!(log.contains("building g") && log.contains("finished   a"), "{log}");
    assert_eq!(end(running).text(), "{\"a\":4,\"b\":\"one\"}\n");
}

#[test]
fn flags_of_one_run_are_refused() {
    let project = Project::basic(TASKS);
    for flag in ["--update", "--fresh", "--if-running=wait"] {
        let words = ["run", "--watch", flag, "manifest.toml"];
        Host::new(words).within(project.folder()).run().expect(2).says(["cannot be used with", "--watch"]);
    }
    for flags in [["--run-id", "r"], ["--dry-run", "--"]] {
        let words = ["run", "--watch", flags[0], flags[1], "manifest.toml"];
        let refused = Host::new(words).within(project.folder()).run().expect(2);
        refused.says([
            &format!("`--watch` cannot be used with `{}`", flags[0]),
            &format!("leave out `{}`", flags[0]),
        ]);
    }
    let refused = Host::new(["run", "--watch", "/dev/stdin"]).run().expect(2);
    refused.says(["`/dev/stdin` cannot be watched"]);
    Host::new(["run", "--watch", "nowhere.toml"])
        .run()
        .expect(2)
        .says(["cannot read the manifest `nowhere.toml`"]);
}

#[test]
fn runs_of_a_watch_are_stored_and_told_to_nobody() {
    let (server, receiver) = (Redis::start(""), Receiver::start(&[Answer::Status(200)]));
    let project = Project::basic(&format!("{TASKS}[notify]\nurl = \"{}\"\n", receiver.url("/")));
    project.file("text.txt", b"one");
    let uri = server.uri();
    let mut running = start(project.host().args(["--state", &uri, "--cache", "off", "--output-dir", "out"]));
    project.file("text.txt", b"two");
    let log = after(&mut running, "text.txt");
    assert!(log.contains("finished   a") && log.contains("wrote 1 file to out: b; 1 unchanged"), "{log}");
    end(running);
    let runs = Host::new(["runs", "--json", "--state", &uri]).run().expect(0).json();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(2), "{runs}");
    assert_eq!(receiver.received(), []);
    let written = |name: &str| std::fs::read_to_string(project.folder().join("out").join(Path::new(name)));
    assert_eq!(written("b").expect("a file was written"), "two");
}

#[test]
fn a_watch_ends_when_nobody_reads_its_results() {
    let project = Project::basic(TASKS);
    project.file("text.txt", b"one");
    let shell = Host::new(["run", "manifest.toml", "--watch"]).within(project.folder());
    let finished = shell.behind("sh", &["-c", "{ \"$0\" \"$@\"; echo \"ended with $?\" >&2; } | true"]).run();
    assert!(finished.stderr.contains("ended with 0"), "{}", finished.stderr);
}

#[test]
fn build_that_fails_is_repeated_by_a_change_only() {
    let basic = build_rust_guests().join("basic.wasm");
    let project = Project::new(&format!(
        "[components.a]\npath = \"a.wasm\"\nbuild = \"echo built >> ../count; cp '{}' a.wasm; date +%N > made.txt; ! test -e wrong\"\n\
         build-dir = \"source\"\n[tasks.t]\ncall = \"a.double\"\nargs.x = 2\n",
        basic.display()
    ).replace("a.wasm\"\nbuild", "source/a.wasm\"\nbuild"));
    project.file("source/wrong", b"");
    let mut running = project.host().args(["--build", "--watch"]).start();
    // What a build has written beside its sources causes further builds, a few at most.
    running.until("its changes are ignored");
    running.until("watching ");
    std::fs::remove_file(project.folder().join("source/wrong")).expect("a file can be removed");
    running.until("finished   t");
    running.until("watching "); // the results are printed
    let builds = std::fs::read_to_string(project.folder().join("count")).expect("it was built");
    assert!(builds.lines().count() <= 6, "{builds}");
    assert_eq!(lines(&end(running)), [serde_json::json!({ "t": 4 })]);
}

#[test]
fn inputs_that_can_be_read_only_once_are_refused() {
    let project = Project::basic(TASKS);
    project.file("text.txt", b"one");
    for (words, path) in
        [(&["-p", "x=@/dev/stdin"][..], "/dev/stdin"), (&["--params-file", "/dev/fd/0"], "/dev/fd/0")]
    {
        let host = words.iter().fold(project.host(), |host, word| host.args([*word]));
        host.args(["--watch"]).run().expect(2).says([&format!("`{path}` cannot be watched: it is no file")]);
    }
    let rerun = project.host().args(["--watch", "--run-id", "r1", "--rerun", "a"]).run().expect(2);
    rerun.says(["`--watch` cannot be used with `--rerun`"]);
}

#[test]
fn a_log_that_matches_an_input_starts_no_run() {
    let project = Project::basic("[tasks.t]\ncall = \"g.concat\"\nargs.parts = { files = \"in/*.txt\" }\n");
    project.file("in/a.txt", b"a");
    project.file("in/log.txt", b"");
    let script = "exec \"$0\" \"$@\" --watch 2>> in/log.txt";
    let running = project.command("run").behind("sh", &["-c", script]).start();
    let log = || std::fs::read_to_string(project.folder().join("in/log.txt")).expect("a log");
    cascade_host_tests::wait_until("the first run has ended", || log().contains("watching "));
    project.file("in/a.txt", b"b");
    cascade_host_tests::wait_until("the second run has ended", || log().contains("after the change"));
    running.signal("INT");
    running.wait().expect(130);
    assert_eq!(log().matches("running again").count(), 1, "{}", log());
}
