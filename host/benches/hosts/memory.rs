//! Memory of Redis per task, by keys: while its run is active, and after its end.
//! The tasks have no values, whose memory would add to it.

use crate::server::info;
use crate::workload::Workload;
use cascade_host_tests::Redis;

/// Tasks of the run.
const TASKS: u32 = 100_000;

/// Number of concurrent tasks of the host.
const JOBS: u32 = 64;

/// Measures a run of many tasks with its plan and its journal.
pub(crate) fn per_task() {
    let (server, workload) = (Redis::start(""), Workload::independent(TASKS));
    let before = info(&server, "memory", "used_memory");
    let host = workload.start("one", "bench", &server.uri(), JOBS);
    host.wait_for("task.started");
    let at_start = keys(&server);
    host.finish();
    let ended = keys(&server);
    let each = |bytes: u64| bytes / u64::from(TASKS);
    println!(
        "{TASKS} tasks: {} bytes of Redis memory a task once the run has ended, {} at most, by `used_memory`",
        each(info(&server, "memory", "used_memory") - before),
        each(info(&server, "memory", "used_memory_peak") - before),
    );
    for (when, keys) in [("as it begins", at_start), ("once it has ended", ended)] {
        let shown: Vec<String> = keys.iter().map(|(size, key)| format!("{key} {}", each(*size))).collect();
        println!(
            "  {when}: {} bytes a task; {}",
            each(keys.iter().map(|(size, _)| size).sum()),
            shown.join(", ")
        );
    }
}

/// Returns the keys of the run that take at least one byte per task, largest first.
fn keys(server: &Redis) -> Vec<(u64, String)> {
    let events = server.command(&["KEYS", "cascade:run:*"]);
    let size = |key: &str| {
        let size = server.command(&["MEMORY", "USAGE", key, "SAMPLES", "0"]);
        size.parse::<u64>().unwrap_or_default() // the key was deleted meanwhile
    };
    let name = |key: &str| key.rsplit(':').next().unwrap_or(key).to_owned();
    let mut keys: Vec<(u64, String)> = events.lines().map(|key| (size(key), name(key))).collect();
    keys.retain(|(size, _)| *size >= u64::from(TASKS));
    keys.sort_unstable_by(|first, second| second.cmp(first));
    keys
}
