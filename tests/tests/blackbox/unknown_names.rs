//! Unknown tasks and elements on the command line: an error that lists the existing ones, never empty output.
//! Names in a manifest are in `mistakes`.

use crate::gates::{self, open};
use cascade_host_tests::{Finished, Host, Project, Redis};
use serde_json::json;

/// A list, a `for-each` over it, and tasks that are skipped, fail, depend on the failed one, or write nothing.
const BODY: &str = "[tasks.each]\ncall = \"g.say\"\nfor-each.text = [\"a\", \"b\", \"c\"]\nargs.text = { item = \"text\" }\n\
    [tasks.none]\ncall = \"g.double\"\nfor-each.x = []\nargs.x = { item = \"x\" }\n\
    [tasks.never]\ncall = \"g.double\"\nargs.x = 1\nwhen = { value = false }\n\
    [tasks.bad]\ncall = \"g.maybe-fail\"\nargs.x = 3\n\
    [tasks.next]\ncall = \"g.double\"\nargs.x = { task = \"bad\" }\n\
    [tasks.quiet]\ncall = \"g.double\"\nargs.x = 1\n";

fn run_command(server: &Redis, words: &[&str]) -> Finished {
    let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
    host.args(["--state", &server.uri()]).run()
}

#[test]
fn unknown_task_or_element_lists_the_existing_ones() {
    let server = Redis::start("");
    let project = Project::basic(BODY);
    project.host().args(["--state", &server.uri(), "--run-id", "r1", "--keep-going"]).run().expect(1);
    for (name, says) in [
        ("each[3]", "`each` has 3 elements, `each[0]` to `each[2]`"),
        ("each[999999]", "`each` has 3 elements"),
        ("each[99999999999999999999]", "is too large; the largest is 4294967295"),
        ("each[01]", "the index 01 has leading zeros; write 1"),
        ("each[00]", "the index 00 has leading zeros; write 0"),
        ("none[0]", "`none` ran over an empty list"),
        ("quiet[0]", "it runs once, as `quiet`"),
        ("quite", "did you mean `quiet`?"),
        ("each[x]", "an element of a `for-each` task is `task[i]`"),
        ("each[-1]", "an element of a `for-each` task is `task[i]`"),
        ("", "its tasks are each, none, never, bad, next, quiet"),
    ] {
        for command in ["logs", "output"] {
            let finished = run_command(&server, &[command, "r1", name]).expect(4).says([says]);
            assert!(finished.stdout.is_empty(), "{command} {name}");
        }
    }
    for (name, says) in
        [("never", "it was skipped: ConditionFalse"), ("next", "it was skipped: UpstreamFailed")]
    {
        run_command(&server, &["logs", "r1", name]).expect(4).says(["has not run", says]);
        run_command(&server, &["output", "r1", name]).expect(4).says(["has no result", says]);
    }
    run_command(&server, &["output", "r1", "bad"]).expect(4).says(["it failed: error: "]);
    // A task that ran without output is no error.
    for (name, text) in [("each[1]", "b\nb\n"), ("quiet", ""), ("bad", "")] {
        assert_eq!(run_command(&server, &["logs", "r1", name]).expect(0).text(), text, "{name}");
    }
    let of_all = "each[0] | a\neach[0] | a\neach[1] | b\neach[1] | b\neach[2] | c\neach[2] | c\n";
    assert_eq!(run_command(&server, &["logs", "r1", "each"]).expect(0).text(), of_all);
    run_command(&server, &["logs", "r1", "none"]).expect(0).says(["`none` ran over an empty list"]);
    assert_eq!(run_command(&server, &["output", "r1", "each[2]"]).expect(0).json(), json!("c"));
    for words in
        [&["show", "r2"][..], &["logs", "r2", "each"], &["output", "r2"], &["cancel", "r2"], &["watch", "r2"]]
    {
        run_command(&server, words).expect(4).says(["there is no run `r2`"]);
    }
}

#[test]
fn unstarted_element_is_not_reported_as_silent() {
    let server = Redis::start("");
    let project = gates::elements("abc");
    let uri = server.uri();
    let mut running =
        project.host().args(["--state", &uri, "--run-id", "r1", "-j", "1", "--log-level", "debug"]).start();
    open(&project, "a");
    running.until("started    texts[1]");
    run_command(&server, &["logs", "r1", "texts[7]"])
        .expect(4)
        .says(["has no record of `texts[7]`", "show r1"]);
    run_command(&server, &["logs", "r1", "all"]).expect(4).says(["has not run"]);
    run_command(&server, &["output", "r1", "all"]).expect(4).says(["it has not started"]);
    open(&project, "bc");
    running.wait().expect(0);
    run_command(&server, &["logs", "r1", "all"]).expect(0);
}

#[test]
fn cached_result_names_the_run_with_its_log() {
    let server = Redis::start("");
    let project = Project::basic("[tasks.say]\ncall = \"g.say\"\nargs.text = \"x\"\n");
    let uri = server.uri();
    for run in ["r1", "r2"] {
        project.host().args(["--state", &uri, "--cache", &uri, "--run-id", run]).run().expect(0);
    }
    assert_eq!(run_command(&server, &["logs", "r1", "say"]).expect(0).text(), "x\nx\n");
    run_command(&server, &["logs", "r2", "say"]).expect(0).says(["its result came from the cache"]);
}
