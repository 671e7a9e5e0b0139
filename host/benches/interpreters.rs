//! Start and call of interpreters: a no-op in Python and one in JavaScript, each in a fresh guest, through the host and in
//! the bare engine with the same WASI. `cargo bench -p cascade-host --features internals --bench interpreters` prints the
//! ratios.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

mod shared;

use cascade_host_tests::Language;
use shared::{RawWasi, TaskHost, compare_timed, run_chosen, timed};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tokio::runtime::Builder;

/// Tasks of a run.
const TASKS: u32 = 100;

/// Runs of each side.
const RUNS: usize = 21;

/// The interface of both guests.
const WIT: &str = "package bench:noop;\nworld task {\n    export noop: func();\n}\n";

const PYTHON: &str = "class WitWorld:\n    def noop(self) -> None:\n        pass\n";
const BY_COMPONENTIZE_PY: &str =
    ".venv/bin/componentize-py --quiet -d wit -w task componentize task -o task.wasm";

const JAVASCRIPT: &str = "export function noop() {}\n";
const BY_COMPONENTIZE_JS: &str = "npx --no-install componentize-js task.js --wit wit --world-name task \
                                  --disable fetch-event --out task.wasm >/dev/null";

/// Builds a component with the toolchain that `build = "LANGUAGE"` uses.
fn component(language: &str, (file, source): (&str, &str), build: &str) -> Vec<u8> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/guest/target/interpreters").join(language);
    fs::create_dir_all(folder.join("wit")).expect("the folder can be made");
    fs::write(folder.join("wit/task.wit"), WIT).expect("the folder can be written");
    fs::write(folder.join(file), source).expect("the folder can be written");
    Language::of(language).install_into(&folder);
    let status = Command::new("sh").args(["-ec", build]).current_dir(&folder).status();
    assert!(status.expect("a shell can be started").success(), "the component cannot be built");
    fs::read(folder.join("task.wasm")).expect("it was built")
}

fn report(language: &str, component: Vec<u8>) {
    println!("{language}: a component of {} MiB", component.len() >> 20);
    let wasi = RawWasi::new(&component, 1);
    let starts = compare_timed(RUNS, || timed(|| wasi.noops_on(1, TASKS)), || timed(|| wasi.starts(TASKS)));
    println!("  bare engine, start and call against start alone: {}", starts.each(TASKS));
    let sandbox = shared::Host::new(component.clone().into(), 1);
    let noop = sandbox.function("noop");
    let calls = || timed(|| (0..TASKS).for_each(|_| drop(sandbox.call(noop, &[]))));
    let medians = compare_timed(RUNS, calls, || timed(|| wasi.noops_on(1, TASKS)));
    println!("  the sandbox alone, against the bare engine: {}", medians.each(TASKS));
    drop(sandbox);
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let host = TaskHost::new(runtime, component.into(), (1, TASKS));
    let task = || -> Duration { host.run(1) };
    let medians = compare_timed(RUNS, task, || timed(|| wasi.noops_on(1, TASKS)));
    println!("  a task, against the bare engine: {}", medians.each(TASKS));
}

fn in_python() {
    report("python", component("python", ("task.py", PYTHON), BY_COMPONENTIZE_PY));
}

fn in_javascript() {
    report("javascript", component("javascript", ("task.js", JAVASCRIPT), BY_COMPONENTIZE_JS));
}

fn main() {
    run_chosen(&[("python", in_python), ("javascript", in_javascript)]);
}
