//! Faults of server and network: nothing is lost or done twice, and errors name the cause.
//! The classes of errors are tested in `link/errors.rs`.

use super::proxy::{Cut, Proxy};
use super::*;
use crate::model::SkipReason;
use crate::state::conformance::{Fixture, Host};
use crate::state::redis::link::{Link, RetryPolicy};
use crate::state::{
    Certainty, Claim, Entry, ErrorKind, NodeId, Notice, OpenKind, Outcome, RedisUri, Verdict,
};
use std::thread;
use std::time::{Duration, Instant};

/// A harness with an existing backend.
struct There(Arc<dyn Backend>);

#[async_trait]
impl Harness for There {
    async fn backend(&self) -> Arc<dyn Backend> {
        Arc::clone(&self.0)
    }
}

/// A bench, and what is known of how its server serves.
async fn watched(uri: &str, waits_for: &[&[u32]]) -> (Fixture, watch::Receiver<Health>) {
    let backend = Arc::new(at(uri));
    let health = backend.health().unwrap();
    (Fixture::new(&There(backend), waits_for).await, health)
}

pub(super) async fn bench(uri: &str, waits_for: &[&[u32]]) -> Fixture {
    Fixture::new(&There(Arc::new(at(uri))), waits_for).await
}

#[tokio::test]
async fn first_result_failure_and_skip_expire_together_with_their_run() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[], &[]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    host.settle(&claims[0], Outcome::Done(b"x"[..].into())).await;
    host.settle(&claims[1], Outcome::Failed(b"x"[..].into())).await;
    host.settle(&claims[2], Outcome::Skipped(SkipReason::Pruned)).await;
    let script = "return redis.call('PTTL', KEYS[1]) - redis.call('PTTL', KEYS[2])";
    for key in ["results", "failed", "skipped"] {
        let key = format!("cascade:run:run-1:{key}");
        let later: i64 = server.cli(&["EVAL", script, "2", &key, "cascade:run:run-1:meta"]).parse().unwrap();
        assert!(later <= 0, "{key} outlives its run by {later} ms");
    }
}

fn node(at: u32) -> NodeId {
    NodeId::of_task(crate::model::TaskIdx::new(at))
}

pub(super) fn done(claims: &[Claim]) -> Vec<(crate::state::Token, Outcome)> {
    claims
        .iter()
        .map(|claim| (claim.token, Outcome::Done(claim.node.task.get().to_string().into())))
        .collect()
}

/// Works off a run and returns the nodes that were handed out.
async fn work(host: &Host) -> Vec<NodeId> {
    work_on(host, Vec::new()).await
}

/// Works off a run, beginning with given claims; returns the nodes that were handed out besides.
async fn work_on(host: &Host, claims: Vec<Claim>) -> Vec<NodeId> {
    let mut seen = Vec::new();
    let mut batch = done(&claims);
    loop {
        let reply = host.commit(batch).await;
        assert!(reply.verdicts.iter().all(|verdict| *verdict == Verdict::Committed), "{reply:?}");
        if reply.progress.open == 0 {
            return seen;
        }
        assert!(!reply.claims.is_empty(), "nothing is left to do, and the run has not ended: {reply:?}");
        seen.extend(reply.claims.iter().map(|claim| claim.node));
        batch = done(&reply.claims);
    }
}

#[tokio::test]
async fn lost_reply_loses_no_claim_and_commits_nothing_twice() {
    let server = Server::start();
    let proxy = Proxy::before(server.port()).await;
    let mut runs = 0;
    for commits in 0..4 {
        for bytes in [0, 3, 30] {
            server.cli(&["FLUSHALL"]);
            let (mut bench, health) = watched(&proxy.uri(), &[&[], &[], &[0], &[1], &[2, 3]]).await;
            let host = bench.open().await;
            proxy.cut(Cut { commits, bytes });
            let mut seen = work(&host).await;
            assert!(!proxy.is_armed(), "commit {commits} was not cut");
            seen.sort_unstable();
            assert_eq!(seen, (0..5).map(node).collect::<Vec<_>>(), "commit {commits}, byte {bytes}");
            assert_eq!(*health.borrow(), Health { reconnects: 1, outage: None });
            assert_eq!(host.ledger.notices(), []);
            runs += 1;
        }
    }
    assert_eq!(runs, 12);
}

#[tokio::test]
async fn flushed_scripts_are_reloaded() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[0]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    server.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(host.commit(done(&claims)).await.verdicts, [Verdict::Committed]);
}

#[tokio::test]
async fn killed_server_loses_nothing_with_its_file() {
    let mut server = Server::durable();
    let (mut bench, health) = watched(&server.uri(), &[&[], &[], &[0, 1]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    host.commit(done(&claims[..1])).await;
    server.kill();
    let mut commit = Box::pin(host.commit(done(&claims[1..])));
    let early = tokio::time::timeout(Duration::from_millis(300), commit.as_mut()).await;
    assert!(early.is_err(), "{early:?} without a server");
    let outage = health.borrow().outage.clone().unwrap();
    let left = outage.deadline.unwrap().saturating_duration_since(tokio::time::Instant::now());
    assert!(left > Duration::from_secs(40) && left < Duration::from_mins(1), "{left:?}");
    server.restart();
    let reply = commit.await;
    assert_eq!(reply.verdicts, [Verdict::Committed]);
    assert_eq!(reply.claims[0].node, node(2));
    assert_eq!(host.opened.epoch, 1);
    assert_eq!(health.borrow().outage, None);
    assert!(health.borrow().reconnects > 0);
}

#[tokio::test]
async fn empty_restarted_server_starts_a_new_life_with_a_warning() {
    let mut server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[], &[0, 1]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    host.commit(done(&claims[..1])).await;
    server.restart();
    let reply = host.commit(done(&claims[1..])).await;
    assert_eq!(reply.verdicts, [Verdict::Fenced]);
    assert_eq!(reply.claims.iter().map(|claim| claim.node).collect::<Vec<_>>(), [node(0), node(1)]);
    let notices = host.ledger.notices();
    assert!(
        matches!(&notices[..], [Notice { code: "state-lost", message }]
            if message.contains("lost 1 results")),
        "{notices:?}"
    );
    host.commit(done(&reply.claims)).await;
    assert_eq!(host.entry(node(0)).await, Entry::Done("0".into()));
    assert_eq!(server.cli(&["HGET", "cascade:run:run-1:meta", "epoch"]), "2");
}

#[tokio::test]
async fn evicted_keys_are_detected_and_recomputed() {
    for lost in ["results", "coord", "meta", "tasks", "times"] {
        let server = Server::start();
        let mut bench = bench(&server.uri(), &[&[], &[0], &[1]]).await;
        let host = bench.open().await;
        let claims = host.claim().await;
        let next = host.commit(done(&claims)).await.claims;
        server.cli(&["DEL", &format!("cascade:run:run-1:{lost}")]);
        let reply = host.commit(done(&next)).await;
        assert_eq!(reply.verdicts, [Verdict::Fenced], "{lost}");
        let first = u32::from(lost != "results");
        assert_eq!(reply.claims[0].node, node(first), "{lost}");
        assert!(matches!(host.ledger.notices()[..], [Notice { code: "state-lost", .. }]), "{lost}");
    }
}

#[tokio::test]
async fn host_that_opens_a_run_whose_plan_was_lost_waits_for_those_that_work_on_it() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[0], &[1]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    let next = host.commit(done(&claims)).await.claims;
    server.cli(&["DEL", "cascade:run:run-1:meta"]);
    // The run is opened before its host learns of the loss; afterwards would be right as well.
    let commit = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        host.commit(done(&next)).await
    };
    let (other, reply) = tokio::join!(bench.open(), commit);
    assert_eq!(reply.verdicts, [Verdict::Fenced]);
    assert_eq!(other.opened.kind, OpenKind::Joined);
}

/// Copies the server's current data to other keys.
fn remember(server: &Server) {
    for key in server.cli(&["KEYS", "cascade:run:*"]).lines() {
        server.cli(&["COPY", key, &format!("kept:{key}"), "REPLACE"]);
    }
}

/// Restores the copied data, as on a promoted replica that missed the last writes.
fn fall_back(server: &Server) {
    for key in server.cli(&["KEYS", "cascade:run:*"]).lines() {
        server.cli(&["DEL", key]);
    }
    for kept in server.cli(&["KEYS", "kept:*"]).lines() {
        server.cli(&["COPY", kept, kept.trim_start_matches("kept:")]);
    }
}

#[tokio::test]
async fn server_that_missed_the_last_writes_is_detected() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[], &[0, 1]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    remember(&server);
    host.commit(done(&claims[..1])).await;
    fall_back(&server);
    let reply = host.commit(done(&claims[1..])).await;
    assert_eq!(reply.verdicts, [Verdict::Fenced]);
    assert_eq!(reply.claims.iter().map(|claim| claim.node).collect::<Vec<_>>(), [node(0), node(1)]);
    assert!(matches!(&host.ledger.notices()[..], [Notice { code: "state-lost", message }]
            if message.contains("lost 1 results")),);
    assert_eq!(server.cli(&["HGET", "cascade:run:run-1:meta", "epoch"]), "2");
    assert_eq!(work_on(&host, reply.claims).await, [node(2)]);
}

#[tokio::test]
async fn missing_results_that_a_host_has_seen_are_detected() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[]]).await;
    let one = bench.open().await;
    let claims = one.claim().await;
    remember(&server);
    one.commit(done(&claims)).await;
    drop(one);
    let other = bench.open().await;
    assert_eq!(other.opened.stored.len(), 2);
    fall_back(&server);
    assert_eq!(other.claim().await.len(), 2);
    assert!(matches!(other.ledger.notices()[..], [Notice { code: "state-lost", .. }]));
}

#[tokio::test]
async fn claims_of_a_lost_life_are_reported_immediately() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[0]]).await;
    let host = bench.open().await;
    let mut losses = host.ledger.keep_leases().unwrap();
    let claims = host.claim().await;
    server.cli(&["DEL", "cascade:run:run-1:coord"]);
    host.ask().await;
    // Earlier than lease renewal would ask by itself, which is each third of a lease.
    let loss =
        tokio::time::timeout(Duration::from_secs(15), losses.recv()).await.expect("the loss is reported");
    assert_eq!(loss.map(|loss| (loss.token, loss.certainty)), Some((claims[0].token, Certainty::Taken)));
}

#[tokio::test]
async fn takeovers_are_counted_across_hosts_that_never_met() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[]]).await;
    for lost in 0..3 {
        let mut host = bench.open().await;
        host.slots = 1;
        let claims = host.claim().await;
        assert_eq!((claims[0].node, claims[0].takeovers), (node(0), lost));
        bench.gone(host).await;
    }
    let mut host = bench.open().await;
    host.slots = 1;
    let claims = host.claim().await;
    let next = host.commit(done(&claims)).await.claims;
    assert_eq!((next[0].node, next[0].takeovers), (node(1), 0));
}

#[tokio::test]
async fn stored_elements_are_skipped_without_waiting() {
    let server = Server::start();
    let list = bench(&server.uri(), &[&[]]).await.with(0, |task| task.indexed = vec![1]);
    let mut list = list;
    let mut host = list.open().await;
    host.slots = 5000;
    let expand = || Outcome::Expand { items: 5000, max_parallel: None };
    let whole = host.claim().await;
    let elements = host.commit(vec![(whole[0].token, expand())]).await.claims;
    host.slots = 0;
    host.commit(done(&elements)).await;
    list.gone(host).await;
    let again = list.open().await;
    let whole = again.claim().await;
    again.commit(vec![(whole[0].token, expand())]).await;
    let start = Instant::now();
    let whole = again.claim().await;
    assert_eq!(whole[0].stage, crate::state::Stage::Expanded { items: 5000 });
    // Earlier than a host continues by itself, which is each third of a lease.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test]
async fn server_without_memory_is_retried_and_leases_are_kept() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[0]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(host.ledger.renew(&[claims[0].token]).await.unwrap(), []);
    let start = Instant::now();
    let (reply, server) = tokio::join!(host.commit(done(&claims)), async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(server.cli(&["HLEN", "cascade:run:run-1:results"]), "0");
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        server
    });
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert_eq!((reply.verdicts, reply.claims.len()), (vec![Verdict::Committed], 1));
    drop(server);
}

#[tokio::test]
async fn read_only_or_busy_server_is_retried() {
    let server = Server::with(&["--save", "", "--busy-reply-threshold", "50"]);
    let mut bench = bench(&server.uri(), &[&[], &[0], &[1]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let (reply, ()) = tokio::join!(host.commit(done(&claims)), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.cli(&["REPLICAOF", "NO", "ONE"]);
    });
    assert_eq!((reply.verdicts, reply.claims.len()), (vec![Verdict::Committed], 1));
    let busy = "local t = redis.call('TIME') repeat local n = redis.call('TIME') until n[1] - t[1] >= 2";
    let socket = server.socket();
    let script = thread::spawn(move || {
        std::process::Command::new("redis-cli").arg("-s").arg(socket).args(["EVAL", busy, "0"]).output()
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let reply = host.commit(done(&reply.claims)).await;
    assert_eq!((reply.verdicts, reply.claims.len()), (vec![Verdict::Committed], 1));
    script.join().unwrap().unwrap();
}

#[tokio::test]
async fn loading_server_is_retried() {
    // Loading takes 15 seconds, and the server answers every half second.
    let mut server = Server::with(&["--save", "", "--appendonly", "yes", "--key-load-delay", "500"]);
    server.cli(&["EVAL", "for i = 1, 30000 do redis.call('SET', 'k' .. i, i) end", "0"]);
    server.restart();
    assert!(server.cli(&["GET", "k1"]).starts_with("LOADING"));
    let refused = || server.cli(&["INFO", "errorstats"]).lines().find_map(refusals).unwrap_or_default();
    let before = refused();
    let mut bench = bench(&format!("{}?connect-timeout=60s", server.uri()), &[&[]]).await;
    let (host, ()) = tokio::join!(bench.open(), async {
        while refused() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.cli(&["CONFIG", "SET", "key-load-delay", "0"]);
    });
    assert_eq!(host.claim().await.len(), 1);
}

/// Reads how often a loading server refused a command, from a line of its error statistics.
fn refusals(line: &str) -> Option<u64> {
    line.strip_prefix("errorstat_LOADING:count=")?.trim().parse().ok()
}

#[tokio::test]
async fn foreign_keys_and_other_versions_are_rejected_and_unchanged() {
    for (command, hint) in [
        ("SET cascade:run:run-1:results x", "another run id"),
        ("SET cascade:run:run-1:hosts x", "another run id"),
        ("HSET cascade:run:run-1:meta a b", "another run id"),
        ("HSET cascade:run:run-1:meta v 1", "version"),
        ("HSET cascade:run:run-1:results t0 x", "--fresh"),
    ] {
        let server = Server::start();
        server.cli(&command.split(' ').collect::<Vec<_>>());
        let error = bench(&server.uri(), &[&[]]).await.ask().await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Refused, "{command}");
        assert!(error.help().unwrap().contains(hint), "{command}: {:?}", error.help());
        assert_eq!(server.cli(&["DBSIZE"]), "1", "{command}");
    }
}

#[tokio::test]
async fn unavailable_server_fails_with_the_cause() {
    let mut server = Server::start();
    let StateUri::Redis(uri) = StateUri::parse(&server.uri()).unwrap() else { panic!() };
    let uri: RedisUri = *uri;
    let policy = RetryPolicy { at_start: Duration::from_secs(5), later: Duration::from_millis(600) };
    let backend = RedisBackend::over(
        Link::new(&uri, "test", policy).unwrap(),
        Link::new(&uri, "test", policy).unwrap(),
    );
    let mut bench = Fixture::new(&There(Arc::new(backend)), &[&[]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    server.kill();
    let start = Instant::now();
    let error = host.try_commit(done(&claims)).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.to_string().contains(&server.uri()), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    assert!(start.elapsed() >= Duration::from_millis(600) && start.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn every_key_of_a_run_has_a_time_to_live_and_the_run_is_listed() {
    let server = Server::start();
    let mut bench = bench(&server.uri(), &[&[], &[], &[0], &[2]]).await;
    let host = bench.open().await;
    let claims = host.claim().await;
    let reply = host.commit(done(&claims[..1])).await;
    host.commit(vec![(reply.claims[0].token, Outcome::Failed(b"no"[..].into()))]).await;
    host.commit(vec![(claims[1].token, Outcome::Retry { delay: Duration::from_secs(9), step: 0 })]).await;
    let keys = server.cli(&["KEYS", "cascade:run:*"]);
    assert!(keys.lines().count() >= 10, "{keys}");
    for key in keys.lines() {
        let left: u64 = server.cli(&["TTL", key]).parse().unwrap_or(0);
        assert!((3500..=3600).contains(&left), "{key}: {left}");
    }
    assert_eq!(server.cli(&["ZRANGE", "cascade:runs", "0", "-1"]), "run-1");
}

#[tokio::test]
async fn wide_graph_is_queued_in_portions_and_completed() {
    let server = Server::start();
    let waits_for: Vec<&[u32]> =
        std::iter::once(&[][..]).chain(std::iter::repeat_n(&[0_u32][..], 3500)).collect();
    let mut bench = bench(&server.socket_uri(), &waits_for).await;
    let mut host = bench.open().await;
    host.slots = 500;
    let mut seen = 0;
    let mut batch = Vec::new();
    loop {
        let reply = host.commit(batch).await;
        seen += reply.claims.len();
        if reply.progress.open == 0 {
            break;
        }
        batch = done(&reply.claims);
        if batch.is_empty() {
            host.ledger.changed(reply.version).await.unwrap();
        }
    }
    assert_eq!(seen, 3501);
}
