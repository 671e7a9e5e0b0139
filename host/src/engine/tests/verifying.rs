//! Verification: shareable calls are executed once more and compared.

use crate::cache::{Cache, MemoryCache};
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::{Ended, Verification};
use crate::invoke::Call;
use crate::model::{FailureClass, FailurePolicy, RunStatus};
use crate::plan::{Bound, CacheRule, Retry};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

fn verifying() -> Fixture {
    Fixture { verification: Verification::Twice, ..Fixture::new() }
}

fn pair(rule: CacheRule) -> Arc<Bound> {
    let mut draft = Draft::new();
    let attempts = NonZeroU32::new(3).unwrap();
    for (name, argument) in [("a", literal("x")), ("b", from(0))] {
        let task = draft.task(name, vec![argument]);
        task.cache = rule;
        Arc::make_mut(&mut task.policy).retry = Retry { attempts, ..Retry::default() };
    }
    draft.bound()
}

/// Returns another text each time.
fn changing_text() -> impl Fn(&Call) -> ScriptedCall + Send + Sync + 'static {
    let count = AtomicU32::new(0);
    move |_| returns(10, &format!("{}", count.fetch_add(1, Ordering::SeqCst)))
}

#[tokio::test(start_paused = true)]
async fn pure_calls_run_twice_and_are_emitted_as_one_attempt_with_the_total_cost() {
    for rule in [CacheRule::Shared(None), CacheRule::Off] {
        let report = verifying().run(&pair(rule), echo).await;
        assert_eq!(report.calls(), ["a", "a", "b", "b"]);
        assert_eq!(report.events("a"), ["ready", "started", "finished"]);
        assert_eq!(report.event("a", "finished")["duration_ms"], 20.0);
        assert_eq!(report.output("b"), "\"b(a(x))\"");
    }
}

#[tokio::test(start_paused = true)]
async fn impure_calls_are_made_once() {
    let report = verifying().run(&pair(CacheRule::Impure), changing_text()).await;
    assert_eq!((report.calls(), report.ended), (vec!["a", "b"], Ended::Run(RunStatus::Succeeded)));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_differs_fails_at_once_and_is_not_shared() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let fixture = Fixture { cache: Some(Arc::clone(&cache)), ..verifying() };
    let report = fixture.run(&pair(CacheRule::Shared(None)), changing_text()).await;
    assert_eq!((report.calls(), report.ended), (vec!["a", "a"], Ended::Run(RunStatus::Failed)));
    let failed = report.event("a", "failed");
    assert_eq!(failed["class"], "error");
    assert_eq!(
        failed["error"],
        "not deterministic: of two identical calls, the second differs: it returned another value"
    );
    let after = Fixture { cache: Some(cache), ..Fixture::new() };
    assert_eq!(after.run(&pair(CacheRule::Shared(None)), echo).await.calls(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn second_call_that_traps_differs_and_one_that_times_out_does_not() {
    for (class, attempts) in [(FailureClass::Trap, 2), (FailureClass::Timeout, 6)] {
        let count = AtomicU32::new(0);
        let script = move |_: &Call| match count.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => returns(1, "x"),
            _ => fails(1, class),
        };
        let report = verifying().run(&pair(CacheRule::Off), script).await;
        assert_eq!(
            (report.calls_made.len(), report.ended),
            (attempts, Ended::Run(RunStatus::Failed)),
            "{class}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn cached_result_is_called_once_and_compared() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let bound = || pair(CacheRule::Shared(None));
    let with = |fixture: Fixture| Fixture { cache: Some(Arc::clone(&cache)), ..fixture };
    with(Fixture::new()).run(&bound(), echo).await;
    let report = with(verifying()).run(&bound(), echo).await;
    assert_eq!((report.calls(), report.ended), (vec!["a", "b"], Ended::Run(RunStatus::Succeeded)));
    assert_eq!(report.events("a"), ["ready", "started", "finished"]);
    let report = with(verifying()).run(&bound(), changing_text()).await;
    assert_eq!((report.calls(), report.ended), (vec!["a"], Ended::Run(RunStatus::Failed)));
    let error = report.event("a", "failed")["error"].to_string();
    assert!(error.contains("a repeated call differs from the cached result with key "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn identical_waiting_calls_are_all_verified_within_the_slots() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let mut draft = Draft::new();
    for index in 0..6 {
        let task = draft.task(&format!("same{index}"), vec![literal("x")]);
        (task.cache, task.function) = (CacheRule::Shared(None), 0);
    }
    let policy = FailurePolicy::KeepGoing;
    let fixture = Fixture { cache: Some(cache), slots: 2, policy, ..verifying() };
    let report = fixture.run(&draft.bound(), |_| returns(1_000, "done")).await;
    assert_eq!((report.calls_made.len(), report.ended), (7, Ended::Run(RunStatus::Succeeded)));
    for call in &report.calls_made {
        let concurrent = report.calls_made.iter().filter(|other| {
            other.started <= call.started && other.ended.is_some_and(|ended| ended > call.started)
        });
        assert!(concurrent.count() <= 2, "{:?}", report.calls_made);
    }
}
