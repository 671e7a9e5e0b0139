//! Attempts: which failures are retried, when, and which events report them.

use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::invoke::Call;
use crate::model::{FailureClass, RunStatus, Spanned};
use crate::plan::{OnError, Retry, RetryClass};
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
