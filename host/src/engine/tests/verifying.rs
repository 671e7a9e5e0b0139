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
        (task.cache, task.retry) = (rule, Retry { attempts, ..Retry::default() });
    }
    draft.bound()
}

/// Returns another text each time.
fn moody() -> impl Fn(&Call) -> Act + Send + Sync + 'static {
    let count = AtomicU32::new(0);
    move |_| returns(10, &format!("{}", count.fetch_add(1, Ordering::SeqCst)))
}

#[tokio::test(start_paused = true)]
async fn pure_calls_are_made_twice_and_told_as_one_attempt_with_the_cost_of_both() {
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
    let report = verifying().run(&pair(CacheRule::Impure), moody()).await;
    assert_eq!((report.calls(), report.ended), (vec!["a", "b"], Ended::Run(RunStatus::Succeeded)));
}

#[tokio::test(start_paused = true)]
async fn a_result_that_differs_fails_at_once_and_is_not_shared() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let bench = Fixture { cache: Some(Arc::clone(&cache)), ..verifying() };
    let report = bench.run(&pair(CacheRule::Shared(None)), moody()).await;
    assert_eq!((report.calls(), report.ended), (vec!["a", "a"], Ended::Run(RunStatus::Failed)));
    let failed = report.event("a", "failed");
    assert_eq!(failed["class"], "error");
    assert_eq!(
        failed["error"],
        "not verified: the same call was made twice, and the second time it returned another value, which differs"
    );
    let after = Fixture { cache: Some(cache), ..Fixture::new() };
    assert_eq!(after.run(&pair(CacheRule::Shared(None)), echo).await.calls(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn another_end_of_the_second_call_is_a_difference_and_a_timeout_is_not() {
    for (class, attempts) in [(FailureClass::Trap, 2), (FailureClass::Timeout, 6)] {
        let count = AtomicU32::new(0);
        let script = move |_: &Call| match count.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => returns(1, "x"),
            _ => fails(1, class),
        };
        let report = verifying().run(&pair(CacheRule::Off), script).await;
        assert_eq!((report.made.len(), report.ended), (attempts, Ended::Run(RunStatus::Failed)), "{class}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_cached_is_called_once_and_compared() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let bound = || pair(CacheRule::Shared(None));
    let with = |bench: Fixture| Fixture { cache: Some(Arc::clone(&cache)), ..bench };
    with(Fixture::new()).run(&bound(), echo).await;
    let report = with(verifying()).run(&bound(), echo).await;
    assert_eq!((report.calls(), report.ended), (vec!["a", "b"], Ended::Run(RunStatus::Succeeded)));
    assert_eq!(report.events("a"), ["ready", "started", "finished"]);
    let report = with(verifying()).run(&bound(), moody()).await;
    assert_eq!((report.calls(), report.ended), (vec!["a"], Ended::Run(RunStatus::Failed)));
    let error = report.event("a", "failed")["error"].to_string();
    assert!(error.contains("the cache has its result under the key "), "{error}");
}

#[tokio::test(start_paused = true)]
async fn alike_calls_that_wait_for_each_other_are_all_verified_within_their_slots() {
    let cache: Arc<dyn Cache> = Arc::new(MemoryCache::new());
    let mut draft = Draft::new();
    for at in 0..6 {
        let task = draft.task(&format!("same{at}"), vec![literal("x")]);
        (task.cache, task.function) = (CacheRule::Shared(None), 0);
    }
    let policy = FailurePolicy::KeepGoing;
    let bench = Fixture { cache: Some(cache), slots: 2, policy, ..verifying() };
    let report = bench.run(&draft.bound(), |_| returns(1_000, "done")).await;
    assert_eq!((report.made.len(), report.ended), (7, Ended::Run(RunStatus::Succeeded)));
    for call in &report.made {
        let beside = report
            .made
            .iter()
            .filter(|other| other.began <= call.began && other.ended.is_some_and(|ended| ended > call.began));
        assert!(beside.count() <= 2, "{:?}", report.made);
    }
}
