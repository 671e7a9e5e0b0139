//! Engines: how guests are compiled and where they run, and the ticker that makes them yield.
//! Limits of single calls are set where they are made.

use crate::sandbox::address_space;
use crate::sandbox::error::LoadError;
use crate::sandbox::guest::{State, TABLE_ELEMENTS, wasi};
use crate::sandbox::metering::Metering;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

/// How often running guests yield, and thereby the grain of time-outs and cancellation.
const TICK: Duration = Duration::from_millis(10);

/// The guest's stack. Deep recursion ends the call, and nothing else.
pub(crate) const STACK: usize = 512 << 10;

/// What host functions may use of a fiber's stack above the guest's.
const HOST_STACK: usize = 512 << 10;

/// The most that one linear memory may ever hold; limits of calls are far below.
const MAX_MEMORY: usize = 4 << 30;

/// Core instances of one guest in the pool. Interpreters that load libraries at run time have some dozens.
const INSTANCES: u32 = 64;

/// Linear memories of one guest in the pool.
const MEMORIES: u32 = 4;

/// Tables of one guest in the pool.
const TABLES: u32 = 64;

/// Whether guests are bounded. They always are, but for what being bounded is measured against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounded {
    /// By all that there is.
    Yes,
    /// By nothing that can be left out: no epochs, timer, fuel, counting of memory and handles, canonical NaNs.
    #[cfg(any(test, feature = "test-support"))]
    No,
}

/// How guests get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Allocation {
    /// From a pool of slots that are reserved once and reused.
    Pooling,
    /// From the system, each time anew: for guests that need more than the pool's share of one guest.
    OnDemand,
}

/// How many threads compile a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The one that is there.
    One,
    /// As many as there are cores.
    Many,
}

/// An engine and what its guests may import.
pub(crate) struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) metering: Metering,
    pub(crate) allocation: Allocation,
}

/// The engines of a sandbox, each made when it is first needed.
pub(crate) struct Engines {
    pub(crate) calls: u32,
    bounded: Bounded,
    // A mutex because components may be loaded on several threads. It is held while an engine is made, which is rare.
    made: Mutex<HashMap<(Metering, Allocation), Arc<Runtime>>>,
    ticker: Ticker,
}

impl Engines {
    /// No engines yet, for `calls` guests at the same time.
    pub(crate) fn new(calls: u32, bounded: Bounded) -> Result<Self, LoadError> {
        let ticker = Ticker::start().map_err(|error| LoadError::Engine(error.into()))?;
        Ok(Self { calls, bounded, made: Mutex::default(), ticker })
    }

    /// The engine for such guests. Where the address space is too small for a pool, there is none.
    pub(crate) fn runtime(
        &self,
        metering: Metering,
        allocation: Allocation,
    ) -> Result<Arc<Runtime>, LoadError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = made.get(&(metering, allocation)) {
            return Ok(Arc::clone(runtime));
        }
        let pooled = match allocation {
            Allocation::Pooling => {
                let mut config = config(metering, self.bounded);
                let pooled = Engine::new(config.allocation_strategy(pool(self.calls)));
                // One that takes all the address space leaves the host none to work in.
                pooled.ok().filter(|_| address_space::has_address_space())
            }
            Allocation::OnDemand => None,
        };
        let (engine, got) = match pooled {
            Some(engine) => (engine, Allocation::Pooling),
            None => {
                let mut config = config(metering, self.bounded);
                let engine = Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand));
                (engine.map_err(|error| LoadError::Engine(error.into()))?, Allocation::OnDemand)
            }
        };
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker).map_err(|error| LoadError::Engine(error.into()))?;
        self.ticker.add(engine.clone());
        let runtime = Arc::new(Runtime { engine, linker, metering, allocation: got });
        made.insert((metering, allocation), Arc::clone(&runtime));
        Ok(runtime)
    }
}

/// Why this machine has no pool for `calls` guests; none where it has one.
pub(crate) fn pool_refusal(calls: u32) -> Option<String> {
    match Engine::new(config(Metering::Time, Bounded::Yes).allocation_strategy(pool(calls))) {
        Ok(_) if address_space::has_address_space() => None,
        Ok(_) => Some("it would leave the host no address space (`ulimit -v`)".to_owned()),
        Err(error) => Some(format!("{error:#}")),
    }
}

/// The engine's settings, for whoever compares the sandbox with the bare engine: as for tasks without a limit of fuel,
/// with slots for `calls` guests.
#[must_use]
pub fn engine_config(calls: u32) -> Config {
    let mut config = config(Metering::Time, Bounded::Yes);
    config.allocation_strategy(pool(calls));
    config
}

/// An engine that only compiles. Its code runs on every engine of this metering: how memory is allocated is no part of it.
pub(crate) fn for_compiling(metering: Metering, threads: Threads) -> wasmtime::Result<Engine> {
    let on_demand = InstanceAllocationStrategy::OnDemand;
    let mut config = config(metering, Bounded::Yes);
    Engine::new(config.allocation_strategy(on_demand).parallel_compilation(threads == Threads::Many))
}

fn config(metering: Metering, bounded: Bounded) -> Config {
    let is_bounded = bounded == Bounded::Yes;
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(is_bounded)
        .consume_fuel(metering == Metering::Fuel)
        .max_wasm_stack(STACK)
        .async_stack_size(STACK + HOST_STACK)
        // Debug information is the guest's: reading it takes time and memory that nothing bounds.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(is_bounded);
    config
}

/// Slots for every guest that may run, each large enough for interpreters that were compiled to WebAssembly.
///
/// The totals are the shares of all guests together: whoever may run finds room. A component that needs more than
/// one share is refused by the pool when it is compiled.
fn pool(calls: u32) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(INSTANCES))
        .total_memories(calls.saturating_mul(MEMORIES))
        .total_tables(calls.saturating_mul(TABLES))
        .total_stacks(calls)
        .max_core_instances_per_component(INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_module(16)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MAX_MEMORY)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10)
        .max_unused_warm_slots(calls)
        .pagemap_scan(if may_scan_pagemap() { Enabled::Auto } else { Enabled::No });
    InstanceAllocationStrategy::Pooling(pool)
}

/// Whether pages can be reset by asking the kernel which ones are dirty: not where pages may be swapped out, because
/// such pages are not reported (wasmtime pull request 14357).
pub(crate) fn may_scan_pagemap() -> bool {
    // The file has one line of headings, then one for each area of swap.
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() <= 1)
}

/// Makes guests of all engines yield every few milliseconds, from a thread of its own.
struct Ticker {
    shared: Arc<Ticking>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Ticking {
    stop: AtomicBool,
    // A mutex because engines are added while the thread ticks; the section is an increment each.
    engines: Mutex<Vec<Engine>>,
}

impl Ticker {
    fn start() -> io::Result<Self> {
        let shared = Arc::<Ticking>::default();
        let ticking = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("ticker".to_owned()).spawn(move || {
            while !ticking.stop.load(Ordering::Relaxed) {
                std::thread::park_timeout(TICK);
                let engines = ticking.engines.lock().unwrap_or_else(PoisonError::into_inner);
                engines.iter().for_each(Engine::increment_epoch);
            }
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    fn add(&self, engine: Engine) {
        self.shared.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::manual::{Page, count, size};

    #[test]
    fn the_manual_has_the_bounds_of_this_file() {
        let call = |limit| Page::of("limits").section("Limits of a call").line(limit).cell(1);
        call("stack").says(&size(STACK));
        call("elements of one table").says(&count(TABLE_ELEMENTS));
    }
}
