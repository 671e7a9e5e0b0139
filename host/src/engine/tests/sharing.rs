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
use bytes::Bytes;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;

/// Ledger of a paused host: leases are renewed far too late, and losses are reported as late.
struct Paused {
    ledger: Arc<dyn Ledger>,
    claims: Arc<Mutex<Vec<Token>>>,
    tasks: Mutex<JoinSet<()>>,
    certainty: Certainty,
}

impl Paused {
    fn wrap(ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        Arc::new(Self {
            ledger,
            claims: Arc::default(),
            tasks: Mutex::default(),
            certainty: Certainty::Taken,
        })
    }

    /// Returns a ledger that loses its connection and doubts all claims it holds.
    fn wrap_disconnected(ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        let certainty = Certainty::Unconfirmed;
        Arc::new(Self { ledger, claims: Arc::default(), tasks: Mutex::default(), certainty })
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

    async fn failed(&self) -> Result<Vec<NodeId>, Error> {
        self.ledger.failed().await
    }

    async fn fetch_iteration(&self, node: NodeId, iteration: u32) -> Result<Option<Bytes>, Error> {
        self.ledger.fetch_iteration(node, iteration).await
    }

    fn keep_leases(&self) -> Result<UnboundedReceiver<Loss>, Error> {
        let (sender, losses) = unbounded_channel();
        let (ledger, claims, certainty) =
            (Arc::clone(&self.ledger), Arc::clone(&self.claims), self.certainty);
        self.tasks.lock().unwrap().spawn(async move {
            tokio::time::sleep(LEASE * 2).await;
            let held = claims.lock().unwrap().clone();
            let lost = match certainty {
                Certainty::Taken => ledger.renew(&held).await.unwrap(),
                Certainty::Unconfirmed => held,
            };
            for token in lost {
                sender.send(Loss { token, certainty }).unwrap();
            }
            std::future::pending::<()>().await;
        });
        Ok(losses)
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

    async fn claim_end(&self) -> Result<bool, Error> {
        self.ledger.claim_end().await
    }
}

fn want(slots: u32) -> Want {
    Want { slots, free: vec![1 << 10] }
}

#[tokio::test(start_paused = true)]
async fn hosts_share_the_work_and_end_with_the_same_status() {
    let mut draft = Draft::new();
    for name in ["a", "b", "c", "d"] {
        draft.task(name, vec![]);
    }
    draft.task("all", vec![from(0), from(1), from(2), from(3)]);
    let bound = draft.bound();
    let fixture = Fixture { slots: 2, ..Fixture::new() };
    let (first, second) = tokio::join!(fixture.run(&bound, echo), fixture.run(&bound, echo));
    assert_eq!(
        (first.ended, second.ended),
        (Ended::Run(RunStatus::Succeeded), Ended::Run(RunStatus::Succeeded))
    );
    assert_eq!(first.calls_made.len() + second.calls_made.len(), 5);
    assert_eq!(first.outputs(), second.outputs());
}

#[tokio::test(start_paused = true)]
async fn long_calls_hold_their_lease() {
    let mut draft = Draft::new();
    draft.task("long", vec![]);
    let bound = draft.bound();
    let fixture = Fixture::new();
    let long = |_: &Call| returns(60_000, "done");
    let (first, second) = tokio::join!(fixture.run(&bound, long), fixture.run(&bound, long));
    assert_eq!(first.calls_made.len() + second.calls_made.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn lost_task_is_taken_over_and_the_takeover_emitted() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let fixture = Fixture::new();
    let (dead, _) = fixture.open(&bound).await;
    dead.ledger.commit(vec![], want(1)).await.unwrap();
    let report = fixture.run(&bound, echo).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
    assert_eq!(report.call("task").started, 10_000);
    assert_eq!(report.events("task"), ["taken_over", "ready", "started", "finished"]);
    assert_eq!(report.event("task", "taken_over")["from"], "host-1");
}

#[tokio::test(start_paused = true)]
async fn task_lost_by_more_than_max_lost_hosts_fails_as_lost() {
    for (max_lost_hosts, error) in [
        (0, "1 host lost this task; its `max-lost-hosts` allows 0"),
        (3, "4 hosts in a row lost this task; its `max-lost-hosts` allows 3"),
    ] {
        let mut draft = Draft::new();
        Arc::make_mut(&mut draft.task("poison", vec![]).policy).max_lost_hosts = max_lost_hosts;
        let bound = draft.bound();
        let fixture = Fixture::new();
        let mut dead = Vec::new();
        for _ in 0..=max_lost_hosts {
            let (host, _) = fixture.open(&bound).await;
            assert_eq!(host.ledger.commit(vec![], want(1)).await.unwrap().claims.len(), 1);
            tokio::time::sleep(LEASE).await;
            dead.push(host);
        }
        let report = fixture.run(&bound, echo).await;
        assert_eq!((report.ended, report.calls_made.len()), (Ended::Run(RunStatus::Failed), 0));
        let failed = report.event("poison", "failed");
        assert_eq!((&failed["class"], &failed["error"]), (&"lost".into(), &error.into()));
    }
}

/// Takes over the only task as soon as its lease has expired, and settles it at once.
async fn take_over(fixture: &Fixture, bound: &Arc<Bound>) {
    let (second, _) = fixture.open(bound).await;
    tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
    let claim = second.ledger.commit(vec![], want(1)).await.unwrap().claims.pop().unwrap();
    let settlement = Settlement::new(claim.token, Outcome::Retry { delay: LEASE, step: 0 });
    second.ledger.commit(vec![settlement], want(0)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn host_that_lost_its_lease_stops_the_guest_and_emits_lease_lost() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let fixture = Fixture { wrap_ledger: Paused::wrap, slots: 1, ..Fixture::new() };
    let script = |call: &Call| returns(if call.attempt.number == 1 { 40_000 } else { 1 }, "second");
    let (report, ()) = tokio::join!(fixture.run(&bound, script), take_over(&fixture, &bound));
    let expected = ["ready", "started", "lease_lost", "started", "finished"];
    assert_eq!(report.events("task")[..3], expected[..3]);
    assert_eq!((report.call("task").ended, report.output("task")), (None, "\"second\""));
}

#[tokio::test(start_paused = true)]
async fn possibly_lost_claim_is_stopped_and_released_with_one_event() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let fixture = Fixture { wrap_ledger: Paused::wrap_disconnected, slots: 1, ..Fixture::new() };
    let is_first = std::sync::atomic::AtomicBool::new(true);
    let script = move |_: &Call| {
        let hangs = is_first.swap(false, std::sync::atomic::Ordering::SeqCst);
        returns(if hangs { 40_000 } else { 1 }, "done")
    };
    let report = fixture.run(&bound, script).await;
    assert_eq!(report.events("task"), ["ready", "started", "lease_lost", "ready", "started", "finished"]);
    assert_eq!((report.call("task").ended, report.calls_made.len()), (None, 2));
    assert_eq!(report.calls_made[1].started, 20_000);
}

#[tokio::test(start_paused = true)]
async fn late_result_is_discarded_with_one_event() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let fixture = Fixture { wrap_ledger: Paused::wrap, slots: 1, ..Fixture::new() };
    let script = |call: &Call| match call.attempt.number {
        1 => returns(15_000, "first"),
        _ => returns(1, "second"),
    };
    let (report, ()) = tokio::join!(fixture.run(&bound, script), take_over(&fixture, &bound));
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
    let fixture = Fixture { targets: Some(vec![0, 1]), ..Fixture::new() };
    let report = fixture.run(&bound, echo).await;
    assert_eq!((report.ended, report.calls()), (Ended::Run(RunStatus::Succeeded), vec!["a", "b"]));
    let fixture = Fixture { targets: None, ..fixture };
    assert_eq!(fixture.run(&bound, echo).await.calls(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn chosen_case_outside_of_the_targets_fails_with_class_input() {
    let mut draft = Draft::new();
    draft.task("selector", vec![literal("l")]);
    draft.task("left", vec![]);
    draft.task("end", vec![select(from(0), &[("l", from(1))])]);
    let fixture = Fixture { targets: Some(vec![0, 2]), ..Fixture::new() };
    let report = fixture
        .run(&draft.bound(), |call| returns(1, texts(&call.args).first().map_or("", String::as_str)))
        .await;
    assert_eq!(
        report.event("end", "failed")["error"],
        "the task needs task `left`, which is not a target of this run"
    );
}

#[tokio::test(start_paused = true)]
async fn host_stops_its_guests_when_another_host_ends_the_run() {
    let mut draft = Draft::new();
    draft.task("task", vec![]);
    let bound = draft.bound();
    let fixture = Fixture { wrap_ledger: Paused::wrap, slots: 1, ..Fixture::new() };
    let ends = async {
        let (second, _) = fixture.open(&bound).await;
        tokio::time::sleep(LEASE + Duration::from_secs(1)).await;
        let claim = second.ledger.commit(vec![], want(1)).await.unwrap().claims.pop().unwrap();
        let settlement = Settlement::new(claim.token, Outcome::Done(string("theirs")));
        second.ledger.commit(vec![settlement], want(0)).await.unwrap();
    };
    let (report, ()) = tokio::join!(fixture.run(&bound, |_| returns(60_000, "mine")), ends);
    assert_eq!((report.ended, report.output("task")), (Ended::Run(RunStatus::Succeeded), "\"theirs\""));
    assert_eq!(report.events("task"), ["ready", "started", "lease_lost"]);
}
