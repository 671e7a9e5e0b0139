//! Time to take over the task of a killed host: by another host, and by a restarted one.
//! The tests check the takeover itself.

use crate::median;
use crate::workload::Workload;
use cascade_host_tests::Redis;
use std::thread::sleep;
use std::time::Duration;

/// Number of kills per case.
const KILLS: u32 = 9;

/// The lease, in seconds.
const LEASE: u32 = 2;

/// Rounds of a task that never ends within the benchmark.
const ROUNDS: u64 = 100_000_000_000;

/// Takeover by another live host, which learns of the kill only by the lease.
pub(crate) fn by_another_host() {
    let (server, workload) = (Redis::start(""), Workload::busy(1, ROUNDS));
    let uri = format!("{}?lease={LEASE}s", server.uri());
    let lease = Duration::from_secs(u64::from(LEASE));
    let trials = (0..KILLS).map(|kill| {
        server.command(&["FLUSHALL"]);
        let mut first = workload.start("one", "bench", &uri, 1);
        first.wait_for("task.started");
        let second = workload.start("other", "bench", &uri, 1);
        second.wait_for("run.started");
        // The kill falls anywhere between two renewals.
        sleep(Duration::from_millis(300) + lease / 3 * kill / KILLS);
        let killed_at = first.kill();
        since(killed_at, second.wait_for("task.taken_over").at)
    });
    let trials: Vec<Duration> = trials.collect();
    println!(
        "from kill -9 to the takeover by another host: {:.2} × the lease of {lease:?} (median {:.2?}, from {:.2?} to \
         {:.2?})",
        median(trials.clone()).as_secs_f64() / lease.as_secs_f64(),
        median(trials.clone()),
        trials.iter().min().copied().unwrap_or_default(),
        trials.iter().max().copied().unwrap_or_default(),
    );
}

/// Takeover by a host that is restarted on the same machine at once.
pub(crate) fn by_restart() {
    let (server, workload) = (Redis::start(""), Workload::busy(1, ROUNDS));
    let uri = format!("{}?lease={LEASE}s", server.uri());
    let trials = (0..KILLS).map(|_| {
        server.command(&["FLUSHALL"]);
        let mut first = workload.start("one", "bench", &uri, 1);
        first.wait_for("task.started");
        let killed_at = first.kill();
        let restarted = workload.start("again", "bench", &uri, 1);
        (
            since(killed_at, restarted.wait_for("task.started").at),
            since(killed_at, restarted.wait_for("run.resumed").at),
        )
    });
    let (started, resumed): (Vec<Duration>, Vec<Duration>) = trials.unzip();
    let (started, resumed) = (median(started), median(resumed));
    println!(
        "from kill -9 and a restart of the host until its task runs again: {:.3} × the lease of {LEASE} s \
         ({started:.0?}, of which {resumed:.0?} until the run is open)",
        started.as_secs_f64() / f64::from(LEASE),
    );
}

fn since(start: i64, later: i64) -> Duration {
    Duration::from_millis(u64::try_from(later - start).unwrap_or_default())
}
