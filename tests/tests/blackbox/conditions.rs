//! `when`, and the reasons why a task is skipped.
//! Pruning by `select` is in `references`.

use cascade_host_tests::{Events, Project};
use serde_json::json;

fn reason<'a>(events: &'a Events, task: &str) -> &'a str {
    let skipped = events.of("task.skipped").find(|event| event["task"] == task);
    skipped.and_then(|event| event["reason"].as_str()).unwrap_or("not skipped")
}

#[test]
fn false_condition_skips_the_task_and_its_dependents() {
    let project = Project::basic(
        r#"
        [params.go]
        type = "bool"
        [tasks.maybe]
        call = "g.double"
        args.x = 1
        when = { param = "go" }
        [tasks.needs]
        call = "g.double"
        args.x = { task = "maybe" }
        [tasks.copes]
        call = "g.double"
        args.x = { task = "maybe", default = 100 }
        "#,
    );
    let yes = project.host().args(["-p", "go=true"]).run().expect(0);
    assert_eq!(yes.json(), json!({ "needs": 4, "copes": 4 }));
    let no = project.host().args(["-p", "go=false"]).run().expect(0).says(["needs"]);
    assert_eq!(no.json(), json!({ "copes": 200 }));
    let events = project.events();
    assert_eq!(reason(&events, "maybe"), "ConditionFalse");
    assert_eq!(reason(&events, "needs"), "UpstreamSkipped");
    assert_eq!(reason(&events, "copes"), "not skipped");
    let skipped =
        |task| events.of("task.skipped").find(move |event| event["task"] == task).expect("it was skipped");
    assert_eq!(skipped("needs")["cause"], "maybe");
    assert!(skipped("maybe").get("cause").is_none());
    no.says(["UpstreamSkipped: `maybe` has not run"]);
}

#[test]
fn equals_and_not_compare_values_of_any_type() {
    let project = Project::basic(
        r#"
        [tasks.colour]
        call = "g.pick-colour"
        args.n = 2
        [tasks.is-blue]
        call = "g.double"
        args.x = 1
        when = { task = "colour", equals = "blue" }
        [tasks.is-not-blue]
        call = "g.double"
        args.x = 1
        when = { task = "colour", equals = "blue", not = true }
        [tasks.even]
        call = "g.is-even"
        args.x = 3
        [tasks.odd]
        call = "g.double"
        args.x = 2
        when = { task = "even", not = true }
        "#,
    );
    assert_eq!(project.run().expect(0).json(), json!({ "is-blue": 2, "odd": 4 }));
    assert_eq!(reason(&project.events(), "is-not-blue"), "ConditionFalse");
}

#[test]
fn dependents_of_a_failed_task_are_skipped_as_upstream_failed() {
    let project = Project::basic(
        r#"
        [tasks.bad]
        call = "g.fails"
        args.kind = "gone"
        [tasks.needs]
        call = "g.echo-string"
        args.value = { task = "bad" }
        [tasks.after-it]
        call = "g.double"
        args.x = 1
        after = ["bad"]
        "#,
    );
    project.host().args(["--keep-going"]).run().expect(1);
    let events = project.events();
    assert_eq!(reason(&events, "needs"), "UpstreamFailed");
    assert_eq!(reason(&events, "after-it"), "UpstreamFailed");
}
