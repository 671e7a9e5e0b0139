//! Cost of latency between one host and its server, for a chain and for independent tasks.
//! `throughput` measures a server on the same machine.

use crate::delayed_link::DelayedLink;
use crate::median;
use crate::server::{commits, run_hosts, start_with_slowlog};
use crate::workload::{Workload, span};
use cascade_host_tests::Redis;
use std::time::Duration;

/// Runs of each; the medians count.
const RUNS: usize = 3;

/// Latency of one direction; a round trip takes two milliseconds.
const WAY: Duration = Duration::from_millis(1);

/// Tasks of the chain.
const CHAIN: u32 = 500;

/// Number of independent no-op tasks, and of concurrent tasks of the host.
const INDEPENDENT: u32 = 10_000;
const JOBS: u32 = 64;

/// Number of independent tasks that keep a core busy, and the rounds of each.
const BUSY: u32 = 60;
const ROUNDS: u64 = 15_000_000;

/// Compares a chain with one round trip per task.
pub(crate) fn chain() {
    let (server, workload) = (start_with_slowlog(), Workload::chain(CHAIN));
    let near = near(&server, &workload, 1);
    let link = DelayedLink::new(server.port(), WAY);
    let trip = link.round_trip();
    let (far, requests) = far(&server, &workload, &link, 1);
    let each = |count: u32| f64::from(count) / f64::from(CHAIN);
    println!(
        "chain of {CHAIN} at {trip:.2?} per round trip: {:.3} × one round trip a task, {:.3} × with the task time \
         without latency; {:.3} commits a task, {:.3} requests including all others; {far:.0?} against \
         {near:.0?} without latency",
        far.as_secs_f64() / (trip * CHAIN).as_secs_f64(),
        far.as_secs_f64() / (trip * CHAIN + near).as_secs_f64(),
        each(commits(&server).calls),
        each(requests),
    );
}

/// Compares independent tasks with and without latency.
pub(crate) fn independent() {
    let server = start_with_slowlog();
    let link = DelayedLink::new(server.port(), WAY);
    let trip = link.round_trip();
    let idle = ("that do nothing", Workload::independent(INDEPENDENT), INDEPENDENT, JOBS);
    let busy = ("that keep a core busy for some 20 ms", Workload::busy(BUSY, ROUNDS), BUSY, 1);
    for (tasks_text, workload, tasks, jobs) in [idle, busy] {
        let near = near(&server, &workload, jobs);
        let (far, requests) = far(&server, &workload, &link, jobs);
        println!(
            "{tasks} independent tasks {tasks_text}, -j {jobs}, at {trip:.2?} per round trip: {:.2} × as long as without \
             latency ({far:.0?} against {near:.0?}) in {requests} requests",
            far.as_secs_f64() / near.as_secs_f64(),
        );
    }
}

fn near(server: &Redis, workload: &Workload, jobs: u32) -> Duration {
    let run = || span(&run_hosts(server, workload, &server.uri(), 1, jobs));
    run();
    median((0..RUNS).map(|_| run()).collect())
}

/// Returns the time over the link, and the number of requests.
fn far(server: &Redis, workload: &Workload, link: &DelayedLink, jobs: u32) -> (Duration, u32) {
    let runs = (0..RUNS).map(|_| {
        link.requests();
        let took = span(&run_hosts(server, workload, &link.uri(), 1, jobs));
        (took, link.requests())
    });
    median(runs.collect())
}
