//! Runs of a changed plan: which results are results of the same calls, and which calls are made again.

use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::model::{FailureClass, FailurePolicy, RunStatus};
use crate::plan::OnError;
use crate::state::Mode;
use crate::value::{ResultType, Type};
use std::sync::Arc;

fn updating() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.mode = Mode::Update;
    fixture
}

/// Two steps over a list, and a task that reads all of it.
fn chain(items: &[&str]) -> Draft {
    let mut draft = Draft::new();
    let task = draft.task("each", vec![item()]);
    (task.for_each, task.output) = (vec![list_over(items)], Some(strings()));
    draft.flow("second", 0);
    draft
}

fn sorted(report: &RunReport) -> Vec<&str> {
    let mut calls = report.calls();
    calls.sort_unstable();
    calls
}

#[tokio::test(start_paused = true)]
async fn elements_with_the_same_arguments_are_kept_in_every_step() {
    let fixture = updating();
    fixture.run(&chain(&["a", "b"]).bound(), echo).await;
    let report = fixture.run(&chain(&["a", "c", "d"]).bound(), echo).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!(sorted(&report), ["each[1]", "each[2]", "second[1]", "second[2]"]);
    assert_eq!(report.events("each[0]"), ["stored"]);
    assert_eq!(report.events("each"), ["ready", "finished"]);
    assert_eq!(report.output("second"), r#"["second(each(a))","second(each(c))","second(each(d))"]"#);
}

#[tokio::test(start_paused = true)]
async fn same_result_of_an_earlier_task_keeps_those_after_it() {
    let draft = |argument: &str| {
        let mut draft = Draft::new();
        draft.task("first", vec![literal(argument)]);
        draft.task("same", vec![from(0)]);
        draft.task("later", vec![from(1)]);
        draft.bound()
    };
    let scripted = |call: &crate::invoke::Call| match call.attempt.task.as_str() {
        "first" => returns(5, "always"),
        _ => echo(call),
    };
    let fixture = updating();
    fixture.run(&draft("a"), scripted).await;
    let report = fixture.run(&draft("b"), scripted).await;
    assert_eq!(report.calls(), ["first"]);
    assert_eq!(
        (report.events("same"), report.events("later")),
        (vec!["stored".to_owned()], vec!["stored".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn another_meaning_of_an_error_is_another_call() {
    let draft = |on_error| {
        let mut draft = chain(&["a", "b"]);
        draft.tasks.truncate(1);
        let ty = Type::Result(Arc::new(ResultType { ok: Some(Type::String), err: Some(Type::String) }));
        let task = &mut draft.tasks[0];
        (task.on_error, task.error) = (on_error, Some(Type::String));
        if on_error == OnError::Value {
            task.output = Some(Type::List(Arc::new(ty)));
        }
        draft.bound()
    };
    let fixture = updating();
    fixture.run(&draft(OnError::Fail), echo).await;
    let report = fixture.run(&draft(OnError::Value), echo).await;
    assert_eq!(report.calls(), ["each[0]", "each[1]"]);
}

#[tokio::test(start_paused = true)]
async fn failed_update_is_resumed_and_compares_the_rest() {
    let mut fixture = updating();
    fixture.policy = FailurePolicy::Finish;
    fixture.slots = 1;
    fixture.run(&chain(&["a", "b", "c"]).bound(), echo).await;
    let bound = chain(&["x", "b", "c"]).bound();
    let failing = |call: &crate::invoke::Call| match call.attempt.item {
        Some(0) => fails(5, FailureClass::Trap),
        _ => echo(call),
    };
    let report = fixture.run(&bound, failing).await;
    assert_eq!((report.ended, report.calls()), (Ended::Run(RunStatus::Failed), vec!["each[0]"]));
    let report = fixture.run(&bound, echo).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!(sorted(&report), ["each[0]", "second[0]"]);
}
