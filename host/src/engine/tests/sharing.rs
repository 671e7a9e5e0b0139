//! Several hosts on one run: leases, takeovers, tasks that kill hosts, and the same end for all.

use crate::engine::Ended;
use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::invoke::Call;
use crate::model::RunStatus;
use crate::plan::Bound;
use crate::state::{
    Certainty, Entry, Error, Ledger, Loss, NodeId, Outcome, Reply, Settlement, Token, Version, Want,
};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

/// Ledger of a paused host: leases are renewed far too late, and losses are reported as late.
struct Paused {
    ledger: Arc<dyn Ledger>,
    claims: Arc<Mutex<Vec<Token>>>,
    keeping: Mutex<JoinSet<()>>,
    certainty: Certainty,
}

impl Paused {
    fn over(ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        Arc::new(Self {
            ledger,
            claims: Arc::default(),
            keeping: Mutex::default(),
            certainty: Certainty::Taken,
        })
    }

    /// Returns a ledger that loses its connection and doubts all claims it holds.
    fn blind(ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        let certainty = Certainty::Unconfirmed;
        Arc::new(Self { ledger, claims: Arc::default(), keeping: Mutex::default(), certainty })
    }
}

#[async_trait]
impl Ledger for Paused {
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
        let reply = self.ledger.commit(batch, want).await?;
        self.claims.lock().unwrap().extend(reply.claims.iter().map(|claim| claim.token));
        Ok(reply)
    }

    fn max_claims(&self) -> u32 {
        self.ledger.max_claims()
    }

    async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error> {
        self.ledger.fetch(nodes).await
    }

    fn keep_leases(&self) -> Result<UnboundedReceiver<Loss>, Error> {
        let (tell, told) = unbounded_channel();
        let (ledger, claims, certainty) =
            (Arc::clone(&self.ledger), Arc::clone(&self.claims), self.certainty);
        self.keeping.lock().unwrap().spawn(async move {
            tokio::time::sleep(LEASE * 2).await;
            let held = claims.lock().unwrap().clone();
            let lost = match certainty {
                Certainty::Taken => ledger.renew(&held).await.unwrap(),
                Certainty::Unconfirmed => held,
            };
            for token in lost {
                tell.send(Loss { token, certainty }).unwrap();
            }
            std::future::pending::<()>().await;
        });
        Ok(told)
    }

    async fn renew(&self, held: &[Token]) -> Result<Vec<Token>, Error> {
        self.ledger.renew(held).await
    }

    async fn changed(&self, seen: Version) -> Result<(), Error> {
        self.ledger.changed(seen).await
    }

    async fn cancel(&self) -> Result<(), Error> {
        self.ledger.cancel().await
    }
}

fn want(slots: u32) -> Want {
    Want { slots, free: vec![1 << 10] }
}

#[tokio::test(start_paused = true)]
async fn hosts_share_the_work_and_end_alike() {
    let mut draft = Draft::new();
    for name in ["a", "b", "c", "d"] {
        draft.task(name, vec![]);
    }
    draft.task("all", vec![from(0), from(1), from(2), from(3)]);
    let bound = draft.bound();
    let bench = Fixture { slots: 2, ..Fixture::new() };
    let (one, other) = tokio::join!(bench.run(&bound, echo), bench.run(&bound, echo));
    assert_eq!(
        (one.ended, other.ended),
        (Ended::Run(RunStatus::Succeeded), Ended::Run(RunStatus::Succeeded))
    );
    assert_eq!(one.made.len() + other.made.len(), 5);
    assert_eq!(one.outputs(), other.outputs());
}

#[tokio::test(start_paused = true)]
async fn long_calls_hold_their_lease() {
    let mut draft = Draft::new();
    draft.task("long", vec![]);
    let bound = draft.bound();
    let bench = Fixture::new();
    let long = |_: &Call| returns(60_000, "done");
    let (one, other) = tokio::join!(bench.run(&bound, long), bench.run(&bound, long));
    assert_eq!(one.made.len() + other.made.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_task_is_taken_over_and_told() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let bench = Fixture::new();
    let (dead, _) = bench.open(&bound).await;
    dead.ledger.commit(vec![], want(1)).await.unwrap();
    let report = bench.run(&bound, echo).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!(report.call("task").began, 10_000);
    assert_eq!(report.events("task"), ["taken_over", "ready", "started", "finished"]);
    assert_eq!(report.event("task", "taken_over")["from"], "host-1");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_more_hosts_lose_than_it_allows_is_failed_as_lost() {
    for (most, error) in [
        (0, "1 host lost this task; its `max-lost-hosts` allows 0"),
        (3, "4 hosts in a row lost this task; its `max-lost-hosts` allows 3"),
    ] {
        let mut draft = Draft::new();
        draft.task("poison", vec![]).max_lost_hosts = most;
        let bound = draft.bound();
        let bench = Fixture::new();
        let mut dead = Vec::new();
        for _ in 0..=most {
            let (host, _) = bench.open(&bound).await;
            assert_eq!(host.ledger.commit(vec![], want(1)).await.unwrap().claims.len(), 1);
            tokio::time::sleep(LEASE).await;
            dead.push(host);
        }
        let report = bench.run(&bound, echo).await;
        assert_eq!((report.ended, report.made.len()), (Ended::Run(RunStatus::Failed), 0));
        let failed = report.event("poison", "failed");
        assert_eq!((&failed["class"], &failed["error"]), (&"lost".into(), &error.into()));
    }
}

/// Takes over the only task as soon as its lease has expired, and settles it at once.
async fn takes_over(bench: &Fixture, bound: &Arc<Bound>) {
    let (other, _) = bench.open(bound).await;
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    let claim = other.ledger.commit(vec![], want(1)).await.unwrap().claims.pop().unwrap();
    let settlement = Settlement { token: claim.token, outcome: Outcome::Retry(LEASE) };
    other.ledger.commit(vec![settlement], want(0)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_host_that_lost_its_lease_stops_the_guest_and_says_so() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let bench = Fixture { between: Paused::over, slots: 1, ..Fixture::new() };
    let first_hangs = |call: &Call| returns(if call.attempt.number == 1 { 40_000 } else { 1 }, "second");
    let (report, ()) = tokio::join!(bench.run(&bound, first_hangs), takes_over(&bench, &bound));
    let told = ["ready", "started", "lease_lost", "started", "finished"];
    assert_eq!(report.events("task")[..3], told[..3]);
    assert_eq!((report.call("task").ended, report.output("task")), (None, "\"second\""));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_may_be_lost_is_stopped_told_once_and_given_back() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let bench = Fixture { between: Paused::blind, slots: 1, ..Fixture::new() };
    let first_hangs = std::sync::atomic::AtomicBool::new(true);
    let script = move |_: &Call| {
        let hangs = first_hangs.swap(false, std::sync::atomic::Ordering::SeqCst);
        returns(if hangs { 40_000 } else { 1 }, "done")
    };
    let report = bench.run(&bound, script).await;
    assert_eq!(report.events("task"), ["ready", "started", "lease_lost", "ready", "started", "finished"]);
    assert_eq!((report.call("task").ended, report.made.len()), (None, 2));
    assert_eq!(report.made[1].began, 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_too_late_is_discarded_and_told_once() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let bench = Fixture { between: Paused::over, slots: 1, ..Fixture::new() };
    let late = |call: &Call| match call.attempt.number {
        1 => returns(15_000, "first"),
        _ => returns(1, "second"),
    };
    let (report, ()) = tokio::join!(bench.run(&bound, late), takes_over(&bench, &bound));
    assert_eq!(report.events("task"), ["ready", "started", "lease_lost", "started", "finished"]);
    assert_eq!(report.output("task"), "\"second\"");
}

#[tokio::test(start_paused = true)]
async fn only_targets_run() {
    let mut draft = Draft::new();
    draft.task("a", vec![]);
    draft.task("b", vec![from(0)]);
    draft.task("c", vec![from(1)]);
    let bound = draft.bound();
    let bench = Fixture { targets: Some(vec![0, 1]), ..Fixture::new() };
    let report = bench.run(&bound, echo).await;
    assert_eq!((report.ended, report.calls()), (Ended::Run(RunStatus::Succeeded), vec!["a", "b"]));
    let bench = Fixture { targets: None, ..bench };
    assert_eq!(bench.run(&bound, echo).await.calls(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn a_case_that_is_no_target_fails_with_class_input() {
    let mut draft = Draft::new();
    draft.task("selector", vec![literal("l")]);
    draft.task("left", vec![]);
    draft.task("end", vec![select(from(0), &[("l", from(1))])]);
    let bench = Fixture { targets: Some(vec![0, 2]), ..Fixture::new() };
    let report = bench
        .run(&draft.bound(), |call| returns(1, texts(&call.args).first().map_or("", String::as_str)))
        .await;
    assert_eq!(
        report.event("end", "failed")["error"],
        "it needs task `left`, which is not a target of this run"
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_without_a_run_left_stops_its_guests() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let bench = Fixture { between: Paused::over, slots: 1, ..Fixture::new() };
    let ends = async {
        let (other, _) = bench.open(&bound).await;
        tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
        let claim = other.ledger.commit(vec![], want(1)).await.unwrap().claims.pop().unwrap();
        let settlement = Settlement { token: claim.token, outcome: Outcome::Done(string("theirs")) };
        other.ledger.commit(vec![settlement], want(0)).await.unwrap();
    };
    let (report, ()) = tokio::join!(bench.run(&bound, |_| returns(60_000, "mine")), ends);
    assert_eq!((report.ended, report.output("task")), (Ended::Run(RunStatus::Succeeded), "\"theirs\""));
    assert_eq!(report.events("task"), ["ready", "started", "lease_lost"]);
}
