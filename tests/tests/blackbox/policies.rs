//! Failure policies: the effect of a failed task on the rest of the run, and the kept results.
//! Failures of a single task are in `retries`.

use cascade_host_tests::Project;
use serde_json::json;

/// A task that fails at once, a slow one beside it, and a third that would start next.
fn project() -> Project {
    Project::basic(
        r#"
        [tasks.bad]
        call = "g.fails"
        args.kind = "gone"
        [tasks.slow]
        call = "g.slow-echo"
        args = { text = "kept", ms = 400 }
        [tasks.next]
        call = "g.echo-string"
        args.value = { task = "slow" }
        "#,
    )
}

#[test]
fn by_default_running_tasks_finish_and_no_new_task_starts() {
    let project = project();
    let finished = project.host().args(["-j", "2"]).run().expect(1);
    assert!(finished.stdout.is_empty(), "stdout stays empty: {}", finished.text());
    let events = project.events();
    assert_eq!(events.tasks("task.finished"), ["slow"]);
    assert!(!events.tasks("task.started").contains(&"next".to_owned()));
    assert_eq!(events.of("run.finished").next().expect("the run ends")["status"], "failed");
}

#[test]
fn keep_going_finishes_other_branches_and_prints_their_outputs() {
    let project = project();
    let finished = project.host().args(["-j", "2", "--keep-going"]).run().expect(1);
    assert_eq!(finished.json(), json!({ "next": "kept" }));
    assert_eq!(project.events().tasks("task.finished"), ["slow", "next"]);
}

#[test]
fn fail_fast_stops_running_tasks() {
    let project = Project::basic(
        r#"
        [tasks.bad]
        call = "g.fails"
        args.kind = "gone"
        [tasks.endless]
        call = "g.spin"
        "#,
    );
    let finished = project.host().args(["-j", "2", "--fail-fast"]).run().expect(1);
    assert!(finished.took < std::time::Duration::from_secs(20), "{:?}", finished.took);
    assert!(project.events().tasks("task.finished").is_empty());
}

#[test]
fn failed_element_fails_its_task_and_is_named() {
    let project = Project::basic(
        r#"
        [tasks.each]
        call = "g.maybe-fail"
        for-each.x = [0, 2, 3, 4]
        args.x = { item = "x" }
        "#,
    );
    project.run().expect(1).says(["each[2]", "element 2"]);
    let events = project.events();
    assert_eq!(events.tasks("task.failed"), ["each[2]", "each"]);
}

#[test]
fn resources_limit_concurrent_tasks() {
    let mut body = "[resources]\nlicence = 1\n".to_owned();
    for name in ["a", "b", "c"] {
        body.push_str(&format!(
            "[tasks.{name}]\ncall = \"g.slow-echo\"\nargs = {{ text = \"x\", ms = 20 }}\nresources.licence = 1\n"
        ));
    }
    let project = Project::basic(&body);
    project.host().args(["-j", "3"]).run().expect(0);
    let events = project.events();
    let order: Vec<_> = events
        .0
        .iter()
        .filter_map(|event| event["event"].as_str())
        .filter(|event| ["task.started", "task.finished"].contains(event))
        .collect();
    assert_eq!(order, ["task.started", "task.finished"].repeat(3));
    assert_eq!(events.of("task.blocked").next().expect("somebody waits")["resource"], "licence");
}

#[test]
fn tasks_start_by_priority_then_by_longest_path() {
    let project = Project::basic(
        r#"
        [tasks.short]
        call = "g.double"
        args.x = 1
        [tasks.long]
        call = "g.double"
        args.x = 1
        [tasks.end]
        call = "g.double"
        args.x = { task = "long" }
        [tasks.urgent]
        call = "g.double"
        args.x = 1
        priority = 5
        "#,
    );
    project.host().args(["-j", "1"]).run().expect(0);
    assert_eq!(project.events().tasks("task.started")[..2], ["urgent", "long"]);
}

#[test]
fn target_restricts_the_run_to_its_dependencies() {
    let project = Project::basic(
        r#"
        [tasks.base]
        call = "g.double"
        args.x = 1
        [tasks.left]
        call = "g.double"
        args.x = { task = "base" }
        [tasks.right]
        call = "g.double"
        args.x = { task = "base" }
        "#,
    );
    let finished = project.host().args(["--target", "left"]).run().expect(0);
    assert_eq!(finished.json(), json!({ "left": 4 }));
    assert_eq!(project.events().tasks("task.finished"), ["base", "left"]);
    project.host().args(["--target", "lift"]).run().expect(2).says(["lift"]);
}
