//! Several host processes on one run in Redis, started as users do: throughput, cost of latency, gain of a second host,
//! time to take over the tasks of a killed host, and memory per task.
//! `cargo bench -p cascade-host --features internals --bench hosts` prints the ratios.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

#[path = "../shared/mod.rs"]
mod shared;
mod workload;
mod server;
mod throughput;
mod delayed_link;
mod latency;
mod busy;
mod takeover;
mod memory;

use crate::shared::run_chosen;

fn main() {
    println!("load of the machine: {}", load());
    run_chosen(&[
        ("independent", throughput::independent),
        ("chain", throughput::chain),
        ("far-chain", latency::chain),
        ("far-independent", latency::independent),
        ("burning", busy::two_hosts),
        ("takeover", takeover::by_another_host),
        ("restart", takeover::by_restart),
        ("memory", memory::per_task),
    ]);
    println!("load of the machine: {}", load());
}

/// Returns the load averages of the machine over 1, 5 and 15 minutes.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

/// Returns the median.
fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
