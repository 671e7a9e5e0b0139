//! Start of tasks: when, in which order, and with which arguments.

use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::model::RunStatus;
use crate::value::Type;

#[tokio::test(start_paused = true)]
async fn task_starts_when_its_own_inputs_are_ready() {
    let mut draft = Draft::new();
    draft.task("slow", vec![]);
    draft.task("fast", vec![]);
    draft.task("next", vec![from(1)]);
    draft.task("all", vec![from(0), from(2)]);
    let report = Fixture::new()
        .run(&draft.bound(), |call| match call.attempt.task.as_str() {
            "slow" => returns(500, "s"),
            _ => echo(call),
        })
        .await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!((report.call("next").started, report.call("all").started), (10, 500));
    assert_eq!(report.output("all"), "\"all(s,next(fast()))\"");
}

#[tokio::test(start_paused = true)]
async fn a_result_is_committed_before_its_dependents_start() {
    let mut draft = Draft::new();
    draft.task("a", vec![]);
    draft.task("b", vec![from(0)]);
    let report = Fixture::new().run(&draft.bound(), echo).await;
    let position = |task: &str, event: &str| {
        report.lines.iter().position(|line| line["task"] == task && line["event"] == event).unwrap()
    };
    assert!(position("a", "task.finished") < position("b", "task.started"));
    assert_eq!(report.events("a"), ["ready", "started", "finished"]);
    let finished = report.event("a", "finished");
    assert_eq!((&finished["attempt"], &finished["duration_ms"]), (&1.into(), &10.0.into()));
    assert_eq!((&finished["output_bytes"], &finished["memory_bytes"]), (&4.into(), &1.into()));
}

#[tokio::test(start_paused = true)]
async fn higher_priorities_go_first_and_longer_paths_before_shorter_ones() {
    let mut draft = Draft::new();
    draft.task("short", vec![]);
    draft.task("long", vec![]);
    draft.task("urgent", vec![]).priority = 5;
    draft.task("late", vec![]).priority = -5;
    draft.task("end", vec![from(1)]).priority = -9;
    let mut fixture = Fixture::new();
    fixture.slots = 1;
    let report = fixture.run(&draft.bound(), echo).await;
    assert_eq!(report.calls(), ["urgent", "long", "short", "late", "end"]);
}

#[tokio::test(start_paused = true)]
async fn no_more_guests_than_slots_run_at_the_same_time() {
    let mut draft = Draft::new();
    for name in ["a", "b", "c", "d", "e"] {
        draft.task(name, vec![]);
    }
    let mut fixture = Fixture::new();
    fixture.slots = 2;
    let report = fixture.run(&draft.bound(), echo).await;
    let started: Vec<u64> = report.calls_made.iter().map(|record| record.started).collect();
    assert_eq!(started, [0, 0, 10, 10, 20]);
}

#[tokio::test(start_paused = true)]
async fn after_orders_without_data_and_survives_a_skip() {
    let mut draft = Draft::new();
    draft.task("first", vec![]).when = vec![false_condition()];
    draft.task("second", vec![]).after = vec![idx(0)];
    draft.task("third", vec![]).after = vec![idx(1)];
    let report = Fixture::new().run(&draft.bound(), echo).await;
    assert_eq!(report.output("first"), "ConditionFalse");
    assert_eq!((report.call("second").started, report.call("third").started), (0, 10));
}

#[tokio::test(start_paused = true)]
async fn a_path_picks_a_part_and_a_miss_fails_with_class_input() {
    let mut draft = Draft::new();
    let task = draft.task("list", vec![]);
    (task.output, task.value) = (Some(strings()), Some(strings()));
    draft.task("hit", vec![part_of(0, &strings(), "[1]", &Type::String)]);
    draft.task("miss", vec![part_of(0, &strings(), "[7]", &Type::String)]);
    let mut fixture = Fixture::new();
    fixture.policy = crate::model::FailurePolicy::KeepGoing;
    let report = fixture
        .run(&draft.bound(), |call| match call.attempt.task.as_str() {
            "list" => returns_value(1, crate::value::compose_tuple(&[string("x"), string("y")])),
            _ => echo(call),
        })
        .await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert_eq!(report.output("hit"), "\"hit(y)\"");
    let failed = report.event("miss", "failed");
    assert_eq!(failed["class"], "input");
    assert_eq!(failed["error"], "the output of task `list` has nothing at `[7]`");
    assert_eq!(report.calls(), ["list", "hit"]);
}

/// A condition that does not hold.
pub(crate) fn false_condition() -> std::sync::Arc<crate::plan::Condition> {
    let (subject, equals) = (literal("yes"), string("no"));
    std::sync::Arc::new(crate::plan::Condition { level: 0, subject, equals, is_negated: false })
}
