//! Time of a process that runs one no-op task with cached code, against a process that only maps the same code and
//! calls it. `cargo bench -p cascade-host --features internals --bench process` prints the ratio.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

mod shared;

use cascade_host::internals::sandbox::engine_config;
use shared::{compare, component};
use std::path::Path;
use std::process::{Command, Stdio};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

/// Processes of each side.
const RUNS: usize = 41;

/// The manifest.
const MANIFEST: &str = "cascade = 1\nname = \"noop\"\n[components.guest]\npath = \"guest.wasm\"\n\
                        [tasks.noop]\ncall = \"guest.noop\"\n";

/// Argument that makes this program the baseline.
const BARE: &str = "bare";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    match words.as_slice() {
        [_, bare, code] if bare == BARE => call(Path::new(code)),
        _ => measure(), // arguments of cargo
    }
}

/// Maps code and calls it: the complete baseline.
#[expect(unsafe_code, reason = "the file was made by this program a moment ago")]
fn call(code: &Path) {
    let engine = Engine::new(&engine_config(1)).expect("the settings are sound");
    // SAFETY: the file is what `Component::serialize` returned, and nobody changes it.
    let component = unsafe { Component::deserialize_file(&engine, code) }.expect("it is code of this engine");
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component).expect("imports can be made to trap");
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker.instantiate(&mut store, &component).expect("the guest can be instantiated");
    let noop = instance.get_typed_func::<(), ()>(&mut store, "noop").expect("it has such a function");
    noop.call(&mut store, ()).expect("the guest returns");
}

fn measure() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let bytes = component();
    let manifest = folder.path().join("noop.toml");
    std::fs::write(&manifest, MANIFEST).expect("the folder can be written");
    std::fs::write(folder.path().join("guest.wasm"), &bytes).expect("the folder can be written");
    let code = folder.path().join("guest.code");
    let engine = Engine::new(&engine_config(1)).expect("the settings are sound");
    let compiled = Component::from_binary(&engine, &bytes).expect("the guest is a component");
    std::fs::write(&code, compiled.serialize().expect("it can be serialized"))
        .expect("the folder can be written");
    drop((engine, compiled));

    let host = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cascade-host"));
        command.arg("run").arg(&manifest).env("XDG_CACHE_HOME", folder.path());
        finish(command.env("CASCADE_LOG_LEVEL", "error"));
    };
    let this = std::env::current_exe().expect("this program has a file");
    let bare = || finish(Command::new(&this).arg(BARE).arg(&code));
    host();
    println!(
        "process of one no-op task, against one that only maps and calls: {}",
        compare(RUNS, host, bare)
    );
}

fn finish(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status().expect("the program can be started");
    assert!(status.success(), "the program has succeeded");
}
