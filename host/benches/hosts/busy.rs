//! Tasks that keep a core busy, on two hosts of one thread each against one such host.
//! `throughput` measures no-op tasks.

use crate::server::{run_hosts, start_with_slowlog};
use crate::shared::compare_timed;
use crate::workload::{Workload, span};

/// Runs of each side; the medians count.
const RUNS: usize = 5;

/// Tasks of a run.
const TASKS: u32 = 60;

/// Rounds of a task: some tens of milliseconds.
const ROUNDS: u64 = 15_000_000;

/// Compares two hosts with one.
pub(crate) fn two_hosts() {
    let (server, workload) = (start_with_slowlog(), Workload::busy(TASKS, ROUNDS));
    let run = |hosts| span(&run_hosts(&server, &workload, &server.uri(), hosts, 1));
    let medians = compare_timed(RUNS, || run(1), || run(2));
    println!(
        "{TASKS} tasks that keep a core busy for {:.0?} each, on one host of one thread against two: {medians}",
        medians.subject / TASKS,
    );
}
