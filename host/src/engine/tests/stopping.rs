//! Interrupts, fail-fast, cancellation, and how a later session continues.

use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::{Ended, Interrupt};
use crate::model::{FailureClass, FailurePolicy, RunStatus};
use std::time::Duration;

fn two_steps() -> Draft {
    let mut draft = Draft::new();
    draft.task("a", vec![]);
    draft.task("b", vec![]);
    draft.task("c", vec![from(0)]);
    draft
}

fn slow(call: &crate::invoke::Call) -> ScriptedCall {
    let name = call.attempt.task.as_str();
    returns(if name == "b" { 500 } else { 10 }, name)
}

async fn interrupt_after(fixture: &Fixture, millis: u64, interrupt: Interrupt) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
    fixture.interrupt.send_replace(interrupt);
}

#[tokio::test(start_paused = true)]
async fn draining_starts_no_new_node_and_commits_running_ones() {
    let fixture = Fixture::new();
    let bound = two_steps().bound();
    let (report, ()) =
        tokio::join!(fixture.run(&bound, slow), interrupt_after(&fixture, 5, Interrupt::Drain));
    assert_eq!((report.ended, report.calls()), (Ended::Interrupted, vec!["a", "b"]));
    assert_eq!(report.events("b"), ["ready", "started", "finished"]);
    fixture.interrupt.send_replace(Interrupt::None);
    let report = fixture.run(&bound, slow).await;
    assert_eq!((report.ended, report.calls()), (Ended::Run(RunStatus::Succeeded), vec!["c"]));
    assert_eq!(
        (report.events("a"), report.events("b")),
        (vec!["stored".to_owned()], vec!["stored".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn aborting_stops_guests_and_their_tasks_run_again_later() {
    let fixture = Fixture::new();
    let bound = two_steps().bound();
    let stop = interrupt_after(&fixture, 200, Interrupt::Abort);
    let (report, ()) = tokio::join!(fixture.run(&bound, slow), stop);
    assert_eq!((report.ended, report.call("b").ended), (Ended::Interrupted, None));
    assert_eq!(report.events("b"), ["ready", "started", "failed"]);
    assert_eq!(report.event("b", "failed")["class"], "cancelled");
    fixture.interrupt.send_replace(Interrupt::None);
    assert_eq!(fixture.run(&bound, slow).await.calls(), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn fail_fast_stops_running_guests() {
    let fixture = Fixture { policy: FailurePolicy::FailFast, ..Fixture::new() };
    let bound = two_steps().bound();
    let report = fixture
        .run(&bound, |call| match call.attempt.task.as_str() {
            "a" => fails(10, FailureClass::Trap),
            _ => slow(call),
        })
        .await;
    assert_eq!((report.ended, report.call("b").ended), (Ended::Run(RunStatus::Failed), None));
    assert_eq!(report.event("b", "failed")["class"], "cancelled");
    assert_eq!(report.output("c"), "UpstreamFailed");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_run_stops_on_every_host_and_can_be_resumed() {
    let fixture = Fixture::new();
    let bound = two_steps().bound();
    let (watcher, _) = fixture.open(&bound).await;
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        watcher.ledger.cancel().await.unwrap();
    };
    let (first, second, ()) = tokio::join!(fixture.run(&bound, slow), fixture.run(&bound, slow), cancel);
    assert_eq!(
        (first.ended, second.ended),
        (Ended::Run(RunStatus::Cancelled), Ended::Run(RunStatus::Cancelled))
    );
    drop(watcher);
    let report = fixture.run(&bound, slow).await;
    assert_eq!((report.ended, report.calls()), (Ended::Run(RunStatus::Succeeded), vec!["b"]));
}
