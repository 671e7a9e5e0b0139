//! Engines: their configuration and allocation of memory, and the ticker that makes guests yield.
//! `call` sets the limits of a single call.

use crate::model::Stack;
use crate::sandbox::address_space;
use crate::sandbox::error::LoadError;
use crate::sandbox::guest::{MAX_WAITING, State, TABLE_ELEMENTS, wasi};
use crate::sandbox::kind::{Allocation, CodeKind, EngineKind, Features};
use crate::sandbox::metering::Metering;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use wasmtime::component::Linker;
use wasmtime::{
    Collector, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

/// Interval at which running guests yield, and so the precision of timeouts and cancellation.
const TICK: Duration = Duration::from_millis(10);

/// Size of a fiber's stack that host functions may use above the guest's, in bytes.
const HOST_STACK: usize = 512 << 10;

/// Part of a larger stack that stays resident between calls, in bytes. The system takes back the rest: it would be held
/// for as long as the host lives, beside the memory that calls are admitted by.
const RESIDENT_STACK: usize = 64 << 10;

/// Maximum size of one linear memory, in bytes. Limits of calls are far below.
const MAX_MEMORY: usize = 4 << 30;

/// Core instances per guest in the pool. Interpreters that load libraries at run time have a few dozen.
const INSTANCES: u32 = 64;

/// Linear memories per guest in the pool, beside its collected heap.
const MEMORIES: u32 = 4;

/// Stacks per guest in the pool, on engines with async functions: of the calls that wait, the one that runs, and one that
/// wasmtime keeps for the next.
const STACKS: u32 = MAX_WAITING + 2;

/// Tables per guest in the pool.
const TABLES: u32 = 64;

/// Switch for the bounds on guests. They are always on, except in benchmarks of what the bounds cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bounded {
    /// With all bounds.
    Yes,
    /// Without all that can be left out: epochs, timer, fuel, counting of memory and handles, canonical NaNs.
    #[cfg(feature = "internals")]
    No,
}

/// Number of threads that compile a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    /// The current thread.
    One,
    /// As many as there are cores.
    Many,
}

/// An engine, and what its guests may import.
pub(crate) struct Runtime {
    /// The engine of wasmtime.
    pub(crate) engine: Engine,
    /// Everything that guests may import.
    pub(crate) linker: Linker<State>,
    /// Kind of the engine. Its allocation may differ from the requested one.
    pub(crate) kind: EngineKind,
}

/// Engines of a sandbox, each created on first use.
pub(crate) struct Engines {
    /// Maximum number of guests at the same time.
    pub(crate) calls: u32,
    bounded: Bounded,
    // Mutexes, because several threads may load components. They are held while an engine is created, which is rare.
    created: Mutex<HashMap<EngineKind, Arc<Runtime>>>,
    code_ids: Mutex<HashMap<CodeKind, Arc<str>>>,
    ticker: Ticker,
}

impl Engines {
    /// Creates a set of engines for `calls` guests at the same time. Starts the ticker.
    pub(crate) fn new(calls: u32, bounded: Bounded) -> Result<Self, LoadError> {
        let ticker = Ticker::start().map_err(|error| LoadError::Engine(error.into()))?;
        Ok(Self { calls, bounded, created: Mutex::default(), code_ids: Mutex::default(), ticker })
    }

    /// Returns the engine for a kind of guest. Falls back from a pool to the system if the address space is too small.
    pub(crate) fn runtime(&self, kind: EngineKind) -> Result<Arc<Runtime>, LoadError> {
        let mut created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = created.get(&kind) {
            return Ok(Arc::clone(runtime));
        }
        let pooled = match kind.allocation {
            Allocation::Pooling => {
                let mut config = config(kind.code, kind.stack, self.bounded);
                let pooled = Engine::new(config.allocation_strategy(pool(self.calls, kind.code.features)));
                // A pool that reserves all address space would leave none to the host.
                pooled.ok().filter(|_| address_space::has_address_space())
            }
            Allocation::OnDemand => None,
        };
        let (engine, actual) = match pooled {
            Some(engine) => (engine, Allocation::Pooling),
            None => {
                let mut config = config(kind.code, kind.stack, self.bounded);
                let engine = Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand));
                (engine.map_err(|error| LoadError::Engine(error.into()))?, Allocation::OnDemand)
            }
        };
        let mut linker = Linker::new(&engine);
        wasi::link(&mut linker).map_err(|error| LoadError::Engine(error.into()))?;
        self.ticker.add(engine.clone());
        let runtime = Arc::new(Runtime { engine, linker, kind: EngineKind { allocation: actual, ..kind } });
        created.insert(kind, Arc::clone(&runtime));
        Ok(runtime)
    }

    /// Returns the id of a kind of code: code with the same id runs on all engines of this kind, also of other processes.
    pub(crate) fn code_id(&self, kind: CodeKind) -> Result<Arc<str>, LoadError> {
        let mut ids = self.code_ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = ids.get(&kind) {
            return Ok(Arc::clone(id));
        }
        // An engine without a pool is created quickly, and depends on the same.
        let mut config = config(kind, Stack::Small, self.bounded);
        let engine = Engine::new(config.allocation_strategy(InstanceAllocationStrategy::OnDemand))
            .map_err(|error| LoadError::Engine(error.into()))?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let id: Arc<str> = format!("{:016x}-{}", hasher.finish(), kind.words()).into();
        ids.insert(kind, Arc::clone(&id));
        Ok(id)
    }

    /// Fails if the address space is too small for as many guests as may run at the same time, on any engine so far that
    /// should have a pool and has none.
    pub(crate) fn require_address_space(&self) -> Result<(), LoadError> {
        let created = self.created.lock().unwrap_or_else(PoisonError::into_inner);
        let without_pool =
            created.iter().filter(|(wanted, runtime)| wanted.allocation != runtime.kind.allocation);
        match without_pool.map(|(wanted, _)| wanted.stack).max() {
            Some(stack) => address_space::require(self.calls, stack),
            None => Ok(()),
        }
    }
}

/// Returns why this machine has no pool for `calls` guests with such a stack, or `None` if it has one.
pub(crate) fn pool_refusal(calls: u32, stack: Stack) -> Option<String> {
    match Engine::new(
        config(CodeKind::PLAIN, stack, Bounded::Yes).allocation_strategy(pool(calls, Features::default())),
    ) {
        Ok(_) if address_space::has_address_space() => None,
        Ok(_) => Some("the pool would leave no address space to the host (`ulimit -v`)".to_owned()),
        Err(error) => Some(format!("{error:#}")),
    }
}

/// Returns the engine's configuration for tasks without a fuel limit, with slots for `calls` guests.
///
/// For benchmarks that compare the sandbox with the bare engine.
#[cfg(feature = "internals")]
#[must_use]
pub fn engine_config(calls: u32) -> Config {
    let mut config = config(CodeKind::PLAIN, Stack::Small, Bounded::Yes);
    config.allocation_strategy(pool(calls, Features::default()));
    config
}

/// Creates an engine that only compiles. Its code runs on all engines of this kind of code.
pub(crate) fn for_compiling(kind: CodeKind, threads: Threads) -> wasmtime::Result<Engine> {
    let on_demand = InstanceAllocationStrategy::OnDemand;
    let mut config = config(kind, Stack::Small, Bounded::Yes);
    Engine::new(config.allocation_strategy(on_demand).parallel_compilation(threads == Threads::Many))
}

fn config(kind: CodeKind, stack: Stack, bounded: Bounded) -> Config {
    let is_bounded = bounded == Bounded::Yes;
    let is_larger = stack > Stack::Small;
    let stack = stack.size().as_usize();
    let mut config = Config::new();
    config
        // It makes every call slower, so only components that need it run on such an engine. Callbacks are all that
        // toolchains use: functions that keep a stack of their own while they wait stay off.
        .concurrency_support(kind.features.concurrency)
        .wasm_component_model_async(kind.features.concurrency)
        .wasm_component_model_map(true)
        .epoch_interruption(is_bounded)
        .consume_fuel(kind.metering == Metering::Fuel)
        .gc_support(kind.features.gc)
        .wasm_exceptions(kind.features.gc)
        // The only collector that frees cycles, and the one that wasmtime chooses. Guests cannot see when it runs: there
        // are no finalizers and weak references, and references have no order. So results stay deterministic.
        .collector(Collector::Copying)
        .max_wasm_stack(stack)
        .async_stack_size(stack + HOST_STACK)
        .async_stack_zeroing(is_larger) // only this lets the pool give pages back
        // Debug information comes from the guest: reading it takes unbounded time and memory.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // Deterministic SIMD and canonical NaNs: a pure call returns the same bytes on every machine.
        .wasm_relaxed_simd(true)
        .relaxed_simd_deterministic(true)
        .cranelift_nan_canonicalization(is_bounded);
    config
}

/// Returns a pool with slots for `calls` guests, each large enough for interpreters compiled to WebAssembly.
///
/// The totals are the shares of all guests together, so every guest that may run gets its memory. The pool rejects a
/// component that needs more than one share when it is loaded; its guests allocate on demand instead.
fn pool(calls: u32, features: Features) -> InstanceAllocationStrategy {
    let heaps = if features.gc { calls } else { 0 };
    let stacks = if features.concurrency { STACKS } else { 1 };
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(INSTANCES))
        .total_memories(calls.saturating_mul(MEMORIES).saturating_add(heaps))
        .total_gc_heaps(heaps)
        .total_tables(calls.saturating_mul(TABLES))
        .total_stacks(calls.saturating_mul(stacks))
        .max_core_instances_per_component(INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_module(16)
        .max_component_instance_size(16 << 20)
        .max_core_instance_size(16 << 20)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(MAX_MEMORY)
        // A small part of each memory and table stays resident: clearing it by writing is cheaper than a system call.
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(RESIDENT_STACK)
        .max_unused_warm_slots(calls)
        .pagemap_scan(if may_scan_pagemap() { Enabled::Auto } else { Enabled::No });
    InstanceAllocationStrategy::Pooling(pool)
}

/// Returns whether pages may be reset by asking the kernel which ones are dirty. Not on machines with swap: the kernel
/// does not report swapped pages (wasmtime pull request 14357).
pub(crate) fn may_scan_pagemap() -> bool {
    // The file has one line of headings, and one per swap area.
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() <= 1)
}

/// Thread that makes the guests of all engines yield at every tick.
struct Ticker {
    shared: Arc<Ticking>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Ticking {
    stop: AtomicBool,
    // A mutex, because engines are added while the thread ticks. The critical section is one increment per engine.
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
