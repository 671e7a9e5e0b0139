//! Attempts: which failures are retried, when, and which events report them.

use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::invoke::Call;
use crate::model::{FailureClass, RunStatus, Size, Spanned};
use crate::plan::{Bound, OnError, Retry, RetryClass};
use crate::value::{ResultType, Type};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

fn task_with_retries(attempts: u32, change: impl FnOnce(&mut Retry)) -> Draft {
    let mut draft = Draft::new();
    let retry = &mut Arc::make_mut(&mut draft.task("task", vec![]).policy).retry;
    *retry = Retry {
        attempts: NonZeroU32::new(attempts).unwrap(),
        delay: Duration::from_millis(100),
        jitter: false,
        ..Retry::default()
    };
    change(retry);
    draft
}

fn succeeds_third_time(call: &Call) -> ScriptedCall {
    match call.attempt.number {
        1 => fails(10, FailureClass::Trap),
        2 => returns_error(10, "busy"),
        _ => returns(10, "done"),
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_follow_with_growing_delays() {
    let report = Fixture::new().run(&task_with_retries(3, |_| {}).bound(), succeeds_third_time).await;
    let started: Vec<(u32, u64)> =
        report.calls_made.iter().map(|record| (record.attempt, record.started)).collect();
    assert_eq!(started, [(1, 0), (2, 110), (3, 320)]);
    assert_eq!(report.output("task"), "\"done\"");
    let expected = ["ready", "started", "retrying", "started", "retrying", "started", "finished"];
    assert_eq!(report.events("task"), expected);
    let retrying = report.event("task", "retrying");
    assert_eq!(
        (&retrying["delay_ms"], &retrying["class"], &retrying["attempt"]),
        (&100.into(), &"trap".into(), &1.into())
    );
    assert_eq!(report.event("task", "finished")["attempt"], 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_fails_once() {
    let report = Fixture::new().run(&task_with_retries(2, |_| {}).bound(), succeeds_third_time).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert_eq!(report.events("task"), ["ready", "started", "retrying", "started", "failed"]);
    let failed = report.event("task", "failed");
    assert_eq!((&failed["class"], &failed["attempt"]), (&"error".into(), &2.into()));
}

#[tokio::test(start_paused = true)]
async fn only_listed_classes_are_retried_and_limits_never() {
    let only_errors = |retry: &mut Retry| retry.on = vec![RetryClass::Error];
    let report = Fixture::new().run(&task_with_retries(3, only_errors).bound(), succeeds_third_time).await;
    assert_eq!(report.calls_made.len(), 1);
    let report =
        Fixture::new().run(&task_with_retries(3, |_| {}).bound(), |_| fails(1, FailureClass::Limit)).await;
    assert_eq!((report.calls_made.len(), &report.event("task", "failed")["class"]), (1, &"limit".into()));
}

#[tokio::test(start_paused = true)]
async fn permanent_cases_are_not_retried() {
    let cases = Type::Enum(["gone".into(), "busy".into()].into());
    for (case, calls) in [("gone", 1), ("busy", 3)] {
        let mut draft =
            task_with_retries(3, |retry| retry.permanent = vec![Spanned::new("gone".into(), 0..0)]);
        draft.tasks[0].error = Some(cases.clone());
        let report = Fixture::new().run(&draft.bound(), move |_| returns_error(1, case)).await;
        assert_eq!(report.calls_made.len(), calls, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_data_once_retries_are_used_up_and_a_trap_is_not() {
    let mut draft = task_with_retries(2, |_| {});
    let result = ResultType { ok: Some(Type::String), err: Some(Type::String) };
    draft.tasks[0].on_error = OnError::Value;
    draft.tasks[0].output = Some(Type::Result(Arc::new(result)));
    let bound = draft.bound();
    let report = Fixture::new().run(&bound, |_| returns_error(1, "no")).await;
    assert_eq!((report.calls_made.len(), report.output("task")), (2, r#"{"err":"no"}"#));
    assert_eq!(report.events("task").last().unwrap(), "finished");
    let report = Fixture::new().run(&bound, |_| fails(1, FailureClass::Timeout)).await;
    assert_eq!((report.calls_made.len(), report.ended), (2, Ended::Run(RunStatus::Failed)));
}

/// A task with lists of limits, without retries of its own.
fn growing(memory: &[u64], timeouts: &[u64]) -> Draft {
    let mut draft = task_with_retries(1, |_| {});
    draft.tasks[0].limits.memory = Size::bytes(10 << 20);
    let policy = Arc::make_mut(&mut draft.tasks[0].policy);
    policy.larger_memory = memory.iter().map(|mebibytes| Size::bytes(mebibytes << 20)).collect();
    policy.timeout = Duration::from_secs(1);
    policy.longer_timeouts = timeouts.iter().map(|seconds| Duration::from_secs(*seconds)).collect();
    draft
}

/// The plan of a draft that is changed further.
fn bound_of(draft: &Draft) -> Arc<Bound> {
    let mut copy = Draft::new();
    copy.tasks.clone_from(&draft.tasks);
    copy.bound()
}

fn memory_of(call: &Call) -> u64 {
    call.limits.memory.as_bytes() >> 20
}

#[tokio::test(start_paused = true)]
async fn attempt_that_hits_a_limit_is_repeated_with_the_next_entry() {
    let draft = growing(&[20, 40], &[]);
    let report = Fixture::new()
        .run(&bound_of(&draft), |call| match memory_of(call) {
            40 => returns(10, "done"),
            _ => fails(10, FailureClass::Limit),
        })
        .await;
    assert_eq!(report.output("task"), "\"done\"");
    let started: Vec<(u32, u64)> =
        report.calls_made.iter().map(|record| (record.attempt, record.started)).collect();
    assert_eq!(started, [(1, 0), (2, 110), (3, 220)], "the delay does not grow: these are no retries");
    let retrying = report.event("task", "retrying");
    assert_eq!((&retrying["memory_bytes"], &retrying["class"]), (&(20 << 20).into(), &"limit".into()));
    assert_eq!(retrying.get("timeout_ms"), None);
    let report = Fixture::new().run(&draft.bound(), |_| fails(10, FailureClass::Limit)).await;
    assert_eq!((report.calls_made.len(), report.ended), (3, Ended::Run(RunStatus::Failed)));
}

#[tokio::test(start_paused = true)]
async fn lists_grow_each_by_its_own_limit() {
    let draft = growing(&[20], &[2, 3]);
    let report = Fixture::new()
        .run(&draft.bound(), |call| match (memory_of(call), call.timeout.as_secs()) {
            (10, 1) | (20, 2) => fails(1, FailureClass::Timeout),
            (10, 2) => fails(1, FailureClass::Limit),
            (20, 3) => returns(1, "done"),
            other => panic!("{other:?}"),
        })
        .await;
    assert_eq!((report.output("task"), report.calls_made.len()), ("\"done\"", 4));
    assert_eq!(report.event("task", "retrying")["timeout_ms"], 2000);
}

#[tokio::test(start_paused = true)]
async fn other_failures_follow_retry_and_keep_the_entry() {
    let script = |call: &Call| match (call.attempt.number, memory_of(call)) {
        (1, 10) | (3, 20) => fails(1, FailureClass::Limit),
        (2 | 4, _) => fails(1, FailureClass::Trap),
        (5, 40) => returns(1, "done"),
        other => panic!("{other:?}"),
    };
    let mut draft = growing(&[20, 40], &[]);
    let report = Fixture::new().run(&bound_of(&draft), script).await;
    assert_eq!(report.calls_made.len(), 2, "one attempt allows no trap");
    Arc::make_mut(&mut draft.tasks[0].policy).retry.attempts = NonZeroU32::new(3).unwrap();
    let report = Fixture::new().run(&bound_of(&draft), script).await;
    assert_eq!((report.output("task"), report.calls_made.len()), ("\"done\"", 5));
    // At the end of the list, `retry` decides.
    let report = Fixture::new().run(&bound_of(&draft), |_| fails(1, FailureClass::Limit)).await;
    assert_eq!(report.calls_made.len(), 3);
    Arc::make_mut(&mut draft.tasks[0].policy).retry.on = vec![RetryClass::Limit];
    let report = Fixture::new().run(&bound_of(&draft), |_| fails(1, FailureClass::Limit)).await;
    assert_eq!(report.calls_made.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn attempt_with_more_memory_waits_until_it_fits() {
    let mut draft = growing(&[100], &[]);
    for name in ["a", "b", "c"] {
        draft.task(name, vec![]).limits.memory = Size::bytes(40 << 20);
    }
    Arc::make_mut(&mut draft.tasks[0].policy).retry.delay = Duration::ZERO;
    let fixture = Fixture { memory: Size::bytes(110 << 20), ..Fixture::new() };
    let script = |call: &Call| match (call.attempt.task.as_str(), call.attempt.number) {
        ("task", 1) => fails(10, FailureClass::Limit),
        _ => returns(100, "done"),
    };
    let report = fixture.run(&draft.bound(), script).await;
    let last = report.calls_made.iter().find(|record| record.attempt == 2).unwrap();
    let others = ["a", "b", "c"].map(|name| report.call(name));
    let overlaps = others
        .iter()
        .filter(|other| other.started < last.ended.unwrap() && last.started < other.ended.unwrap());
    assert_eq!(overlaps.count(), 0, "{:?}", report.calls_made);
    assert!(others.iter().filter(|other| other.started < 10).count() == 2, "{:?}", report.calls_made);
}
