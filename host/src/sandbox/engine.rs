//! Engines: how guests are compiled and where they run, and the ticker that makes them yield.
//! Limits of single calls are set where they are made.

use crate::sandbox::Metering;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

/// How often running guests yield, and thereby the grain of time-outs and cancellation.
const TICK: Duration = Duration::from_millis(10);

/// The guest's stack. Deep recursion ends the call, and nothing else.
pub(crate) const STACK: usize = 512 << 10;

/// What host functions may use of a fiber's stack above the guest's.
const HOST_STACK: usize = 512 << 10;

/// The most that one linear memory may ever hold; limits of calls are far below.
const MAX_MEMORY: usize = 4 << 30;

/// How guests get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// From a pool of slots that are reserved once and reused.
    Pooling,
    /// From the system, each time anew: where the address space is too small for a pool.
    OnDemand,
}

/// Makes an engine for `calls` guests at the same time: with a pool, or without where none can be had.
pub(crate) fn engine(metering: Metering, calls: u32) -> wasmtime::Result<(Engine, Allocation)> {
    let pooled = Engine::new(config(metering).allocation_strategy(pool(calls)));
    match pooled {
        Ok(engine) => Ok((engine, Allocation::Pooling)),
        Err(_no_pool) => {
            let engine = Engine::new(config(metering).allocation_strategy(InstanceAllocationStrategy::OnDemand))?;
            Ok((engine, Allocation::OnDemand))
        }
    }
}

fn config(metering: Metering) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(metering == Metering::Fuel)
        .max_wasm_stack(STACK)
        .async_stack_size(STACK + HOST_STACK)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(true);
    config
}

/// Slots for every guest that may run, each large enough for interpreters that were compiled to WebAssembly.
fn pool(calls: u32) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(16))
        .total_memories(calls.saturating_mul(2))
        .total_tables(calls.saturating_mul(16))
        .total_stacks(calls)
        .max_core_instances_per_component(256)
        .max_memories_per_component(16)
        .max_tables_per_component(256)
        .max_memories_per_module(4)
        .max_tables_per_module(16)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20)
        .table_elements(200_000)
        .max_memory_size(MAX_MEMORY)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(calls)
        .pagemap_scan(if may_scan_pagemap() { Enabled::Auto } else { Enabled::No });
    InstanceAllocationStrategy::Pooling(pool)
}

/// Whether pages can be reset by asking the kernel which ones are dirty: not where pages may be swapped out, because
/// such pages are not reported (wasmtime pull request 14357).
fn may_scan_pagemap() -> bool {
    // The file has one line of headings, then one for each area of swap.
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() <= 1)
}

/// Makes guests of all engines yield every few milliseconds, from a thread of its own.
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts ticking for `engines`.
    pub(crate) fn start(engines: Vec<Engine>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                engines.iter().for_each(Engine::increment_epoch);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
