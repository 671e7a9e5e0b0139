//! What the engine costs on top of Redis: runs of tasks that do nothing, against a loop that sends the same commits.
//! `cargo bench -p cascade-host --bench redis` prints the ratios, what the script takes, and the memory of a task.

#![expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may stop at what it does not expect, and prints its ratios"
)]

#[path = "../shared/mod.rs"]
mod shared;
mod work;
mod replay;

use crate::replay::{Recording, Tap, repeat};
use crate::shared::Medians;
use crate::work::Work;
use cascade_host::invoke::Invoker;
use cascade_host_tests::Redis;
use std::sync::Arc;
use std::time::Duration;

/// Runs of each side; the medians count.
const RUNS: usize = 7;

/// Independent tasks.
const INDEPENDENT: usize = 10_000;

/// Guests at the same time, and with it the size of batches.
const SLOTS: u32 = 128;

/// Tasks of the chain.
const CHAIN: usize = 1_000;

/// How many commits the raw loop has under way.
const DEPTH: usize = 16;

/// Tasks of the run whose memory is asked for.
const STORED: usize = 100_000;

fn main() {
    let server = Redis::start("");
    independent(&server);
    chain(&server);
    memory(&server);
}

fn independent(server: &Redis) {
    let work = Work::independent(INDEPENDENT, SLOTS);
    let recording = record(server, &work);
    for (name, invoker) in [("calls nothing", Work::immediate()), ("sandbox", work.sandbox())] {
        let (medians, script) = compare(server, &work, &invoker, &recording, DEPTH);
        println!(
            "{INDEPENDENT} independent tasks, {name}: {medians}; {:.0} against {:.0} tasks/s in {} commits; script {script}",
            per_second(INDEPENDENT, medians.ours),
            per_second(INDEPENDENT, medians.theirs),
            recording.commits(),
        );
    }
}

fn chain(server: &Redis) {
    let work = Work::chain(CHAIN);
    let recording = record(server, &work);
    for (name, invoker) in [("calls nothing", Work::immediate()), ("sandbox", work.sandbox())] {
        let (medians, script) = compare(server, &work, &invoker, &recording, 1);
        println!(
            "chain of {CHAIN} tasks, {name}, against one call of the script each: {medians}; script {script}"
        );
    }
    let ping = median((0..RUNS).map(|_| repeat(server.port(), b"PING\r\n", CHAIN)).collect());
    let noop = b"*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n";
    let noop = median((0..RUNS).map(|_| repeat(server.port(), noop, CHAIN)).collect());
    println!("{CHAIN} round trips of PING: {ping:.1?}; of a script that does nothing: {noop:.1?}");
}

fn memory(server: &Redis) {
    let work = Work::independent(STORED, SLOTS);
    server.command(&["FLUSHALL"]);
    let before = used(server);
    work.run(&server.uri(), &Work::immediate());
    let grown = used(server) - before;
    let keys = server.command(&["KEYS", "cascade:run:*"]);
    let size = |key: &str| number(&server.command(&["MEMORY", "USAGE", key, "SAMPLES", "0"]));
    let mut keys: Vec<(u64, &str)> = keys.lines().map(|key| (size(key), key)).collect();
    keys.sort_unstable_by(|one, other| other.cmp(one));
    println!(
        "{STORED} tasks: {} bytes of Redis memory per task by `used_memory`, {} by `MEMORY USAGE`",
        grown / work.tasks() as u64,
        keys.iter().map(|(size, _)| size).sum::<u64>() / work.tasks() as u64,
    );
    for (size, key) in keys.iter().take(5) {
        println!("  {key}: {:.1} bytes per task", *size as f64 / work.tasks() as f64);
    }
}

/// Lets a host run through a tap.
fn record(server: &Redis, work: &Work) -> Recording {
    server.command(&["FLUSHALL"]);
    let tap = Tap::before(server.port());
    work.run(&tap.uri(), &Work::immediate());
    tap.recording()
}

/// A host against the loop, by turns; and what the script took of the host's time.
fn compare(
    server: &Redis,
    work: &Work,
    invoker: &Arc<dyn Invoker>,
    recording: &Recording,
    depth: usize,
) -> (Medians, String) {
    let mut script = String::new();
    let (ours, theirs) = (0..RUNS)
        .map(|_| {
            server.command(&["FLUSHALL"]);
            server.command(&["CONFIG", "RESETSTAT"]);
            let ours = work.run(&server.uri(), invoker);
            script = spent(server, work.tasks());
            server.command(&["FLUSHALL"]);
            (ours, recording.replay(server.port(), depth))
        })
        .unzip();
    (Medians { ours: median(ours), theirs: median(theirs) }, script)
}

/// How often scripts were called, and how long they took per task.
fn spent(server: &Redis, tasks: usize) -> String {
    let stats = server.command(&["INFO", "commandstats"]);
    let line = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:")).unwrap_or_default();
    let field = |name: &str| line.split(',').find_map(|field| field.strip_prefix(name)).map_or(0, number);
    format!("{:.1} µs per task in {} calls", field("usec=") as f64 / tasks as f64, field("calls="))
}

fn used(server: &Redis) -> u64 {
    let info = server.command(&["INFO", "memory"]);
    info.lines().find_map(|line| line.strip_prefix("used_memory:")).map_or(0, number)
}

fn number(text: &str) -> u64 {
    text.trim().parse().expect("a number")
}

fn per_second(tasks: usize, time: Duration) -> f64 {
    tasks as f64 / time.as_secs_f64()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
