//! Deadlines: calls that are stopped, nodes that end without a call, and the end of a run.
//! The clocks are the ledger's: its conformance suite tests them.

use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::{Ended, Interrupt};
use crate::model::{Capacity, FailureClass, FailurePolicy, Name, RunStatus};
use crate::plan::{LeavesOut, OnError, Resource, ResourceScope, Retry};
use crate::value::{ResultType, Type, failure_type};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(1);

fn retry(attempts: u32, delay: u64) -> Retry {
    Retry {
        attempts: NonZeroU32::new(attempts).unwrap(),
        delay: Duration::from_millis(delay),
        jitter: false,
        ..Retry::default()
    }
}

/// A task with a deadline and so many attempts.
fn task(attempts: u32, delay: u64) -> Draft {
    let mut draft = Draft::new();
    let task = draft.task("task", vec![]);
    task.deadline = Some(DEADLINE);
    Arc::make_mut(&mut task.policy).retry = retry(attempts, delay);
    draft
}

#[tokio::test(start_paused = true)]
async fn running_call_is_stopped_and_not_retried() {
    let report = Fixture::new().run(&task(9, 0).bound(), |_| returns(60_000, "late")).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert_eq!(report.events("task"), ["ready", "started", "failed"]);
    let failed = report.event("task", "failed");
    assert_eq!((&failed["class"], &failed["attempt"]), (&"timeout".into(), &1.into()));
    assert_eq!(failed["error"], "`deadline` = 1s reached: the task had not ended");
    assert_eq!(report.call("task").ended, Some(1000));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_all_attempts_counts() {
    let report = Fixture::new().run(&task(9, 0).bound(), |_| fails(400, FailureClass::Trap)).await;
    let ended: Vec<_> = report.calls_made.iter().map(|record| record.ended).collect();
    assert_eq!(ended, [Some(400), Some(800), Some(1000)]);
    let failed = report.event("task", "failed");
    assert_eq!(failed["class"], "timeout");
    assert!(
        failed["error"].as_str().unwrap().ends_with("; attempt 3 had failed: trap: scripted"),
        "{failed}"
    );
}

#[tokio::test(start_paused = true)]
async fn own_timeout_that_is_shorter_is_retried() {
    let mut draft = task(2, 0);
    Arc::make_mut(&mut draft.tasks[0].policy).timeout = Duration::from_millis(300);
    let report = Fixture::new().run(&draft.bound(), |_| returns(60_000, "late")).await;
    assert_eq!(report.events("task"), ["ready", "started", "retrying", "started", "failed"]);
    assert_eq!(report.event("task", "failed")["error"], "scripted");
}

#[tokio::test(start_paused = true)]
async fn task_that_waits_for_its_next_attempt_ends_at_the_deadline() {
    let report = Fixture::new().run(&task(9, 60_000).bound(), |_| fails(10, FailureClass::Trap)).await;
    assert_eq!(report.events("task"), ["ready", "started", "retrying", "failed"]);
    let failed = report.event("task", "failed");
    assert_eq!((&failed["class"], failed.get("attempt")), (&"timeout".into(), None));
    let said = "`deadline` = 1s reached: the task had not ended; attempt 1 had failed: trap: scripted";
    assert_eq!(failed["error"], said);
}

#[tokio::test(start_paused = true)]
async fn invoker_that_does_not_stop_is_left() {
    let script = |call: &crate::invoke::Call| {
        assert!(call.timeout <= DEADLINE);
        stuck(returns(60_000, "late"))
    };
    let report = Fixture::new().run(&task(1, 0).bound(), script).await;
    assert_eq!(report.event("task", "failed")["class"], "timeout");
    assert_eq!(report.call("task").ended, None);
}

/// Four elements, of which the third one takes too long.
fn elements(on_error: OnError) -> Draft {
    let mut draft = Draft::new();
    let task = draft.task("task", vec![item()]);
    task.for_each = vec![list_over(&["a", "b", "c", "d"])];
    task.output = Some(strings());
    task.deadline = Some(DEADLINE);
    task.max_parallel = NonZeroU32::new(1);
    task.on_error = on_error;
    draft
}

#[tokio::test(start_paused = true)]
async fn elements_that_have_not_ended_fail() {
    let fixture = Fixture { policy: FailurePolicy::KeepGoing, ..Fixture::new() };
    let report = fixture.run(&elements(OnError::Fail).bound(), |_| returns(400, "x")).await;
    assert_eq!(report.calls(), ["task[0]", "task[1]", "task[2]"]);
    assert_eq!(report.events("task[2]"), ["ready", "started", "failed"]);
    assert_eq!(report.events("task[3]"), ["failed"]);
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
}

#[tokio::test(start_paused = true)]
async fn elements_that_have_not_ended_are_left_out() {
    let mut draft = elements(OnError::Skip);
    draft.tasks[0].leaves_out = LeavesOut::of_levels([true].into_iter());
    let report = Fixture::new().run(&draft.bound(), |_| returns(400, "x")).await;
    assert_eq!(report.output("task"), "[\"x\",\"x\"]");
    assert_eq!(report.event("task[3]", "skipped")["class"], "timeout");
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn elements_that_have_not_ended_become_values() {
    let mut draft = elements(OnError::Failure);
    let err = failure_type();
    let result = Type::Result(Arc::new(ResultType { ok: Some(Type::String), err: Some(err) }));
    draft.tasks[0].output = Some(Type::List(Arc::new(result)));
    let report = Fixture::new().run(&draft.bound(), |_| returns(400, "x")).await;
    let late =
        "{\"err\":{\"class\":\"timeout\",\"message\":\"`deadline` = 1s reached: the task had not ended\"}}";
    assert_eq!(report.output("task"), format!("[{{\"ok\":\"x\"}},{{\"ok\":\"x\"}},{late},{late}]"));
}

/// A list that has not begun when its deadline passes: its task awaits the case of an argument.
fn not_begun(on_error: OnError) -> Draft {
    let mut draft = Draft::new();
    draft.task("slow", vec![]);
    let task = draft.task("task", vec![select(literal("a"), &[("a", from(0))])]);
    task.for_each = vec![list_over(&["x", "y"])];
    task.output = Some(strings());
    task.deadline = Some(DEADLINE);
    task.on_error = on_error;
    if on_error == OnError::Skip {
        task.leaves_out = LeavesOut::of_levels([true].into_iter());
    }
    draft
}

#[tokio::test(start_paused = true)]
async fn elements_of_a_list_that_has_not_begun_are_left_out() {
    let report = Fixture::new().run(&not_begun(OnError::Skip).bound(), |_| returns(5000, "x")).await;
    assert_eq!((report.ended, report.output("task")), (Ended::Run(RunStatus::Succeeded), "[]"));
    assert_eq!(report.calls(), ["slow"]);
    assert_eq!(report.events("task[1]"), ["skipped"]);
    assert_eq!(report.event("task[1]", "skipped")["class"], "timeout");
    assert_eq!(report.events("task"), ["ready", "finished", "warning"]);
}

#[tokio::test(start_paused = true)]
async fn list_that_has_not_begun_fails_as_a_whole_if_its_elements_would() {
    let report = Fixture::new().run(&not_begun(OnError::Fail).bound(), |_| returns(5000, "x")).await;
    assert_eq!((report.ended, report.events("task")), (Ended::Run(RunStatus::Failed), vec!["failed".into()]));
    assert_eq!(report.event("task", "failed")["class"], "timeout");
    assert!(report.events("task[0]").is_empty());
}

#[tokio::test(start_paused = true)]
async fn element_that_waits_when_its_source_is_left_out_is_skipped_at_the_deadline() {
    let mut draft = Draft::new();
    let (name, capacity) = (Name::new("gpu").unwrap(), Capacity::Amount(1));
    draft.resources.push(Resource { name, capacity, scope: ResourceScope::Host });
    draft.task("holder", vec![]).resources = vec![(0, 1)];
    let source = draft.task("source", vec![item()]);
    source.for_each = vec![list_over(&["x", "y"])];
    source.output = Some(strings());
    let next = draft.flow("next", 1);
    (next.resources, next.deadline) = (vec![(0, 1)], Some(DEADLINE));
    for task in &mut draft.tasks[1..] {
        (task.on_error, task.leaves_out) = (OnError::Skip, LeavesOut::of_levels([true].into_iter()));
    }
    let script = |call: &crate::invoke::Call| match (call.attempt.task.as_str(), call.attempt.item) {
        ("holder", _) => returns(5000, "x"),
        (_, Some(0)) => fails(10, FailureClass::Trap),
        _ => returns(10, "x"),
    };
    let report = Fixture::new().run(&draft.bound(), script).await;
    assert_eq!((report.ended, report.output("next")), (Ended::Run(RunStatus::Succeeded), "[]"));
    let skipped = report.event("next[0]", "skipped");
    assert_eq!(
        (&skipped["reason"], &skipped["cause"]),
        (&"UpstreamElementFailed".into(), &"source[0]".into())
    );
    assert_eq!(report.event("next[1]", "skipped")["class"], "timeout");
    let warnings = report.lines.iter().filter(|line| line["event"] == "warning");
    let warnings: Vec<&str> = warnings.map(|line| line["message"].as_str().unwrap()).collect();
    assert!(warnings.iter().any(|warning| warning.contains("`next[1]`")), "{warnings:?}");
    assert!(!warnings.iter().any(|warning| warning.contains("`next[0]`")), "{warnings:?}");
}

#[tokio::test(start_paused = true)]
async fn deadline_passes_while_a_host_drains() {
    let fixture = Fixture::new();
    let bound = task(9, 0).bound();
    let run = fixture.run(&bound, |_| returns(60_000, "late"));
    let interrupt = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fixture.interrupt.send_replace(Interrupt::Drain);
    };
    let (report, ()) = tokio::join!(run, interrupt);
    assert_eq!(report.events("task"), ["ready", "started", "failed"]);
    assert_eq!(report.event("task", "failed")["class"], "timeout");
    // A resumed run gives the task all of its time again.
    fixture.interrupt.send_replace(Interrupt::None);
    let report = fixture.run(&bound, |_| returns(900, "done")).await;
    assert_eq!(report.output("task"), "\"done\"");
}

#[tokio::test(start_paused = true)]
async fn run_is_stopped_at_its_deadline_and_can_be_resumed() {
    let mut draft = Draft::new();
    draft.task("quick", vec![]);
    draft.task("slow", vec![]);
    draft.deadline = Some(DEADLINE);
    let bound = draft.bound();
    let fixture = Fixture::new();
    let report = fixture
        .run(&bound, |call| {
            assert!(call.run_deadline.is_some());
            returns(if call.attempt.task.as_str() == "slow" { 60_000 } else { 10 }, "x")
        })
        .await;
    assert_eq!(report.ended, Ended::Run(RunStatus::TimedOut));
    let failed = report.event("slow", "failed");
    assert_eq!(failed["class"], "cancelled");
    assert_eq!(
        failed["error"],
        "stopped at the run's `deadline` = 1s; it will run again when the run is resumed"
    );
    assert_eq!(report.call("slow").ended, None);
    let report = fixture.run(&bound, |_| returns(900, "x")).await;
    assert_eq!((report.ended, report.calls()), (Ended::Run(RunStatus::Succeeded), vec!["slow"]));
}
