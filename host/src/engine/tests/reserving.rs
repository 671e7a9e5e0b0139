//! Attempts reserve resources of all runs and wait for the turns of rates.

use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::{Ended, Interrupt};
use crate::invoke::Call;
use crate::manifest::Policy;
use crate::model::{Capacity, FailureClass, FailurePolicy, Name, RunId, RunStatus};
use crate::plan::{CacheRule, Resource, ResourceScope, Retry};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

fn resource(name: &str, capacity: &str, scope: ResourceScope) -> Resource {
    Resource { name: Name::new(name).unwrap(), capacity: Capacity::decode(capacity).unwrap(), scope }
}

/// Tasks that each take one of a resource.
fn pool(resource: Resource, names: &[&str]) -> Draft {
    let mut draft = Draft::new();
    draft.resources.push(resource);
    for name in names {
        draft.task(name, vec![]).resources = vec![(0, 1)];
    }
    draft
}

fn gpu(amount: &str, names: &[&str]) -> Draft {
    pool(resource("gpu", amount, ResourceScope::Backend), names)
}

/// Another run of the same backend.
fn other(fixture: &Fixture, run: &str) -> Fixture {
    Fixture { run: RunId::new(run).unwrap(), backend: Arc::clone(&fixture.backend), ..Fixture::new() }
}

fn starts(report: &RunReport) -> Vec<u64> {
    let mut starts: Vec<u64> = report.calls_made.iter().map(|call| call.started).collect();
    starts.sort_unstable();
    starts
}

async fn listed(fixture: &Fixture) -> usize {
    fixture.backend.reservations().unwrap().list().await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn runs_share_a_resource_of_the_backend() {
    let (first, bound) = (Fixture::new(), gpu("2", &["a", "b", "c"]).bound());
    let second = other(&first, "second");
    let (one, two) = tokio::join!(first.run(&bound, echo), second.run(&bound, echo));
    let mut all = [starts(&one), starts(&two)].concat();
    all.sort_unstable();
    assert_eq!(all, [0, 0, 10, 10, 20, 20]);
    let blocked = two.event("a", "blocked");
    assert_eq!((blocked["resource"].as_str(), blocked["capacity"].as_str()), (Some("gpu"), Some("2")));
    assert_eq!(blocked["holder"]["run"], run_id().as_str());
    assert_eq!(two.events("a"), ["ready", "blocked", "started", "finished"]);
    assert_eq!(listed(&first).await, 0);
}

#[tokio::test(start_paused = true)]
async fn runs_wait_in_order_and_by_priority() {
    let (first, bound) = (Fixture::new(), gpu("1", &["a", "b", "c"]).bound());
    let mut urgent = gpu("1", &["urgent"]);
    urgent.tasks[0].priority = 7;
    let (second, third) = (other(&first, "second"), other(&first, "third"));
    let (late, urgent) = (gpu("1", &["late"]).bound(), urgent.bound());
    let (one, two, three) =
        tokio::join!(first.run(&bound, echo), second.run(&late, echo), third.run(&urgent, echo));
    assert_eq!(starts(&three), [10]);
    assert_eq!(starts(&one), [0, 20, 30]);
    assert_eq!(starts(&two), [40]);
}

#[tokio::test(start_paused = true)]
async fn large_request_is_not_overtaken() {
    let first = Fixture::new();
    let second = other(&first, "second");
    let mut large = gpu("3", &["large"]);
    large.tasks[0].resources = vec![(0, 3)];
    let (large, small) = (large.bound(), gpu("3", &["a", "b"]).bound());
    let script = |call: &Call| if call.attempt.task.as_str() == "a" { returns(50, "") } else { echo(call) };
    let third = other(&first, "third");
    let later = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        third.run(&gpu("3", &["late"]).bound(), echo).await
    };
    let (_, large, late) = tokio::join!(first.run(&small, script), second.run(&large, echo), later);
    assert_eq!((starts(&large), starts(&late)), (vec![50], vec![55]));
}

#[tokio::test(start_paused = true)]
async fn attempts_take_turns_at_a_rate() {
    for scope in [ResourceScope::Host, ResourceScope::Run, ResourceScope::Backend] {
        let bound = pool(resource("api", "10/s+2", scope), &["a", "b", "c", "d", "e"]).bound();
        let report = Fixture::new().run(&bound, echo).await;
        assert_eq!(starts(&report), [0, 0, 100, 200, 300]);
    }
}

#[tokio::test(start_paused = true)]
async fn runs_share_a_rate_of_the_backend_and_no_other() {
    for (scope, last) in [(ResourceScope::Backend, 300), (ResourceScope::Run, 100)] {
        let (first, bound) = (Fixture::new(), pool(resource("api", "10/s+1", scope), &["a", "b"]).bound());
        let second = other(&first, "second");
        let (one, two) = tokio::join!(first.run(&bound, echo), second.run(&bound, echo));
        assert_eq!([starts(&one), starts(&two)].concat().into_iter().max(), Some(last), "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_tasks_go_on_while_attempts_wait() {
    let first = Fixture::new();
    let second = Fixture { slots: 1, ..other(&first, "second") };
    let mut draft = gpu("1", &["a", "b"]);
    draft.task("free", vec![]);
    let (holding, bound) = (gpu("1", &["holder"]).bound(), draft.bound());
    let (_, report) = tokio::join!(first.run(&holding, |_| returns(1000, "")), second.run(&bound, echo));
    assert!(report.call("free").started < 100, "{report:?}");
    assert_eq!([report.call("a").started, report.call("b").started], [1000, 1010]);
}

#[tokio::test(start_paused = true)]
async fn attempt_that_is_called_gets_the_next_slot() {
    let first = Fixture::new();
    let second = Fixture { slots: 1, ..other(&first, "second") };
    let mut draft = gpu("1", &["a"]);
    for name in ["x", "y", "z"] {
        draft.task(name, vec![]);
    }
    let (holding, bound) = (gpu("1", &["holder"]).bound(), draft.bound());
    let script = |call: &Call| if call.attempt.task.as_str() == "a" { echo(call) } else { returns(400, "") };
    let (_, report) = tokio::join!(first.run(&holding, |_| returns(100, "")), second.run(&bound, script));
    assert_eq!(report.call("a").started, 400);
}

#[tokio::test(start_paused = true)]
async fn others_pass_an_attempt_whose_host_has_no_slot_for_long() {
    let first = Fixture::new();
    let second = Fixture { slots: 1, ..other(&first, "second") };
    let third = other(&first, "third");
    let mut draft = gpu("1", &["a"]);
    draft.task("long", vec![]);
    let (holding, bound, late) =
        (gpu("1", &["holder"]).bound(), draft.bound(), gpu("1", &["b", "c"]).bound());
    let script = |call: &Call| {
        if call.attempt.task.as_str() == "long" { returns(60_000, "") } else { returns(70_000, "") }
    };
    let later = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        third.run(&late, |_| returns(70_000, "")).await
    };
    let (_, report, passing) =
        tokio::join!(first.run(&holding, |_| returns(100, "")), second.run(&bound, script), later);
    // It has let one pass after five seconds, and has kept its place before the other.
    assert_eq!(starts(&passing), [5_050, 145_050]);
    assert_eq!(report.call("a").started, 75_100);
    assert_eq!(report.events("a").iter().filter(|event| *event == "ready").count(), 1);
}

#[tokio::test(start_paused = true)]
async fn time_limit_begins_with_the_call_and_the_deadline_before() {
    let first = Fixture::new();
    let second = other(&first, "second");
    let mut draft = gpu("1", &["patient", "overdue"]);
    draft.tasks[0].policy = Arc::new(Policy { timeout: Duration::from_millis(50), ..Policy::default() });
    draft.tasks[1].deadline = Some(Duration::from_millis(300));
    let second = Fixture { policy: FailurePolicy::KeepGoing, ..second };
    let (holding, bound) = (gpu("1", &["holder"]).bound(), draft.bound());
    let (_, report) = tokio::join!(first.run(&holding, |_| returns(1000, "")), second.run(&bound, echo));
    assert_eq!(report.call("patient").started, 1000);
    let failed = report.event("overdue", "failed");
    assert_eq!(failed["class"], "timeout");
    assert_eq!(report.events("overdue"), ["ready", "blocked", "failed"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_attempts_do_not_delay_a_stop() {
    for policy in [FailurePolicy::Finish, FailurePolicy::FailFast] {
        let first = Fixture::new();
        let second = Fixture { policy, ..other(&first, "second") };
        let mut draft = gpu("1", &["a"]);
        draft.task("fails", vec![]);
        let (holding, bound) = (gpu("1", &["holder"]).bound(), draft.bound());
        let running = second.run(&bound, |_| fails(20, FailureClass::Trap));
        let ends = async { (running.await, tokio::time::Instant::now()) };
        let start = tokio::time::Instant::now();
        let (_, (report, end)) = tokio::join!(first.run(&holding, |_| returns(9_000, "")), ends);
        assert_eq!(report.ended, Ended::Run(RunStatus::Failed));
        assert!(end - start < Duration::from_millis(100), "{policy:?}");
        assert_eq!(listed(&first).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_host_does_not_wait_in_line() {
    let first = Fixture::new();
    let second = other(&first, "second");
    let (holding, bound) = (gpu("1", &["holder"]).bound(), gpu("1", &["a"]).bound());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        second.interrupt.send(Interrupt::Drain).unwrap();
    };
    let (_, report, ()) =
        tokio::join!(first.run(&holding, |_| returns(1000, "")), second.run(&bound, echo), stop);
    assert_eq!((report.ended, report.calls_made.len()), (Ended::Interrupted, 0));
}

#[tokio::test(start_paused = true)]
async fn each_retry_takes_a_turn_and_a_cached_result_none() {
    let cache = Arc::new(crate::cache::MemoryCache::new());
    let mut draft = pool(resource("api", "1/s+1", ResourceScope::Backend), &["a"]);
    let retry = Retry { attempts: NonZeroU32::new(3).unwrap(), delay: Duration::ZERO, ..Retry::default() };
    draft.tasks[0].policy = Arc::new(Policy { retry, ..Policy::default() });
    draft.tasks[0].cache = CacheRule::Shared(None);
    let bound = draft.bound();
    let first = Fixture { cache: Some(cache), ..Fixture::new() };
    let flaky = |call: &Call| if call.attempt.number < 3 { fails(1, FailureClass::Trap) } else { echo(call) };
    let report = first.run(&bound, flaky).await;
    assert_eq!(starts(&report), [0, 1000, 2000]);
    let second = Fixture { cache: first.cache.clone(), ..other(&first, "second") };
    let again = second.run(&bound, echo).await;
    assert_eq!(again.events("a"), ["ready", "cached"]);
}

#[tokio::test(start_paused = true)]
async fn first_declaration_counts_while_others_hold_or_wait() {
    let first = Fixture::new();
    let second = Fixture { policy: FailurePolicy::KeepGoing, ..other(&first, "second") };
    let mut draft = gpu("4", &["fits", "exceeds"]);
    draft.tasks[1].resources = vec![(0, 3)];
    let (holding, bound) = (gpu("2", &["holder"]).bound(), draft.bound());
    let (_, report) = tokio::join!(first.run(&holding, |_| returns(100, "")), second.run(&bound, echo));
    assert_eq!(report.call("fits").started, 0);
    let failed = report.event("exceeds", "failed");
    assert_eq!(failed["class"], "input");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("requests 3 of resource `gpu`, which is 2"), "{error}");
    let warnings: Vec<_> = report.lines.iter().filter(|line| line["event"] == "warning").collect();
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(warning["code"], "resource-differs");
    assert!(warning["message"].as_str().unwrap().starts_with("resource `gpu` is 2, as another run"));
    let third = other(&first, "third").run(&bound, echo).await;
    assert_eq!(third.ended, Ended::Run(RunStatus::Succeeded));
}
