//! Several processes of the host on one run in Redis, as they are started by users: how many tasks a second, what
//! distance costs, what a second host brings, how soon the tasks of one that was killed are taken over, and the memory of
//! a task.
//! `cargo bench -p cascade-host --features internals --bench hosts` prints the ratios.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at what it does not expect, and prints its ratios"
)]

#[path = "../shared/mod.rs"]
mod shared;
mod site;
mod server;
mod throughput;
mod wire;
mod distance;
mod burning;
mod takeover;
mod memory;

use crate::shared::run_chosen;

fn main() {
    println!("load of the machine: {}", load());
    run_chosen(&[
        ("independent", throughput::independent),
        ("chain", throughput::chain),
        ("far-chain", distance::chain),
        ("far-independent", distance::independent),
        ("burning", burning::two_hosts),
        ("takeover", takeover::by_another),
        ("restart", takeover::by_itself),
        ("memory", memory::of_tasks),
    ]);
    println!("load of the machine: {}", load());
}

/// What else the machine does: the averages of 1, 5 and 15 minutes.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

/// The one in the middle.
fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
