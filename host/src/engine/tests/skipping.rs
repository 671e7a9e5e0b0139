//! Skipped tasks and their reasons: conditions, selects, failures and defaults.

use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::tests::flow::false_condition;
use crate::model::{FailureClass, FailurePolicy, RunStatus};
use crate::plan::{Binding, Condition};
use std::sync::Arc;

#[tokio::test(start_paused = true)]
async fn false_condition_skips_the_task_and_its_dependents() {
    let mut draft = Draft::new();
    draft.task("off", vec![]).when = vec![false_condition()];
    let negated = Condition { is_negated: true, ..(*false_condition()).clone() };
    draft.task("on", vec![]).when = vec![Arc::new(negated)];
    draft.task("needs", vec![from(0)]);
    draft.task("default", vec![from_or(0, "d")]);
    draft.task("deeper", vec![from(2)]);
    let report = Fixture::new().run(&draft.bound(), echo).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    let shown: Vec<&str> = report.outputs().iter().map(|(_, value)| value.as_str()).collect();
    let upstream = "UpstreamSkipped";
    assert_eq!(shown, ["ConditionFalse", "\"on()\"", upstream, "\"default(d)\"", upstream]);
    assert_eq!(report.events("off"), ["skipped"]);
    assert_eq!(report.event("needs", "skipped")["reason"], upstream);
    assert!(report.event("needs", "skipped").get("attempt").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_condition_may_read_a_task() {
    let mut draft = Draft::new();
    draft.task("a", vec![]);
    let when = |text: &str| {
        vec![Arc::new(Condition { level: 0, subject: from(0), equals: string(text), is_negated: false })]
    };
    draft.task("yes", vec![]).when = when("a()");
    draft.task("no", vec![]).when = when("b()");
    let report = Fixture::new().run(&draft.bound(), echo).await;
    assert_eq!((report.output("yes"), report.output("no")), ("\"yes()\"", "ConditionFalse"));
}

#[tokio::test(start_paused = true)]
async fn all_conditions_must_hold() {
    let mut draft = Draft::new();
    let holds = || Arc::new(Condition { is_negated: true, ..(*false_condition()).clone() });
    draft.task("both", vec![]).when = vec![holds(), holds()];
    draft.task("first", vec![]).when = vec![holds(), false_condition()];
    draft.task("second", vec![]).when = vec![false_condition(), holds()];
    let report = Fixture::new().run(&draft.bound(), echo).await;
    let shown = ["both", "first", "second"].map(|name| report.output(name).to_owned());
    assert_eq!(shown, ["\"both()\"", "ConditionFalse", "ConditionFalse"]);
}

/// The root cause in the event of a skipped task.
fn root_cause(report: &RunReport, task: &str) -> String {
    report.event(task, "skipped")["cause"].as_str().unwrap_or("none").to_owned()
}

#[tokio::test(start_paused = true)]
async fn skip_event_names_the_root_cause() {
    let mut draft = Draft::new();
    draft.task("off", vec![]).when = vec![false_condition()];
    draft.task("bad", vec![]);
    draft.task("worse", vec![]);
    draft.task("both", vec![from(2), from(1), from(0)]);
    draft.task("deep", vec![from(3)]);
    draft.task("mild", vec![from(0)]);
    draft.task("milder", vec![from_or(0, "d"), from(5)]);
    draft.task("ordered", vec![]).after = vec![idx(6), idx(2)];
    draft.task("chosen", vec![select(literal("b"), &[("a", from(1)), ("b", from(2))])]);
    let mut fixture = Fixture::new();
    fixture.policy = FailurePolicy::KeepGoing;
    let scripted = |call: &crate::invoke::Call| match call.attempt.task.as_str() {
        "bad" | "worse" => fails(5, FailureClass::Trap),
        _ => echo(call),
    };
    let report = fixture.run(&draft.bound(), scripted).await;
    let expected =
        ["off", "both", "deep", "mild", "milder", "ordered", "chosen"].map(|task| root_cause(&report, task));
    assert_eq!(expected, ["none", "bad", "bad", "off", "off", "worse", "worse"]);
}

#[tokio::test(start_paused = true)]
async fn skip_names_its_root_cause_whichever_host_skipped_the_tasks_between() {
    let mut draft = Draft::new();
    draft.task("bad", vec![]);
    for before in 0..40 {
        draft.task(&format!("t{before}"), vec![from(before)]);
    }
    let (fixture, bound) = (Fixture::new(), draft.bound());
    let scripted = |_: &crate::invoke::Call| fails(5, FailureClass::Trap);
    let (first, other) = tokio::join!(fixture.run(&bound, scripted), fixture.run(&bound, scripted));
    let skips: Vec<&serde_json::Value> =
        first.lines.iter().chain(&other.lines).filter(|line| line["event"] == "task.skipped").collect();
    assert_eq!(skips.len(), 40);
    assert!(skips.iter().all(|skip| skip["cause"] == "bad"), "{skips:?}");
}

fn choice(selector: &str) -> Draft {
    let mut draft = Draft::new();
    draft.task("selector", vec![literal(selector)]);
    draft.task("left", vec![]).needed_if = Some(needed_if_case(from(0), "l"));
    draft.task("right", vec![]).needed_if = Some(needed_if_case(from(0), "r"));
    draft.task("end", vec![select(from(0), &[("l", from(1)), ("r", from(2))])]);
    draft
}

fn echo_or_select(call: &crate::invoke::Call) -> ScriptedCall {
    match call.attempt.task.as_str() {
        "selector" => returns(5, &texts(&call.args)[0]),
        _ => echo(call),
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_chosen_case_runs_and_the_others_are_pruned() {
    let report = Fixture::new().run(&choice("r").bound(), echo_or_select).await;
    assert_eq!(report.calls(), ["selector", "right", "end"]);
    assert_eq!((report.output("left"), report.output("end")), ("Pruned", "\"end(right())\""));
    assert_eq!(report.events("end"), ["ready", "started", "finished"]);
}

#[tokio::test(start_paused = true)]
async fn a_selector_that_names_no_case_fails_or_yields_the_default() {
    let report = Fixture::new().run(&choice("x").bound(), echo_or_select).await;
    let failed = report.event("end", "failed");
    assert_eq!((&failed["class"], report.ended), (&"input".into(), Ended::Run(RunStatus::Failed)));
    let mut draft = choice("x");
    if let Binding::Select { default, .. } = &mut draft.tasks[3].args[0] {
        *default = Some(string("d"));
    }
    let report = Fixture::new().run(&draft.bound(), echo_or_select).await;
    assert_eq!((report.ended, report.output("end")), (Ended::Run(RunStatus::Succeeded), "\"end(d)\""));
}

#[tokio::test(start_paused = true)]
async fn failure_skips_its_dependents_and_no_new_node_starts() {
    let mut draft = Draft::new();
    draft.task("bad", vec![]);
    draft.task("running", vec![]);
    draft.task("needs", vec![from(0)]);
    draft.task("ordered", vec![]).after = vec![idx(0)];
    draft.task("later", vec![from(1)]);
    let report = Fixture::new()
        .run(&draft.bound(), |call| match call.attempt.task.as_str() {
            "bad" => fails(5, FailureClass::Trap),
            _ => echo(call),
        })
        .await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert_eq!(report.calls(), ["bad", "running"]);
    assert_eq!((report.output("needs"), report.output("ordered")), ("UpstreamFailed", "UpstreamFailed"));
    assert_eq!(
        (report.output("running"), report.output("later")),
        ("\"running()\"", "missing: its task has not finished")
    );
    assert_eq!(report.events("bad"), ["ready", "started", "failed"]);
    assert_eq!(report.event("bad", "failed")["class"], "trap");
}

#[tokio::test(start_paused = true)]
async fn keep_going_finishes_every_branch_that_does_not_need_the_failed_task() {
    let mut draft = Draft::new();
    draft.task("bad", vec![]);
    draft.task("good", vec![]);
    draft.task("needs", vec![from(0)]);
    draft.task("branch", vec![from(1)]);
    draft.task("default", vec![from_or(2, "d")]);
    draft.task("direct", vec![from_or(0, "d")]);
    let mut fixture = Fixture::new();
    fixture.policy = FailurePolicy::KeepGoing;
    let report = fixture
        .run(&draft.bound(), |call| match call.attempt.task.as_str() {
            "bad" => returns_error(5, "no"),
            _ => echo(call),
        })
        .await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert_eq!((report.output("needs"), report.output("branch")), ("UpstreamFailed", "\"branch(good())\""));
    // A default never replaces a failed value: a result computed with it would be kept when the run is resumed.
    assert_eq!((report.output("default"), report.output("direct")), ("UpstreamFailed", "UpstreamFailed"));
    assert_eq!(report.output("bad"), "missing: its task has failed");
    assert_eq!(report.event("bad", "failed")["error"], "the function returned the error \"no\"");
}
