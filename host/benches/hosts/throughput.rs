//! Throughput of no-op tasks on one, two and four hosts, against the limit of the server.
//! `latency` measures the latency to the server.

use crate::median;
use crate::server::{commits, run_hosts, start_with_slowlog};
use crate::workload::{HostEvent, Workload, span};
use cascade_host_tests::Redis;
use std::time::Duration;

/// Runs of each number of hosts; the medians count.
const RUNS: usize = 5;

/// Numbers of hosts.
const HOSTS: [u32; 3] = [1, 2, 4];

/// Number of independent tasks, and of concurrent tasks per host.
const INDEPENDENT: u32 = 10_000;
const JOBS: u32 = 64;

/// Number of tasks of the chain.
const CHAIN: u32 = 1_000;

/// Independent tasks.
pub(crate) fn independent() {
    let (server, workload) = (start_with_slowlog(), Workload::independent(INDEPENDENT));
    for hosts in HOSTS {
        report(
            &server,
            &workload,
            &Case { tasks_text: "independent tasks", tasks: INDEPENDENT, hosts, jobs: JOBS },
        );
    }
}

/// A chain.
pub(crate) fn chain() {
    let (server, workload) = (start_with_slowlog(), Workload::chain(CHAIN));
    for hosts in HOSTS {
        report(&server, &workload, &Case { tasks_text: "chained tasks", tasks: CHAIN, hosts, jobs: 1 });
    }
}

struct Case {
    tasks_text: &'static str,
    tasks: u32,
    hosts: u32,
    jobs: u32,
}

/// Prints the throughput. The server's limit is the script time of these commits, as if they arrived without a pause.
fn report(server: &Redis, workload: &Workload, case: &Case) {
    let &Case { tasks_text, tasks, hosts, jobs } = case;
    run_hosts(server, workload, &server.uri(), hosts, jobs);
    let runs = (0..RUNS).map(|_| {
        let events = run_hosts(server, workload, &server.uri(), hosts, jobs);
        (span(&events), commits(server), shares(&events))
    });
    let runs: Vec<_> = runs.collect();
    let took = median(runs.iter().map(|(took, _, _)| *took).collect());
    let script = median(runs.iter().map(|(_, commits, _)| commits.script).collect());
    let rate = |time: Duration| f64::from(tasks) / time.as_secs_f64();
    let calls = runs.last().map_or(0, |(_, commits, _)| commits.calls);
    println!(
        "{hosts} hosts, {tasks} {tasks_text}, -j {jobs}: {:.0} tasks/s, {:.2} × the server's limit of {:.0}; \
         {calls} commits of {:.1?}; tasks of each: {:?}",
        rate(took),
        rate(took) / rate(script),
        rate(script),
        script / calls.max(1),
        runs.last().map(|(_, _, shares)| shares.as_slice()).unwrap_or_default(),
    );
}

/// Returns the number of tasks that each host finished.
fn shares(events: &[Vec<HostEvent>]) -> Vec<usize> {
    let done = |events: &Vec<HostEvent>| events.iter().filter(|event| event.kind == "task.finished").count();
    events.iter().map(done).collect()
}
