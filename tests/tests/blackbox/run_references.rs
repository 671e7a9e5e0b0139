//! `RUN` on the command line: an id, the beginning of one, or `latest`.

use cascade_host_tests::{Finished, Host, Project, Redis};

/// Stores runs with these ids, one after the other.
fn stored(server: &Redis, ids: &[&str]) {
    let project = Project::basic("[tasks.t]\ncall = \"g.double\"\nargs.x = 4\n");
    for id in ids {
        project.host().args(["--state", &server.uri(), "--run-id", id]).run().expect(0);
    }
}

fn command(server: &Redis, words: &[&str]) -> Finished {
    let host = words[1..].iter().fold(Host::new([words[0]]), |host, word| host.args([*word]));
    host.args(["--state", &server.uri()]).run()
}

/// Returns the run that `show` takes.
fn shown(server: &Redis, reference: &str) -> String {
    let run = command(server, &["show", reference, "--json"]).expect(0).json();
    run["run"].as_str().expect("the id").to_owned()
}

#[test]
fn every_command_takes_a_prefix_and_the_latest_run() {
    let server = Redis::start("");
    stored(&server, &["nightly-1", "daily-1"]);
    for (reference, id) in [("latest", "daily-1"), ("night", "nightly-1"), ("daily-1", "daily-1")] {
        assert_eq!(shown(&server, reference), id, "{reference}");
    }
    assert_eq!(command(&server, &["output", "n", "t"]).expect(0).text().trim(), "8");
    assert_eq!(command(&server, &["logs", "n", "t"]).expect(0).text(), "");
    command(&server, &["watch", "latest"]).expect(0);
    command(&server, &["cancel", "latest"]).expect(2).says(["run `daily-1` has already succeeded"]);
    command(&server, &["rm", "n"]).expect(0).says(["removed run nightly-1"]);
    command(&server, &["show", "n"]).expect(4).says(["there is no run `n`"]);
}

#[test]
fn exact_id_wins_over_prefix_and_latest() {
    let server = Redis::start("");
    stored(&server, &["latest", "a", "a-2"]);
    assert_eq!(shown(&server, "a"), "a");
    assert_eq!(shown(&server, "latest"), "latest");
    command(&server, &["rm", "latest"]).expect(0).says(["removed run latest"]);
    assert_eq!(shown(&server, "latest"), "a-2");
}

#[test]
fn ambiguous_prefix_lists_its_runs_and_changes_nothing() {
    let server = Redis::start("");
    stored(&server, &["run-1", "run-2"]);
    for name in ["show", "output", "watch", "cancel", "rm"] {
        command(&server, &[name, "run"]).expect(2).says(["several runs begin with `run`", "run-1, run-2"]);
    }
    command(&server, &["logs", "run", "t"]).expect(2).says(["run-1, run-2"]);
    assert_eq!(server.command(&["ZCARD", "cascade:runs"]), "2");
}

#[test]
fn rm_finds_all_its_runs_before_it_removes_one() {
    let server = Redis::start("");
    stored(&server, &["a-1", "b-1", "b-2"]);
    // After the first removal, `b` would be unique and `latest` another run.
    let finished = command(&server, &["rm", "latest", "b-2", "b", "a"]).expect(2);
    finished.says(["removed run b-2", "removed run a-1", "several runs begin with `b`"]);
    assert_eq!(server.command(&["ZRANGE", "cascade:runs", "0", "-1"]), "b-1");
    command(&server, &["cancel", "latest"]).expect(2).says(["run `b-1`"]);
}

#[test]
fn prefix_is_searched_among_many_runs() {
    let server = Redis::start("");
    stored(&server, &["zz-only"]);
    let fill = "for i = 1, 100000 do redis.call('ZADD', KEYS[1], i, 'old-' .. i) end";
    server.command(&["EVAL", fill, "1", "cascade:runs"]);
    assert_eq!(shown(&server, "zz"), "zz-only");
    // Ids that have expired are no candidates.
    command(&server, &["show", "old-7"]).expect(4).says(["there is no run `old-7`"]);
}
