//! Results shared between runs, and single-flight.

use crate::cache::{Cache, MemoryCache};
use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::invoke::Call;
use crate::model::RunStatus;
use crate::plan::{CacheRule, OnError};
use crate::value::{ResultType, Type};
use std::sync::Arc;
use std::time::Duration;

fn cached(change: impl FnOnce(&mut Draft)) -> Arc<crate::plan::Bound> {
    let mut draft = Draft::new();
    draft.task("a", vec![literal("x")]).cache = CacheRule::Shared(None);
    draft.task("b", vec![from(0)]).cache = CacheRule::Shared(None);
    change(&mut draft);
    draft.bound()
}

fn with(cache: &Arc<dyn Cache>) -> Fixture {
    Fixture { cache: Some(Arc::clone(cache)), ..Fixture::new() }
}

fn cache() -> Arc<dyn Cache> {
    Arc::new(MemoryCache::new())
}

#[tokio::test(start_paused = true)]
async fn a_hit_stands_for_the_call_and_is_shown() {
    let cache = cache();
    let first = with(&cache).run(&cached(|_| {}), echo).await;
    let second = with(&cache).run(&cached(|_| {}), echo).await;
    assert_eq!((first.made.len(), second.made.len()), (2, 0));
    assert_eq!(first.outputs(), second.outputs());
    assert_eq!(second.events("b"), ["ready", "cached"]);
    let event = second.event("b", "cached");
    assert_eq!((event["key"].as_str().unwrap().len(), event.get("attempt")), (64, None));
}

#[tokio::test(start_paused = true)]
async fn other_arguments_miss_and_a_task_that_is_not_shared_runs() {
    let cache = cache();
    with(&cache).run(&cached(|_| {}), echo).await;
    let report = with(&cache).run(&cached(|draft| draft.tasks[0].args = vec![literal("y")]), echo).await;
    assert_eq!(report.calls(), ["a", "b"]);
    for rule in [CacheRule::Off, CacheRule::Impure] {
        let report = with(&cache).run(&cached(|draft| draft.tasks[1].cache = rule), echo).await;
        assert_eq!(report.calls(), ["b"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_another_type_is_no_hit() {
    let cache = cache();
    with(&cache).run(&cached(|_| {}), echo).await;
    let option = Type::Option(Arc::new(Type::String));
    let bound =
        cached(|draft| (draft.tasks[1].value, draft.tasks[1].output) = (Some(option.clone()), Some(option)));
    assert_eq!(with(&cache).run(&bound, echo).await.calls(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_may_bound_how_long_its_results_are_shared() {
    let cache = cache();
    let bound = || cached(|draft| draft.tasks[1].cache = CacheRule::Shared(Some(Duration::from_secs(1))));
    with(&cache).run(&bound(), echo).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(with(&cache).run(&bound(), echo).await.calls(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn errors_are_never_cached_and_values_are_wrapped_after_reading() {
    let cache = cache();
    let bound = || {
        cached(|draft| {
            let result = ResultType { ok: Some(Type::String), err: Some(Type::String) };
            draft.tasks.truncate(1);
            draft.tasks[0].on_error = OnError::Value;
            draft.tasks[0].output = Some(Type::Result(Arc::new(result)));
        })
    };
    for _ in 0..2 {
        let report = with(&cache).run(&bound(), |_| errs(1, "no")).await;
        assert_eq!((report.made.len(), report.output("a")), (1, r#"{"err":"no"}"#));
    }
    with(&cache).run(&bound(), |_| returns(1, "yes")).await;
    let report = with(&cache).run(&bound(), echo).await;
    assert_eq!((report.made.len(), report.output("a")), (0, r#"{"ok":"yes"}"#));
    // The plain value is stored, so a task that lets errors fail finds it too.
    let report = with(&cache).run(&cached(|draft| draft.tasks.truncate(1)), echo).await;
    assert_eq!((report.output("a"), report.ended), ("\"yes\"", Ended::Run(RunStatus::Succeeded)));
}

/// Tasks that all make the same call, and one that does something else.
fn alike(count: usize) -> Arc<crate::plan::Bound> {
    let mut draft = Draft::new();
    for at in 0..count {
        let task = draft.task(&format!("same{at}"), vec![literal("x")]);
        (task.cache, task.function) = (CacheRule::Shared(None), 0);
    }
    draft.task("other", vec![]);
    draft.bound()
}

fn same(call: &Call) -> Act {
    returns(if call.attempt.task.as_str() == "other" { 1 } else { 30_000 }, "done")
}

#[tokio::test(start_paused = true)]
async fn what_several_tasks_need_at_the_same_time_is_called_once_and_holds_up_nobody() {
    let cache = cache();
    let bench = Fixture { slots: 2, ..with(&cache) };
    let report = bench.run(&alike(6), same).await;
    let calls: Vec<&str> = report.calls().into_iter().filter(|call| call.starts_with("same")).collect();
    assert_eq!((calls.len(), report.ended), (1, Ended::Run(RunStatus::Succeeded)));
    assert!(report.call("other").began < 1_000, "a task that waits takes no room");
    let cached = (0..6).filter(|at| report.events(&format!("same{at}")) == ["ready", "cached"]).count();
    assert_eq!(cached, 5);
}

#[tokio::test(start_paused = true)]
async fn what_several_hosts_need_at_the_same_time_is_called_once() {
    let cache = cache();
    let (one, other) = (with(&cache), with(&cache));
    let (bound, again) = (alike(1), alike(1));
    let (one, other) = tokio::join!(one.run(&bound, same), other.run(&again, same));
    let calls = one.calls().into_iter().chain(other.calls()).filter(|call| call.starts_with("same")).count();
    assert_eq!(calls, 1);
    assert_eq!((one.output("same0"), other.output("same0")), ("\"done\"", "\"done\""));
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_called_by_the_next_who_needs_it() {
    let cache = cache();
    let bench = Fixture { policy: crate::model::FailurePolicy::KeepGoing, ..with(&cache) };
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let script = move |call: &Call| match call.attempt.task.as_str() {
        "other" => returns(1, "x"),
        _ if is_first.swap(false, std::sync::atomic::Ordering::SeqCst) => errs(1_000, "no"),
        _ => returns(1_000, "yes"),
    };
    let report = bench.run(&alike(4), script).await;
    let calls = report.calls().into_iter().filter(|call| call.starts_with("same")).count();
    assert_eq!((calls, report.ended), (2, Ended::Run(RunStatus::Failed)));
    let ready: Vec<usize> = (0..4)
        .map(|at| report.events(&format!("same{at}")).iter().filter(|event| *event == "ready").count())
        .collect();
    assert_eq!(ready, [1; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_maker_that_died_is_waited_for_no_longer_than_its_hold() {
    let cache = cache();
    let bound = alike(1);
    // A host that begins to compute the result and disappears.
    let dead = with(&cache);
    let died = tokio::time::timeout(Duration::from_secs(2), dead.run(&bound, same)).await;
    assert!(died.is_err());
    let report = with(&cache).run(&alike(1), |_| returns(1, "done")).await;
    assert_eq!(report.output("same0"), "\"done\"");
    assert!((7_000..11_000).contains(&report.call("same0").began), "{:?}", report.call("same0"));
}
