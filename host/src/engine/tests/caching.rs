//! Results that are shared between runs.

use crate::cache::Cache;
use crate::cache::MemoryCache;
use crate::engine::Ended;
use crate::engine::tests::bench::*;
use crate::engine::tests::draft::*;
use crate::model::RunStatus;
use crate::plan::CacheRule;
use crate::plan::OnError;
use crate::value::ResultType;
use crate::value::Type;
use std::sync::Arc;
use std::time::Duration;

fn cached(change: impl FnOnce(&mut Draft)) -> Arc<crate::plan::Bound> {
    let mut draft = Draft::new();
    draft.task("a", vec![literal("x")]).cache = CacheRule::Shared(None);
    draft.task("b", vec![from(0)]).cache = CacheRule::Shared(None);
    change(&mut draft);
    draft.bound()
}

fn with(cache: &Arc<dyn Cache>) -> Bench {
    Bench { cache: Some(Arc::clone(cache)), ..Bench::new() }
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
    // The plain value is what is stored: a task that lets errors fail finds it too.
    let report = with(&cache).run(&cached(|draft| draft.tasks.truncate(1)), echo).await;
    assert_eq!((report.output("a"), report.ended), ("\"yes\"", Ended::Run(RunStatus::Succeeded)));
}
