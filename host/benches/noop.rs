//! Cost of a task above the bare engine: no-op tasks through the host against a loop that instantiates the
//! same component and calls the same function. `cargo bench -p cascade-host --features internals --bench noop` prints
//! the ratios.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

mod shared;

use shared::{Raw, RawWasi, TaskHost, compare_timed, component, run_chosen, timed};
use std::time::Duration;
use tokio::runtime::Builder;

/// Tasks of a run.
const TASKS: u32 = 20_000;

/// Runs of each side.
const RUNS: usize = 11;

/// Number of concurrent guests of the host on one thread, in the second run.
const SLOTS: u32 = 4;

/// Calls `noop` in a sandbox without an engine.
fn calls(sandbox: &shared::Host, count: u32) {
    let noop = sandbox.function("noop");
    (0..count).for_each(|_| drop(sandbox.call(noop, &[])));
}

/// Prints the time of `subject` against both bare engines: one with WASI, one with nothing linked.
fn report(case: &str, threads: u32, calls: u32, mut subject: impl FnMut() -> Duration) {
    let wasi = RawWasi::new(&component(), calls);
    let medians = compare_timed(RUNS, &mut subject, || timed(|| wasi.noops_on(threads, TASKS)));
    println!("{case}, against the bare engine with WASI: {}", medians.each(TASKS));
    drop(wasi);
    let bare = Raw::new(&component(), calls);
    let medians = compare_timed(RUNS, &mut subject, || timed(|| bare.noops_on(threads, TASKS)));
    println!("{case}, against the bare engine with nothing linked: {}", medians.each(TASKS));
}

fn on_one_thread() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let host = TaskHost::new(runtime, component(), (SLOTS, TASKS));
    for slots in [1, SLOTS] {
        report(&format!("no-op task, one thread, {slots} at a time"), 1, SLOTS, || host.run(slots));
    }
}

fn on_all_cores() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u32::try_from(cores).expect("a machine has fewer cores");
    let runtime = Builder::new_multi_thread().worker_threads(cores).enable_all().build().expect("a runtime");
    let host = TaskHost::new(runtime, component(), (threads, TASKS));
    report(&format!("no-op task, {cores} threads"), threads, threads, || host.run(threads));
}

fn in_the_sandbox_alone() {
    let sandbox = shared::Host::new(component(), SLOTS);
    report("no-op call, the sandbox alone", 1, SLOTS, || timed(|| calls(&sandbox, TASKS)));
}

fn main() {
    run_chosen(&[("one", on_one_thread), ("all", on_all_cores), ("sandbox", in_the_sandbox_alone)]);
}
