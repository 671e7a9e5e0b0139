//! The engine with ledgers that are slow or fail, as over a network.

use crate::engine::tests::draft::*;
use crate::engine::tests::fixture::*;
use crate::engine::{Ended, Interrupt};
use crate::invoke::Call;
use crate::model::{FailurePolicy, RunStatus};
use crate::plan::Bound;
use crate::state::{
    Entry, Error, ErrorKind, Ledger, Loss, Mode, NodeId, Reply, Settlement, Token, Version, Want,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A ledger with slow commits, of which only a limited number succeed.
struct Slow {
    ledger: Arc<dyn Ledger>,
    duration: Duration,
    commits_left: AtomicU32,
    /// Whether leases never expire, as for a host whose memory ends with it.
    keeps_leases: bool,
}

impl Slow {
    fn wrap(ledger: Arc<dyn Ledger>, millis: u64, commits: u32) -> Arc<dyn Ledger> {
        let duration = Duration::from_millis(millis);
        Arc::new(Self { ledger, duration, commits_left: AtomicU32::new(commits), keeps_leases: true })
    }

    /// Returns the ledger of a killed host: nobody leaves the run in its name.
    fn for_killed_host(ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        std::mem::forget(Arc::clone(&ledger));
        let duration = Duration::from_millis(2);
        Arc::new(Self { ledger, duration, commits_left: AtomicU32::new(999), keeps_leases: false })
    }
}

#[async_trait]
impl Ledger for Slow {
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
        tokio::time::sleep(self.duration).await;
        let commits_left =
            self.commits_left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |commits_left| commits_left.checked_sub(1));
        commits_left.map_err(|_| Error::new(ErrorKind::Unavailable, "committing"))?;
        self.ledger.commit(batch, want).await
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
        if self.keeps_leases { self.ledger.keep_leases() } else { Ok(unbounded_channel().1) }
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

fn staggered(tasks: u64) -> Draft {
    let mut draft = Draft::new();
    for index in 0..tasks {
        draft.task(&format!("t{index}"), vec![]);
    }
    draft
}

fn duration_by_name(call: &Call) -> ScriptedCall {
    let number: u64 = call.attempt.task.as_str()[1..].parse().unwrap();
    returns(1 + number, "x")
}

#[tokio::test(start_paused = true)]
async fn settlements_during_a_commit_go_into_the_next_commit() {
    // One commit claims, one takes the first end, one all others, and one closes the run.
    let fixture = Fixture { wrap_ledger: |ledger| Slow::wrap(ledger, 100, 4), ..Fixture::new() };
    let report = fixture.run(&staggered(8).bound(), duration_by_name).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn short_tasks_do_not_wait_for_a_slow_ledger() {
    // Two at a time, one millisecond each: 200 take 100 ms. With a round trip for each pair they would take 500.
    let fixture = Fixture { wrap_ledger: |ledger| Slow::wrap(ledger, 2, 999), slots: 2, ..Fixture::new() };
    let bound = staggered(200).bound();
    let report = fixture.run(&bound, |_| returns(1, "x")).await;
    let last = report.calls_made.iter().filter_map(|record| record.ended).max().unwrap();
    assert!(last < 200, "{last}");
    for record in &report.calls_made {
        let together = report.calls_made.iter().filter(|other| {
            other.started <= record.started && other.ended.is_some_and(|ended| ended > record.started)
        });
        assert!(together.count() <= 2, "{record:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn prefetched_claims_are_returned_when_tasks_become_long() {
    let fixture = Fixture { wrap_ledger: |ledger| Slow::wrap(ledger, 2, 999), slots: 1, ..Fixture::new() };
    let bound = staggered(60).bound();
    let script = |call: &Call| {
        let number: u32 = call.attempt.task.as_str()[1..].parse().unwrap();
        returns(if number < 50 { 1 } else { 5_000 }, "x")
    };
    let (first, second) = tokio::join!(fixture.run(&bound, script), fixture.run(&bound, script));
    let long_calls = |record: &&CallRecord| record.ended.is_some_and(|ended| ended >= record.started + 5_000);
    let (first, second) = (
        first.calls_made.iter().filter(long_calls).count(),
        second.calls_made.iter().filter(long_calls).count(),
    );
    assert_eq!((first, second), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn interrupted_host_starts_no_prefetched_claim() {
    let fixture = Fixture { wrap_ledger: |ledger| Slow::wrap(ledger, 2, 999), slots: 1, ..Fixture::new() };
    let bound = staggered(100).bound();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        fixture.interrupt.send_replace(Interrupt::Drain);
    };
    let (report, ()) = tokio::join!(fixture.run(&bound, |_| returns(1, "x")), stop);
    assert_eq!(report.ended, Ended::Interrupted);
    assert!(
        report.calls_made.iter().all(|record| record.started <= 40 && record.ended.is_some()),
        "{:?}",
        report.calls_made
    );
}

/// Runs a plan of short tasks as a host that is killed when it starts `task`; returns none if it is killed.
async fn run_until_killed(fixture: &Fixture, bound: &Arc<Bound>, task: &'static str) -> Option<RunReport> {
    let kill = Arc::new(Notify::new());
    let signal = Arc::clone(&kill);
    let script = move |call: &Call| {
        if call.attempt.task.as_str() == task {
            signal.notify_one();
        }
        returns(1, "x")
    };
    tokio::select! {
        report = fixture.run(bound, script) => Some(report),
        () = kill.notified() => None,
    }
}

#[tokio::test(start_paused = true)]
async fn claims_beside_a_task_that_kills_hosts_do_not_fail_with_it() {
    let policy = FailurePolicy::KeepGoing;
    let fixture = Fixture { wrap_ledger: Slow::for_killed_host, slots: 1, policy, ..Fixture::new() };
    // All hosts know that tasks are short by the time one of them starts the task that kills.
    let bound = staggered(200).bound();
    let hosts = (0..5).map(|_| run_until_killed(&fixture, &bound, "t190"));
    let reports: Vec<RunReport> = join_all(hosts).await.into_iter().flatten().collect();
    assert_eq!(reports.len(), 1, "four hosts are killed");
    let failed = reports[0].lines.iter().filter(|line| line["event"] == "task.failed");
    let failed: Vec<_> = failed.filter_map(|line| line["task"].as_str()).collect();
    assert_eq!(failed, ["t190"]);
    assert_eq!(fixture.run(&bound, |_| returns(1, "x")).await.calls(), ["t190"], "all others had ended");
}

#[tokio::test(start_paused = true)]
async fn guests_are_stopped_while_a_commit_is_under_way() {
    let fixture = Fixture { wrap_ledger: |ledger| Slow::wrap(ledger, 1000, 99), ..Fixture::new() };
    let bound = staggered(2).bound();
    let abort = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        fixture.interrupt.send_replace(Interrupt::Abort);
    };
    let script = |call: &Call| returns(if call.attempt.task.as_str() == "t0" { 1 } else { 600 }, "x");
    let (report, ()) = tokio::join!(fixture.run(&bound, script), abort);
    assert_eq!((report.ended, report.call("t1").ended), (Ended::Interrupted, None));
    assert_eq!(
        (report.events("t0").pop(), report.events("t1").pop()),
        (Some("finished".into()), Some("failed".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn lost_backend_fails_the_run_and_keeps_committed_results() {
    let mut fixture = Fixture { wrap_ledger: |ledger| Slow::wrap(ledger, 1, 2), ..Fixture::new() };
    let bound = staggered(3).bound();
    let error = fixture.try_run(&bound, duration_by_name).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    fixture.wrap_ledger = |ledger| ledger;
    let report = fixture.run(&bound, duration_by_name).await;
    assert_eq!(
        (report.ended, report.events("t0")),
        (Ended::Run(RunStatus::Succeeded), vec!["stored".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_while_a_commit_is_under_way() {
    let mut fixture = Fixture { wrap_ledger: |ledger| Slow::wrap(ledger, 30_000, 99), ..Fixture::new() };
    let bound = staggered(2).bound();
    let script = |call: &Call| returns(if call.attempt.task.as_str() == "t0" { 1 } else { 25_000 }, "x");
    let slow = fixture.run(&bound, script).await;
    assert_eq!(slow.events("t1"), ["ready", "started", "finished"]);
    // Another host would take over a claim without a heartbeat: running and settling claims both keep theirs.
    fixture = Fixture { mode: Mode::Fresh, ..fixture };
    let slow = fixture.run(&bound, script);
    let second = async {
        tokio::time::sleep(Duration::from_secs(31)).await;
        let (second, _) =
            Fixture { backend: Arc::clone(&fixture.backend), ..Fixture::new() }.open(&bound).await;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let reply = second.ledger.commit(vec![], Want { slots: 9, free: vec![1 << 10] }).await.unwrap();
            assert_eq!(reply.claims, []);
        }
    };
    let (slow, ()) = tokio::join!(slow, second);
    assert_eq!(slow.events("t0"), ["ready", "started", "finished"]);
}
