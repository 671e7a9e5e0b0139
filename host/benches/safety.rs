//! Cost of the limits: no-op tasks under all limits, against the same tasks through the same host without the limits
//! that
//! can be left out. `cargo bench -p cascade-host --features internals --bench safety` prints the ratios.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

mod shared;

use cascade_host::internals::invoke::{Grants, Invoker};
use cascade_host::internals::plan::Interface;
use cascade_host::internals::sandbox::{GuestKind, Metering, Sandbox, Settings};
use cascade_host::internals::state::MemoryBackend;
use shared::{Graph, compare_timed, component, run_chosen};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Tasks of a run.
const TASKS: u32 = 20_000;

/// Runs of each side.
const RUNS: usize = 15;

/// A host with a graph of calls of `noop`.
struct Host {
    runtime: Runtime,
    sandbox: Arc<dyn Invoker>,
    graph: Graph,
    slots: u32,
}

impl Host {
    /// Creates a host with one slot per thread, for a sandbox.
    fn new(threads: u32, metering: Metering, sandbox: Sandbox) -> Self {
        let component = sandbox.load(component()).expect("the guest is a component");
        let export = component.exports().iter().find(|export| &*export.function == "noop");
        let export = export.expect("the guest has a function `noop`");
        sandbox
            .prepare(
                &component,
                export,
                None,
                Grants::default(),
                &[GuestKind { metering, ..GuestKind::PLAIN }],
            )
            .expect("it can be a task");
        let interface = Interface { digest: *component.digest(), exports: component.exports().to_vec() };
        Self {
            runtime: runtime(threads),
            sandbox: Arc::new(sandbox),
            graph: graph(metering, interface),
            slots: threads,
        }
    }

    /// Returns the time of one run.
    fn run(&self) -> Duration {
        self.runtime.block_on(async {
            let backend = MemoryBackend::new();
            self.graph.open(&backend).await.run(Arc::clone(&self.sandbox), self.slots).await
        })
    }
}

fn graph(metering: Metering, interface: Interface) -> Graph {
    match metering {
        Metering::Time => Graph::independent(TASKS, interface),
        Metering::Fuel => {
            let mut tasks = String::from("[defaults.limits]\nfuel = 1_000_000\n");
            for task in 0..TASKS {
                tasks.push_str(&format!("[tasks.t{task}]\ncall = \"guest.noop\"\n"));
            }
            Graph::new(&tasks, interface)
        }
    }
}

fn runtime(threads: u32) -> Runtime {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(), // as many as there are cores
    };
    let workers = usize::try_from(threads).expect("a machine has fewer cores");
    builder.worker_threads(workers).enable_all().build().expect("a runtime can be made")
}

/// Prints the time of tasks under all limits against the same tasks under none.
fn report(case: &str, threads: u32, metering: Metering) {
    let settings = || Settings { calls: threads, code_cache: None };
    let bounded = Sandbox::new(settings()).expect("the engine's settings are sound");
    let bounded = Host::new(threads, metering, bounded);
    let unbounded = Sandbox::without_bounds(settings()).expect("the engine's settings are sound");
    let unbounded = Host::new(threads, Metering::Time, unbounded);
    let medians = compare_timed(RUNS, || bounded.run(), || unbounded.run());
    println!("no-op task, {case}, under all limits against none: {}", medians.each(TASKS));
}

fn on_one_thread() {
    report("one thread", 1, Metering::Time);
}

fn on_all_cores() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = u32::try_from(cores).expect("a machine has fewer cores");
    report(&format!("{threads} threads"), threads, Metering::Time);
}

fn with_fuel() {
    report("one thread, with `limits.fuel` besides", 1, Metering::Fuel);
}

fn main() {
    run_chosen(&[("one", on_one_thread), ("all", on_all_cores), ("fuel", with_fuel)]);
}
