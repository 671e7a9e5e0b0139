//! One host at a distance from its server: what a chain and independent tasks lose by it.
//! How many tasks a server on the same machine allows is for `throughput`.

use crate::median;
use crate::server::{commits, measuring, together};
use crate::site::{Site, span};
use crate::wire::Wire;
use cascade_host_tests::Redis;
use std::time::Duration;

/// Runs of each; the medians count.
const RUNS: usize = 3;

/// How long each way takes: two milliseconds there and back.
const WAY: Duration = Duration::from_millis(1);

/// Tasks of the chain.
const CHAIN: u32 = 500;

/// Independent tasks that do nothing, and how many of them the host may have at a time.
const INDEPENDENT: u32 = 10_000;
const JOBS: u32 = 64;

/// Independent tasks that take one host of one thread a while, and the rounds of each.
const BUSY: u32 = 60;
const ROUNDS: u64 = 15_000_000;

/// A chain, against one round trip for each task.
pub(crate) fn chain() {
    let (server, site) = (measuring(), Site::chain(CHAIN));
    let near = near(&server, &site, 1);
    let wire = Wire::to(server.port(), WAY);
    let trip = wire.round_trip();
    let (far, requests) = far(&server, &site, &wire, 1);
    let each = |count: u32| f64::from(count) / f64::from(CHAIN);
    println!(
        "chain of {CHAIN} at {trip:.2?} there and back: {:.3} × one round trip a task, {:.3} × with what it takes \
         without a distance; {:.3} commits a task, {:.3} requests with all that goes on beside; {far:.0?} against \
         {near:.0?} without a distance",
        far.as_secs_f64() / (trip * CHAIN).as_secs_f64(),
        far.as_secs_f64() / (trip * CHAIN + near).as_secs_f64(),
        each(commits(&server).calls),
        each(requests),
    );
}

/// Independent tasks, against none of the distance.
pub(crate) fn independent() {
    let server = measuring();
    let wire = Wire::to(server.port(), WAY);
    let trip = wire.round_trip();
    let idle = ("that do nothing", Site::independent(INDEPENDENT), INDEPENDENT, JOBS);
    let busy = ("that keep a core busy for some 20 ms", Site::burning(BUSY, ROUNDS), BUSY, 1);
    for (what, site, tasks, jobs) in [idle, busy] {
        let near = near(&server, &site, jobs);
        let (far, requests) = far(&server, &site, &wire, jobs);
        println!(
            "{tasks} independent tasks {what}, -j {jobs}, at {trip:.2?} there and back: {:.2} × as long as without a \
             distance ({far:.0?} against {near:.0?}) in {requests} requests",
            far.as_secs_f64() / near.as_secs_f64(),
        );
    }
}

fn near(server: &Redis, site: &Site, jobs: u32) -> Duration {
    let run = || span(&together(server, site, &server.uri(), 1, jobs));
    run();
    median((0..RUNS).map(|_| run()).collect())
}

/// How long it takes over the wire, and how often the host spoke.
fn far(server: &Redis, site: &Site, wire: &Wire, jobs: u32) -> (Duration, u32) {
    let runs = (0..RUNS).map(|_| {
        wire.requests();
        let took = span(&together(server, site, &wire.uri(), 1, jobs));
        (took, wire.requests())
    });
    median(runs.collect())
}
