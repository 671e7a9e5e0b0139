//! Tasks that run once per element: order, zip, bounds, failures.

use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::invoke::Call;
use crate::model::{FailureClass, FailurePolicy, RunStatus, SkipReason};
use crate::plan::{Binding, Bound, ForEach, LeavesOut, OnError};
use crate::value::{ResultType, Type, failure_type};
use std::num::NonZeroU32;
use std::sync::Arc;

fn for_each_task(items: &[&str]) -> Draft {
    let mut draft = Draft::new();
    let task = draft.task("each", vec![item()]);
    (task.for_each, task.output) = (vec![list_over(items)], Some(strings()));
    draft
}

#[tokio::test(start_paused = true)]
async fn results_keep_the_order_of_the_list_whatever_ends_first() {
    let report = Fixture::new()
        .run(&for_each_task(&["a", "b", "c"]).bound(), |call| {
            let item = u64::from(call.attempt.item.unwrap());
            returns(100 - 10 * item, &texts(&call.args)[0])
        })
        .await;
    assert_eq!(report.output("each"), r#"["a","b","c"]"#);
    assert_eq!(report.calls_made.iter().map(|record| record.started).max(), Some(0));
    assert_eq!(report.events("each"), ["ready", "finished"]);
    assert_eq!(report.events("each[1]"), ["ready", "started", "finished"]);
    let finished = report.event("each", "finished");
    assert_eq!((finished.get("attempt"), &finished["duration_ms"]), (None, &100.0.into()));
}

#[tokio::test(start_paused = true)]
async fn empty_list_yields_an_empty_list() {
    let report = Fixture::new().run(&for_each_task(&[]).bound(), echo).await;
    assert_eq!((report.output("each"), report.calls_made.len()), ("[]", 0));
    assert_eq!(report.events("each"), ["ready", "finished"]);
}

#[tokio::test(start_paused = true)]
async fn lists_are_zipped_and_must_be_equally_long() {
    for (second, output) in [(&["1", "2"][..], Some(r#"["each(a,1)","each(b,2)"]"#)), (&["1"], None)] {
        let mut draft = for_each_task(&["a", "b"]);
        draft.tasks[0].for_each.push(ForEach { item: "y".into(), ..list_over(second) });
        let mut other = item();
        if let Binding::Item { item, .. } = &mut other {
            *item = 1;
        }
        draft.tasks[0].args.push(other);
        let report = Fixture::new().run(&draft.bound(), echo).await;
        if let Some(output) = output {
            assert_eq!(report.output("each"), output);
            continue;
        }
        let failed = report.event("each", "failed");
        assert_eq!(failed["class"], "input");
        let message = "the lists of `for-each` differ in length: `x` has 2, `y` has 1";
        assert_eq!((&failed["error"], report.calls_made.len()), (&message.into(), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn max_parallel_bounds_the_elements_at_the_same_time() {
    let mut draft = for_each_task(&["a", "b", "c", "d", "e"]);
    draft.tasks[0].max_parallel = NonZeroU32::new(2);
    draft.task("other", vec![]);
    let report = Fixture::new().run(&draft.bound(), echo).await;
    let started =
        report.calls_made.iter().filter(|record| record.node != "other").map(|record| record.started);
    assert_eq!(started.collect::<Vec<_>>(), [0, 0, 10, 10, 20]);
    assert_eq!(report.call("other").started, 0);
}

#[tokio::test(start_paused = true)]
async fn the_list_may_come_from_a_task_and_arguments_may_be_shared() {
    let mut draft = Draft::new();
    let task = draft.task("list", vec![]);
    (task.output, task.value) = (Some(strings()), Some(strings()));
    draft.task("shared", vec![]);
    let list = part_of(0, &strings(), "", &strings());
    let task = draft.task("each", vec![from(1), item()]);
    task.for_each = vec![ForEach { item: "x".into(), span: 0..0, list, ty: strings() }];
    task.output = Some(strings());
    let report = Fixture::new()
        .run(&draft.bound(), |call| match call.attempt.task.as_str() {
            "list" => returns_value(1, crate::value::compose_tuple(&[string("x"), string("y")])),
            "shared" => returns(1, "s"),
            _ => echo(call),
        })
        .await;
    assert_eq!(report.output("each"), r#"["each(s,x)","each(s,y)"]"#);
}

fn fail_second(call: &Call) -> ScriptedCall {
    match call.attempt.item {
        Some(1) => fails(5, FailureClass::Trap),
        _ => echo(call),
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_element_fails_the_task_and_its_siblings_are_kept() {
    let draft = for_each_task(&["a", "b", "c"]).bound();
    let fixture = Fixture::new();
    let report = fixture.run(&draft, fail_second).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert_eq!(report.events("each"), ["ready", "failed"]);
    assert_eq!(report.event("each", "failed")["error"], "element 1 failed: scripted");
    assert_eq!(report.events("each[1]"), ["ready", "started", "failed"]);
    assert_eq!(report.events("each[2]"), ["ready", "started", "finished"]);
    // A resumed run repeats only what failed.
    let report = fixture.run(&draft, echo).await;
    assert_eq!(report.calls(), ["each[1]"]);
    assert_eq!(report.output("each"), r#"["each(a)","each(b)","each(c)"]"#);
}

#[tokio::test(start_paused = true)]
async fn keep_going_finishes_the_other_elements() {
    let mut fixture = Fixture::new();
    (fixture.policy, fixture.slots) = (FailurePolicy::KeepGoing, 1);
    let report = fixture.run(&for_each_task(&["a", "b", "c"]).bound(), fail_second).await;
    assert_eq!((report.ended, report.calls_made.len()), (Ended::Run(RunStatus::Failed), 3));
    fixture = Fixture { slots: 1, ..Fixture::new() };
    let report = fixture.run(&for_each_task(&["a", "b", "c"]).bound(), fail_second).await;
    assert_eq!((report.ended, report.calls_made.len()), (Ended::Run(RunStatus::Failed), 2));
}

#[tokio::test(start_paused = true)]
async fn errors_as_values_make_a_list_of_results() {
    let mut draft = for_each_task(&["a", "b"]);
    let result = ResultType { ok: Some(Type::String), err: Some(Type::String) };
    draft.tasks[0].on_error = OnError::Value;
    draft.tasks[0].output = Some(Type::List(Arc::new(Type::Result(Arc::new(result)))));
    let report = Fixture::new()
        .run(&draft.bound(), |call| {
            if call.attempt.item == Some(0) { returns_error(1, "no") } else { returns(1, "yes") }
        })
        .await;
    assert_eq!(report.output("each"), r#"[{"err":"no"},{"ok":"yes"}]"#);
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn element_that_needs_a_skipped_task_skips_the_for_each_task() {
    let mut draft = Draft::new();
    draft.task("off", vec![]).when = vec![crate::engine::tests::flow::false_condition()];
    let task = draft.task("each", vec![select(item(), &[("a", item()), ("b", from(0))])]);
    (task.for_each, task.output) = (vec![list_over(&["a", "b"])], Some(strings()));
    let report = Fixture::new().run(&draft.bound(), echo).await;
    assert_eq!(report.calls(), ["each[0]"]);
    assert_eq!(report.output("each"), SkipReason::UpstreamSkipped.as_str());
    assert_eq!(report.events("each"), ["ready", "skipped"]);
}

/// A chain of three tasks; the second and third run over the elements of the one before.
fn chain(items: &[&str]) -> Draft {
    let mut draft = for_each_task(items);
    draft.flow("second", 0);
    draft.flow("third", 1);
    draft
}

#[tokio::test(start_paused = true)]
async fn elements_of_chained_tasks_flow_without_a_barrier() {
    let slow_first = |call: &Call| match (call.attempt.task.as_str(), call.attempt.item) {
        ("each", Some(0)) => returns(1000, "slow"),
        _ => echo(call),
    };
    let report =
        Fixture { slots: 2, ..Fixture::new() }.run(&chain(&["a", "b", "c"]).bound(), slow_first).await;
    assert_eq!(
        report.output("third"),
        r#"["third(second(slow))","third(second(each(b)))","third(second(each(c)))"]"#
    );
    // One element goes all the way while another is under way.
    let ended = |node: &str| report.call(node).ended.unwrap();
    assert_eq!([ended("each[1]"), ended("second[1]"), ended("third[1]")], [10, 20, 30]);
    assert_eq!([ended("each[2]"), ended("third[2]"), ended("third[0]")], [40, 60, 1020]);
    assert_eq!(report.events("third"), ["ready", "finished"]);
}

#[tokio::test(start_paused = true)]
async fn failed_element_skips_only_the_elements_after_it() {
    let fixture = Fixture { policy: FailurePolicy::KeepGoing, ..Fixture::new() };
    let bound = chain(&["a", "b", "c"]).bound();
    let report = fixture.run(&bound, |call| {
        if call.attempt.task.as_str() == "each" { fail_second(call) } else { echo(call) }
    });
    let report = report.await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert_eq!(report.output("third"), SkipReason::UpstreamFailed.as_str());
    assert_eq!(report.events("third[1]"), ["skipped"]);
    assert_eq!(report.event("third[1]", "skipped")["cause"], "each[1]");
    assert_eq!(report.event("third", "skipped")["cause"], "each");
    assert_eq!(report.events("third[2]"), ["ready", "started", "finished"]);
    // What has ended is kept, and the rest of the chain follows.
    let report = fixture.run(&bound, echo).await;
    assert_eq!(report.calls(), ["each[1]", "second[1]", "third[1]"]);
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn skipped_task_skips_those_that_flow_from_it() {
    let mut draft = chain(&["a"]);
    draft.tasks[0].when = vec![crate::engine::tests::flow::false_condition()];
    let report = Fixture::new().run(&draft.bound(), echo).await;
    assert_eq!(report.output("third"), SkipReason::UpstreamSkipped.as_str());
    assert_eq!(report.event("third", "skipped")["cause"], "each");
    assert_eq!(report.calls_made.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn product_combines_all_elements_and_the_last_list_is_the_fastest() {
    let mut draft = for_each_task(&["a", "b"]);
    draft.tasks[0].for_each.push(ForEach { item: "y".into(), ..list_over(&["1", "2", "3"]) });
    draft.tasks[0].product = true;
    let mut other = item();
    if let Binding::Item { item, .. } = &mut other {
        *item = 1;
    }
    draft.tasks[0].args.push(other);
    let report = Fixture::new().run(&draft.bound(), echo).await;
    let pairs = ["a,1", "a,2", "a,3", "b,1", "b,2", "b,3"].map(|pair| format!("\"each({pair})\""));
    assert_eq!(report.output("each"), format!("[{}]", pairs.join(",")));
}

/// A chain of three, of which the first leaves out the elements that fail.
fn chain_with_holes(items: &[&str]) -> Arc<Bound> {
    let mut draft = chain(items);
    (draft.tasks[0].on_error, draft.tasks[0].leaves_out) =
        (OnError::Skip, LeavesOut::of_levels([true].into_iter()));
    draft.bound()
}

#[tokio::test(start_paused = true)]
async fn failed_elements_are_left_out_of_the_list_and_of_those_that_flow_from_it() {
    let fixture = Fixture::new();
    let fail =
        |call: &Call| if call.attempt.task.as_str() == "each" { fail_second(call) } else { echo(call) };
    let report = fixture.run(&chain_with_holes(&["a", "b", "c"]), fail).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!(report.output("each"), r#"["each(a)","each(c)"]"#);
    assert_eq!(report.output("third"), r#"["third(second(each(a)))","third(second(each(c)))"]"#);
    assert_eq!(report.events("each[1]"), ["ready", "started", "skipped"]);
    let skipped = report.event("each[1]", "skipped");
    assert_eq!(
        (&skipped["reason"], &skipped["class"], &skipped["error"]),
        (&"ElementFailed".into(), &"trap".into(), &"scripted".into())
    );
    assert_eq!(report.events("third[1]"), ["skipped"]);
    let skipped = report.event("third[1]", "skipped");
    assert_eq!((&skipped["reason"], &skipped["cause"]), (&"UpstreamElementFailed".into(), &"each[1]".into()));
    let warnings: Vec<_> = report.lines.iter().filter(|line| line["event"] == "warning").collect();
    assert_eq!(
        warnings.iter().map(|line| line["message"].as_str().unwrap()).collect::<Vec<_>>(),
        ["1 of 3 elements of `each` failed, and `on-error = \"skip\"` leaves it out: `each[1]`; `--rerun \
             'each[left-out]'` calls it again"]
    );
    // They stay out when the run is resumed.
    let report = fixture.run(&chain_with_holes(&["a", "b", "c"]), echo).await;
    assert_eq!(report.calls_made.len(), 0);
    assert_eq!(report.output("third"), r#"["third(second(each(a)))","third(second(each(c)))"]"#);
}

#[tokio::test(start_paused = true)]
async fn interrupted_run_keeps_its_holes() {
    let fixture = Fixture { slots: 1, ..Fixture::new() };
    let fails_later = |call: &Call| match (call.attempt.task.as_str(), call.attempt.item) {
        ("each", Some(0)) => fails(5, FailureClass::Timeout),
        ("third", Some(1)) => fails(5, FailureClass::Trap),
        _ => echo(call),
    };
    let report = fixture.run(&chain_with_holes(&["a", "b", "c"]), fails_later).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    let report = fixture.run(&chain_with_holes(&["a", "b", "c"]), echo).await;
    assert!(!report.calls().contains(&"each[0]"), "{:?}", report.calls());
    assert_eq!(report.output("third"), r#"["third(second(each(b)))","third(second(each(c)))"]"#);
}

#[tokio::test(start_paused = true)]
async fn all_elements_may_be_left_out_and_a_lost_host_leaves_none_out() {
    let report = Fixture::new().run(&chain_with_holes(&["a", "b"]), |_| fails(5, FailureClass::Limit)).await;
    assert_eq!((report.output("each"), report.output("third")), ("[]", "[]"));
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    let report = Fixture::new().run(&chain_with_holes(&["a", "b"]), |_| fails(5, FailureClass::Lost)).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
}

#[tokio::test(start_paused = true)]
async fn failures_become_values() {
    let mut draft = for_each_task(&["a", "b", "c"]);
    let result = ResultType { ok: Some(Type::String), err: Some(failure_type()) };
    draft.tasks[0].on_error = OnError::Failure;
    draft.tasks[0].output = Some(Type::List(Arc::new(Type::Result(Arc::new(result)))));
    let report = Fixture::new()
        .run(&draft.bound(), |call| match call.attempt.item {
            Some(0) => returns_error(1, "no"),
            Some(1) => fails(1, FailureClass::Timeout),
            _ => returns(1, "yes"),
        })
        .await;
    assert_eq!(
        report.output("each"),
        r#"[{"err":{"class":"error","message":"\"no\""}},{"err":{"class":"timeout","message":"scripted"}},{"ok":"yes"}]"#
    );
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!(report.events("each[1]"), ["ready", "started", "finished"]);
}

#[tokio::test(start_paused = true)]
async fn elements_run_if_their_own_source_is_done_however_late_their_task_begins() {
    let mut draft = Draft::new();
    let first = draft.task("first", vec![item()]);
    (first.for_each, first.output) = (vec![list_over(&["x", "y", "z"])], Some(strings()));
    draft.task("slow", vec![]);
    let off = draft.task("off", vec![from(1)]);
    off.when = vec![crate::engine::tests::flow::false_condition()];
    // Begins after `first` has failed, and is tainted by a task that was skipped.
    draft.flow("second", 0).args.push(from_or(2, "d"));
    let mut fixture = Fixture::new();
    fixture.policy = FailurePolicy::KeepGoing;
    let scripted = |call: &Call| match (call.attempt.task.as_str(), call.attempt.item) {
        ("first", Some(1)) => fails(5, FailureClass::Trap),
        ("slow", _) => returns(500, "s"),
        _ => echo(call),
    };
    let report = fixture.run(&draft.bound(), scripted).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
    assert!(report.call("second[0]").started >= 500);
    let mut calls = report.calls();
    calls.sort_unstable();
    assert_eq!(calls, ["first[0]", "first[1]", "first[2]", "second[0]", "second[2]", "slow"]);
    assert_eq!(report.events("second[1]"), ["skipped"]);
    assert_eq!(report.output("second"), "UpstreamFailed");
}
