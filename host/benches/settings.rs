//! Comparison of engine settings: a fresh guest and a call of `noop` under alternative settings.
//! `cargo bench -p cascade-host --features internals --bench settings` prints the times. `sandbox/engine.rs` has the
//! chosen settings.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its figures"
)]

mod shared;

use cascade_host::internals::sandbox::engine_config;
use shared::{RawWasi, compare_timed, component, timed};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Calls of a round.
const CALLS: u32 = 10_000;

/// Rounds of each side.
const RUNS: usize = 7;

/// Returns the sandbox's settings with another pool: resident bytes per memory, and whether the kernel reports dirty
/// pages.
fn pool(keep: usize, scan: Enabled) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.linear_memory_keep_resident(keep).table_keep_resident(keep.min(64 << 10)).pagemap_scan(scan);
    pool.max_memory_size(4 << 30).total_memories(16).total_tables(64).total_core_instances(64);
    let mut config = engine_config(1);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn others(threads: u32) -> Vec<(String, Config)> {
    let mut others = Vec::new();
    for keep in [0, 64 << 10, 1 << 20] {
        for (scan, word) in [(Enabled::No, "without"), (Enabled::Auto, "with")] {
            let name = format!("pool, {} KiB stay resident, {word} pagemap scan", keep >> 10);
            others.push((name, pool(keep, scan)));
        }
    }
    let mut on_demand = engine_config(threads);
    on_demand.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    others.push(("on demand".to_owned(), on_demand));
    let mut no_epochs = engine_config(threads);
    no_epochs.epoch_interruption(false);
    others.push(("as chosen, without epochs".to_owned(), no_epochs));
    let mut concurrent = engine_config(threads);
    concurrent.concurrency_support(true);
    others.push(("as chosen, with concurrency support".to_owned(), concurrent));
    others
}

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u32::try_from(cores).expect("a machine has fewer cores");
    let chosen = RawWasi::new(&component(), threads);
    for (name, config) in others(threads) {
        let other = RawWasi::with(&component(), &config);
        for on in [1, threads] {
            let medians = compare_timed(
                RUNS,
                || timed(|| other.noops_on(on, CALLS)),
                || timed(|| chosen.noops_on(on, CALLS)),
            );
            println!("{name}, {on} threads, against the chosen settings: {}", medians.each(CALLS));
        }
    }
}
