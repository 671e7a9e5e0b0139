//! Cost of the engine on top of Redis: runs of no-op tasks, against a loop that sends the same commits.
//! `cargo bench -p cascade-host --features internals --bench redis` prints the ratios, the time of the script, and the
//! memory per task.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may stop at anything unexpected, and prints its ratios"
)]

#[path = "../shared/mod.rs"]
mod shared;
mod work;
mod replay;

use crate::replay::{Recording, RecordingProxy, repeat};
use crate::shared::{Medians, compare_timed, run_chosen};
use crate::work::Work;
use cascade_host::internals::invoke::Invoker;
use cascade_host_tests::Redis;
use std::sync::Arc;
use std::time::Duration;

/// Runs of each side; the medians count.
const RUNS: usize = 7;

/// Independent tasks.
const INDEPENDENT: u32 = 10_000;

/// Number of concurrent guests, which determines the size of batches.
const SLOTS: u32 = 128;

/// Tasks of the chain.
const CHAIN: u32 = 1_000;

/// Number of commits that the raw loop keeps in flight.
const DEPTH: usize = 16;

/// Number of tasks of the run whose memory is measured.
const STORED: u32 = 100_000;

fn main() {
    run_chosen(&[("independent", independent), ("chain", chain), ("memory", memory)]);
}

fn independent() {
    let server = Redis::start("");
    let work = Work::independent(INDEPENDENT, SLOTS);
    let recording = record(&server, &work);
    for (name, invoker) in [("calls nothing", Work::immediate()), ("sandbox", work.sandbox())] {
        let (medians, script) = compare_with_replay(&server, &work, &invoker, &recording, DEPTH);
        println!(
            "{INDEPENDENT} independent tasks, {name}: {medians}; {:.0} against {:.0} tasks/s in {} commits; \
             script {script}",
            per_second(INDEPENDENT, medians.subject),
            per_second(INDEPENDENT, medians.baseline),
            recording.commits(),
        );
    }
}

fn chain() {
    let server = Redis::start("");
    let work = Work::chain(CHAIN);
    let recording = record(&server, &work);
    for (name, invoker) in [("calls nothing", Work::immediate()), ("sandbox", work.sandbox())] {
        let (medians, script) = compare_with_replay(&server, &work, &invoker, &recording, 1);
        println!(
            "chain of {CHAIN} tasks, {name}, against one call of the script each: {medians}; script {script}"
        );
    }
    let noop = b"*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n";
    let script = || repeat(server.port(), noop, CHAIN);
    let medians = compare_timed(RUNS, || repeat(server.port(), b"PING\r\n", CHAIN), script);
    println!("{CHAIN} round trips of PING against as many of a no-op script: {medians}");
}

fn memory() {
    let server = Redis::start("");
    let work = Work::independent(STORED, SLOTS);
    let before = used_memory(&server);
    work.run(&server.uri(), &Work::immediate());
    let grown = used_memory(&server) - before;
    let keys = server.command(&["KEYS", "cascade:run:*"]);
    let size = |key: &str| number(&server.command(&["MEMORY", "USAGE", key, "SAMPLES", "0"]));
    let mut keys: Vec<(u64, &str)> = keys.lines().map(|key| (size(key), key)).collect();
    keys.sort_unstable_by(|first, second| second.cmp(first));
    println!(
        "{STORED} tasks: {} bytes of Redis memory per task by `used_memory`, {} by `MEMORY USAGE`",
        grown / u64::from(work.tasks()),
        keys.iter().map(|(size, _)| size).sum::<u64>() / u64::from(work.tasks()),
    );
    for (size, key) in keys.iter().take(5) {
        println!("  {key}: {} bytes per task", size / u64::from(work.tasks()));
    }
}

/// Records a run of a host through a proxy.
fn record(server: &Redis, work: &Work) -> Recording {
    let proxy = RecordingProxy::new(server.port());
    work.run(&proxy.uri(), &Work::immediate());
    proxy.recording()
}

/// Compares a host with the loop. Also returns the time of the scripts in the last run of the host.
fn compare_with_replay(
    server: &Redis,
    work: &Work,
    invoker: &Arc<dyn Invoker>,
    recording: &Recording,
    depth: usize,
) -> (Medians, String) {
    let mut script = String::new();
    let subject = || {
        server.command(&["FLUSHALL"]);
        server.command(&["CONFIG", "RESETSTAT"]);
        let elapsed = work.run(&server.uri(), invoker);
        script = script_time(server, work.tasks());
        elapsed
    };
    let baseline = || {
        server.command(&["FLUSHALL"]);
        recording.replay(server.port(), depth)
    };
    (compare_timed(RUNS, subject, baseline), script)
}

/// Returns the number of script calls and their time per task.
fn script_time(server: &Redis, tasks: u32) -> String {
    let stats = server.command(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:")).unwrap_or_default();
    let field = |name: &str| line.split(',').find_map(|field| field.strip_prefix(name)).map_or(0, number);
    let nanoseconds = field("usec=") * 1000 / u64::from(tasks);
    format!("{:.1?} per task in {} calls", Duration::from_nanos(nanoseconds), field("calls="))
}

fn used_memory(server: &Redis) -> u64 {
    let info = server.command(&["INFO", "memory"]);
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).map_or(0, number)
}

fn number(text: &str) -> u64 {
    text.trim().parse().expect("a number")
}

fn per_second(tasks: u32, time: Duration) -> f64 {
    f64::from(tasks) / time.as_secs_f64()
}
