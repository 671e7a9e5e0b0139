//! `run --verify`: shareable calls are executed once more and compared.

use cascade_host_tests::{Project, Redis};
use serde_json::json;

#[test]
fn verified_tasks_run_twice_and_are_reported_once() {
    let project = Project::basic(
        "[tasks.say]\ncall = \"g.say\"\nargs.text = \"hello\"\n\
         [tasks.each]\ncall = \"g.double\"\nfor-each.x = [1, 2]\nargs.x = { item = \"x\" }\n\
         [tasks.wild]\ncall = \"g.random\"\ngrants.random = true\n",
    );
    let finished = project.host().args(["--verify"]).run().expect(0);
    assert_eq!(finished.json()["each"], json!([2, 4]));
    let events = project.events();
    let mut started = events.tasks("task.started");
    started.sort();
    assert_eq!(started, ["each[0]", "each[1]", "say", "wild"], "one start an attempt");
    assert_eq!(events.tasks("task.finished").len(), 5);
    let lines = events.tasks("task.log").iter().filter(|task| *task == "say").count();
    assert_eq!(lines, 2, "what a guest writes, to stdout and stderr, is logged once");
}

#[test]
fn nondeterministic_task_with_cache_true_fails_without_retry() {
    let project = Project::basic(
        "grants.random = true\n\
         [tasks.t]\ncall = \"g.random\"\ncache = true\nretry = 3\n[tasks.free]\ncall = \"g.random\"\n",
    );
    project.run().expect(0);
    let finished = project.host().args(["--verify", "--keep-going"]).run().expect(1);
    finished.says(["not deterministic", "it returned another value"]);
    let events = project.events();
    let failed: Vec<_> = events.of("task.failed").collect();
    assert_eq!((failed.len(), &failed[0]["class"]), (1, &json!("error")));
    assert_eq!(events.tasks("task.started").len(), 2);
}

#[test]
fn cached_results_are_recomputed_and_compared() {
    let server = Redis::start("");
    let project = Project::basic(
        "[tasks.a]\ncall = \"g.echo-person\"\nargs.value = { name = \"Ada\", age = 36, tags = [\"x\", \"y\"] }\n\
         [tasks.b]\ncall = \"g.echo-person\"\nargs.value = { name = \"Ada\", age = 36, tags = [\"x\", \"z\"] }\n",
    );
    let run = |arguments: &[&str]| {
        let host = arguments.iter().fold(project.host(), |host, argument| host.args([*argument]));
        host.args(["--cache", &server.uri()]).run()
    };
    run(&[]).expect(0);
    run(&["--verify"]).expect(0);
    let events = project.events();
    assert_eq!((events.tasks("task.started").len(), events.tasks("task.cached").len()), (2, 0));
    // Another program swaps two results.
    let keys = server.command(&["KEYS", "cascade:cache:*"]);
    let keys: Vec<&str> = keys.lines().collect();
    server.command(&["COPY", keys[0], keys[1], "REPLACE"]);
    run(&[]).expect(0);
    let finished = run(&["--verify", "--keep-going"]).expect(1);
    finished.says([
        "not deterministic",
        "differs from the cached result with key",
        "first difference: `.tags[1]`",
    ]);
    assert_eq!(project.events().tasks("task.failed").len(), 1);
}
