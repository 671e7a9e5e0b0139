//! Tasks that do nothing, through one, two and four hosts: how many a second, against what the server could do.
//! The distance to the server is for `distance`.

use crate::median;
use crate::server::{commits, measuring, together};
use crate::site::{Happened, Site, span};
use cascade_host_tests::Redis;
use std::time::Duration;

/// Runs of each number of hosts; the medians count.
const RUNS: usize = 5;

/// Hosts that work together.
const HOSTS: [u32; 3] = [1, 2, 4];

/// Independent tasks, and how many of them a host may have at a time.
const INDEPENDENT: u32 = 10_000;
const JOBS: u32 = 64;

/// Tasks of the chain.
const CHAIN: u32 = 1_000;

/// Independent tasks.
pub(crate) fn independent() {
    let (server, site) = (measuring(), Site::independent(INDEPENDENT));
    for hosts in HOSTS {
        report(&server, &site, &Case { what: "independent tasks", tasks: INDEPENDENT, hosts, jobs: JOBS });
    }
}

/// A chain.
pub(crate) fn chain() {
    let (server, site) = (measuring(), Site::chain(CHAIN));
    for hosts in HOSTS {
        report(&server, &site, &Case { what: "chained tasks", tasks: CHAIN, hosts, jobs: 1 });
    }
}

struct Case {
    what: &'static str,
    tasks: u32,
    hosts: u32,
    jobs: u32,
}

/// The server's limit is what the script of these very commits takes: were they to come without a pause, and nothing else.
fn report(server: &Redis, site: &Site, case: &Case) {
    let &Case { what, tasks, hosts, jobs } = case;
    together(server, site, &server.uri(), hosts, jobs);
    let runs = (0..RUNS).map(|_| {
        let told = together(server, site, &server.uri(), hosts, jobs);
        (span(&told), commits(server), shares(&told))
    });
    let runs: Vec<_> = runs.collect();
    let took = median(runs.iter().map(|(took, _, _)| *took).collect());
    let script = median(runs.iter().map(|(_, commits, _)| commits.script).collect());
    let rate = |time: Duration| f64::from(tasks) / time.as_secs_f64();
    let calls = runs.last().map_or(0, |(_, commits, _)| commits.calls);
    println!(
        "{hosts} hosts, {tasks} {what}, -j {jobs}: {:.0} tasks/s, {:.2} × the server's limit of {:.0}; \
         {calls} commits of {:.1?}; tasks of each: {:?}",
        rate(took),
        rate(took) / rate(script),
        rate(script),
        script / calls.max(1),
        runs.last().map(|(_, _, shares)| shares.as_slice()).unwrap_or_default(),
    );
}

/// How many tasks each host did.
fn shares(told: &[Vec<Happened>]) -> Vec<usize> {
    let done = |told: &Vec<Happened>| told.iter().filter(|happened| happened.kind == "task.finished").count();
    told.iter().map(done).collect()
}
