//! Tasks that keep a core busy, on two hosts of one thread each against one such host.
//! Tasks that do nothing are for `throughput`.

use crate::server::{measuring, together};
use crate::shared::compare_timed;
use crate::site::{Site, span};

/// Runs of each side; the medians count.
const RUNS: usize = 5;

/// Tasks of a run.
const TASKS: u32 = 60;

/// Rounds of a task: some tens of milliseconds.
const ROUNDS: u64 = 15_000_000;

/// Two hosts against one.
pub(crate) fn two_hosts() {
    let (server, site) = (measuring(), Site::burning(TASKS, ROUNDS));
    let run = |hosts| span(&together(&server, &site, &server.uri(), hosts, 1));
    let medians = compare_timed(RUNS, || run(1), || run(2));
    println!(
        "{TASKS} tasks that keep a core busy for {:.0?} each, on one host of one thread against two: {medians}",
        medians.ours / TASKS,
    );
}
