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
use futures_util::future::join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A ledger with slow commits, of which only a limited number succeed.
struct Slow {
    ledger: Arc<dyn Ledger>,
    takes: Duration,
    left: AtomicU32,
    /// Whether leases never expire, as for a host whose memory ends with it.
    keeps: bool,
}

impl Slow {
    fn over(ledger: Arc<dyn Ledger>, millis: u64, commits: u32) -> Arc<dyn Ledger> {
        let takes = Duration::from_millis(millis);
        Arc::new(Self { ledger, takes, left: AtomicU32::new(commits), keeps: true })
    }

    /// Returns the ledger of a killed host: nobody leaves the run in its name.
    fn of_killed(ledger: Arc<dyn Ledger>) -> Arc<dyn Ledger> {
        std::mem::forget(Arc::clone(&ledger));
        let takes = Duration::from_millis(2);
        Arc::new(Self { ledger, takes, left: AtomicU32::new(999), keeps: false })
    }
}

#[async_trait]
impl Ledger for Slow {
    async fn commit(&self, batch: Vec<Settlement>, want: Want) -> Result<Reply, Error> {
        tokio::time::sleep(self.takes).await;
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| Error::new(ErrorKind::Unavailable, "committing"))?;
        self.ledger.commit(batch, want).await
    }

    fn max_claims(&self) -> u32 {
        self.ledger.max_claims()
    }

    async fn fetch(&self, nodes: &[NodeId]) -> Result<Vec<Entry>, Error> {
        self.ledger.fetch(nodes).await
    }

    fn keep_leases(&self) -> Result<UnboundedReceiver<Loss>, Error> {
        if self.keeps { self.ledger.keep_leases() } else { Ok(unbounded_channel().1) }
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

fn staggered(tasks: u64) -> Draft {
    let mut draft = Draft::new();
    for at in 0..tasks {
        draft.task(&format!("t{at}"), vec![]);
    }
    draft
}

fn by_name(call: &Call) -> Act {
    let number: u64 = call.attempt.task.as_str()[1..].parse().unwrap();
    returns(1 + number, "x")
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_a_commit_is_under_way_goes_into_the_next_one() {
    // One commit claims, one takes the first end, one all others, and one closes the run.
    let bench = Fixture { between: |ledger| Slow::over(ledger, 100, 4), ..Fixture::new() };
    let report = bench.run(&staggered(8).bound(), by_name).await;
    assert_eq!(report.ended, Ended::Run(RunStatus::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn short_tasks_do_not_wait_for_a_ledger_that_is_far() {
    // Two at a time, one millisecond each: 200 take 100 ms. With a round trip for each pair they would take 500.
    let bench = Fixture { between: |ledger| Slow::over(ledger, 2, 999), slots: 2, ..Fixture::new() };
    let bound = staggered(200).bound();
    let report = bench.run(&bound, |_| returns(1, "x")).await;
    let last = report.made.iter().filter_map(|made| made.ended).max().unwrap();
    assert!(last < 200, "{last}");
    for made in &report.made {
        let together = report
            .made
            .iter()
            .filter(|other| other.began <= made.began && other.ended.is_some_and(|ended| ended > made.began));
        assert!(together.count() <= 2, "{made:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_ahead_is_left_to_others_once_tasks_are_long() {
    let bench = Fixture { between: |ledger| Slow::over(ledger, 2, 999), slots: 1, ..Fixture::new() };
    let bound = staggered(60).bound();
    let script = |call: &Call| {
        let number: u32 = call.attempt.task.as_str()[1..].parse().unwrap();
        returns(if number < 50 { 1 } else { 5_000 }, "x")
    };
    let (one, other) = tokio::join!(bench.run(&bound, script), bench.run(&bound, script));
    let long = |made: &&Made| made.ended.is_some_and(|ended| ended >= made.began + 5_000);
    let (one, other) = (one.made.iter().filter(long).count(), other.made.iter().filter(long).count());
    assert_eq!((one, other), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn what_was_claimed_ahead_is_not_begun_once_the_host_is_told_to_stop() {
    let bench = Fixture { between: |ledger| Slow::over(ledger, 2, 999), slots: 1, ..Fixture::new() };
    let bound = staggered(100).bound();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        bench.interrupt.send_replace(Interrupt::Drain);
    };
    let (report, ()) = tokio::join!(bench.run(&bound, |_| returns(1, "x")), stop);
    assert_eq!(report.ended, Ended::Interrupted);
    assert!(report.made.iter().all(|made| made.began <= 40 && made.ended.is_some()), "{:?}", report.made);
}

/// Runs a plan of short tasks as a host that is killed when it starts `task`; returns none if it is killed.
async fn killed_by(bench: &Fixture, bound: &Arc<Bound>, task: &'static str) -> Option<RunReport> {
    let kill = Arc::new(Notify::new());
    let killing = Arc::clone(&kill);
    let script = move |call: &Call| {
        if call.attempt.task.as_str() == task {
            killing.notify_one();
        }
        returns(1, "x")
    };
    tokio::select! {
        report = bench.run(bound, script) => Some(report),
        () = kill.notified() => None,
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_held_beside_a_task_that_kills_hosts_is_not_lost_with_it() {
    let policy = FailurePolicy::KeepGoing;
    let bench = Fixture { between: Slow::of_killed, slots: 1, policy, ..Fixture::new() };
    // All hosts know that tasks are short by the time one of them starts the task that kills.
    let bound = staggered(200).bound();
    let hosts = (0..5).map(|_| killed_by(&bench, &bound, "t190"));
    let reports: Vec<RunReport> = join_all(hosts).await.into_iter().flatten().collect();
    assert_eq!(reports.len(), 1, "four hosts are killed");
    let failed = reports[0].lines.iter().filter(|line| line["event"] == "task.failed");
    let failed: Vec<_> = failed.filter_map(|line| line["task"].as_str()).collect();
    assert_eq!(failed, ["t190"]);
    assert_eq!(bench.run(&bound, |_| returns(1, "x")).await.calls(), ["t190"], "all others had ended");
}

#[tokio::test(start_paused = true)]
async fn guests_are_stopped_while_a_commit_is_under_way() {
    let bench = Fixture { between: |ledger| Slow::over(ledger, 1000, 99), ..Fixture::new() };
    let bound = staggered(2).bound();
    let abort = async {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        bench.interrupt.send_replace(Interrupt::Abort);
    };
    let script = |call: &Call| returns(if call.attempt.task.as_str() == "t0" { 1 } else { 600 }, "x");
    let (report, ()) = tokio::join!(bench.run(&bound, script), abort);
    assert_eq!((report.ended, report.call("t1").ended), (Ended::Interrupted, None));
    assert_eq!(
        (report.events("t0").pop(), report.events("t1").pop()),
        (Some("finished".into()), Some("failed".into()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_lost_backend_ends_the_run_with_its_error_and_loses_nothing_committed() {
    let mut bench = Fixture { between: |ledger| Slow::over(ledger, 1, 2), ..Fixture::new() };
    let bound = staggered(3).bound();
    let error = bench.try_run(&bound, by_name).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    bench.between = |ledger| ledger;
    let report = bench.run(&bound, by_name).await;
    assert_eq!(
        (report.ended, report.events("t0")),
        (Ended::Run(RunStatus::Succeeded), vec!["stored".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_while_a_commit_is_under_way() {
    let mut bench = Fixture { between: |ledger| Slow::over(ledger, 30_000, 99), ..Fixture::new() };
    let bound = staggered(2).bound();
    let script = |call: &Call| returns(if call.attempt.task.as_str() == "t0" { 1 } else { 25_000 }, "x");
    let slow = bench.run(&bound, script).await;
    assert_eq!(slow.events("t1"), ["ready", "started", "finished"]);
    // Another host would take over a claim without a heartbeat: running and settling claims both keep theirs.
    bench = Fixture { mode: Mode::Fresh, ..bench };
    let slow = bench.run(&bound, script);
    let other = async {
        tokio::time::sleep(Duration::from_secs(31)).await;
        let (other, _) = Fixture { backend: Arc::clone(&bench.backend), ..Fixture::new() }.open(&bound).await;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let reply = other.ledger.commit(vec![], Want { slots: 9, free: vec![1 << 10] }).await.unwrap();
            assert_eq!(reply.claims, []);
        }
    };
    let (slow, ()) = tokio::join!(slow, other);
    assert_eq!(slow.events("t0"), ["ready", "started", "finished"]);
}
