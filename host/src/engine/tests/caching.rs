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
async fn cache_hit_replaces_the_call_and_is_emitted() {
    let cache = cache();
    let first = with(&cache).run(&cached(|_| {}), echo).await;
    let second = with(&cache).run(&cached(|_| {}), echo).await;
    assert_eq!((first.calls_made.len(), second.calls_made.len()), (2, 0));
    assert_eq!(first.outputs(), second.outputs());
    assert_eq!(second.events("b"), ["ready", "cached"]);
    let event = second.event("b", "cached");
    assert_eq!((event["key"].as_str().unwrap().len(), event.get("attempt")), (64, None));
}

#[tokio::test(start_paused = true)]
async fn other_arguments_miss_the_cache_and_uncached_tasks_run() {
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
async fn task_may_set_the_ttl_of_its_cached_results() {
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
        let report = with(&cache).run(&bound(), |_| returns_error(1, "no")).await;
        assert_eq!((report.calls_made.len(), report.output("a")), (1, r#"{"err":"no"}"#));
    }
    with(&cache).run(&bound(), |_| returns(1, "yes")).await;
    let report = with(&cache).run(&bound(), echo).await;
    assert_eq!((report.calls_made.len(), report.output("a")), (0, r#"{"ok":"yes"}"#));
    // The plain value is stored, so a task that lets errors fail finds it too.
    let report = with(&cache).run(&cached(|draft| draft.tasks.truncate(1)), echo).await;
    assert_eq!((report.output("a"), report.ended), ("\"yes\"", Ended::Run(RunStatus::Succeeded)));
}

/// Tasks that all make the same call, and one that does something else.
fn identical_calls(count: usize) -> Arc<crate::plan::Bound> {
    let mut draft = Draft::new();
    for index in 0..count {
        let task = draft.task(&format!("same{index}"), vec![literal("x")]);
        (task.cache, task.function) = (CacheRule::Shared(None), 0);
    }
    draft.task("other", vec![]);
    draft.bound()
}

fn slow_if_identical(call: &Call) -> ScriptedCall {
    returns(if call.attempt.task.as_str() == "other" { 1 } else { 30_000 }, "done")
}

#[tokio::test(start_paused = true)]
async fn identical_calls_run_once_and_waiting_jobs_hold_no_slot() {
    let cache = cache();
    let fixture = Fixture { slots: 2, ..with(&cache) };
    let report = fixture.run(&identical_calls(6), slow_if_identical).await;
    let calls: Vec<&str> = report.calls().into_iter().filter(|call| call.starts_with("same")).collect();
    assert_eq!((calls.len(), report.ended), (1, Ended::Run(RunStatus::Succeeded)));
    assert!(report.call("other").started < 1_000, "a waiting task takes no slot");
    let cached = (0..6).filter(|index| report.events(&format!("same{index}")) == ["ready", "cached"]).count();
    assert_eq!(cached, 5);
}

#[tokio::test(start_paused = true)]
async fn identical_calls_of_several_hosts_run_once() {
    let cache = cache();
    let (first, other) = (with(&cache), with(&cache));
    let (bound, again) = (identical_calls(1), identical_calls(1));
    let (first, other) =
        tokio::join!(first.run(&bound, slow_if_identical), other.run(&again, slow_if_identical));
    let calls =
        first.calls().into_iter().chain(other.calls()).filter(|call| call.starts_with("same")).count();
    assert_eq!(calls, 1);
    assert_eq!((first.output("same0"), other.output("same0")), ("\"done\"", "\"done\""));
}

#[tokio::test(start_paused = true)]
async fn failed_call_is_repeated_by_the_next_waiter() {
    let cache = cache();
    let fixture = Fixture { policy: crate::model::FailurePolicy::KeepGoing, ..with(&cache) };
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let script = move |call: &Call| match call.attempt.task.as_str() {
        "other" => returns(1, "x"),
        _ if is_first.swap(false, std::sync::atomic::Ordering::SeqCst) => returns_error(1_000, "no"),
        _ => returns(1_000, "yes"),
    };
    let report = fixture.run(&identical_calls(4), script).await;
    let calls = report.calls().into_iter().filter(|call| call.starts_with("same")).count();
    assert_eq!((calls, report.ended), (2, Ended::Run(RunStatus::Failed)));
    let ready: Vec<usize> = (0..4)
        .map(|index| report.events(&format!("same{index}")).iter().filter(|event| *event == "ready").count())
        .collect();
    assert_eq!(ready, [1; 4]);
}

#[tokio::test(start_paused = true)]
async fn waiter_computes_the_result_once_the_reservation_of_a_dead_host_expires() {
    let cache = cache();
    let bound = identical_calls(1);
    // A host that begins to compute the result and disappears.
    let dead = with(&cache);
    let died = tokio::time::timeout(Duration::from_secs(2), dead.run(&bound, slow_if_identical)).await;
    assert!(died.is_err());
    let report = with(&cache).run(&identical_calls(1), |_| returns(1, "done")).await;
    assert_eq!(report.output("same0"), "\"done\"");
    assert!((7_000..11_000).contains(&report.call("same0").started), "{:?}", report.call("same0"));
}
