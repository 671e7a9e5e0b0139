//! The memory that a task takes of Redis: while its run is being worked on, and once it has ended, by keys.
//! What a task's value takes is the value's own matter: here there is none.

use crate::server::info;
use crate::site::Site;
use cascade_host_tests::Redis;

/// Tasks of the run.
const TASKS: u32 = 100_000;

/// How many of them the host may have at a time.
const JOBS: u32 = 64;

/// Memory of a run of many tasks, with all that a real one stores: its plan, and the journal.
pub(crate) fn of_tasks() {
    let (server, site) = (Redis::start(""), Site::independent(TASKS));
    let before = info(&server, "memory", "used_memory");
    let host = site.start("one", "bench", &server.uri(), JOBS);
    host.until("task.started");
    let begun = keys(&server);
    host.finish();
    let ended = keys(&server);
    let each = |bytes: u64| bytes / u64::from(TASKS);
    println!(
        "{TASKS} tasks: {} bytes of Redis memory a task once the run has ended, {} at most, by `used_memory`",
        each(info(&server, "memory", "used_memory") - before),
        each(info(&server, "memory", "used_memory_peak") - before),
    );
    for (when, keys) in [("as it begins", begun), ("once it has ended", ended)] {
        let shown: Vec<String> = keys.iter().map(|(size, key)| format!("{key} {}", each(*size))).collect();
        println!(
            "  {when}: {} bytes a task; {}",
            each(keys.iter().map(|(size, _)| size).sum()),
            shown.join(", ")
        );
    }
}

/// The keys of the run that take a byte a task and more, by what they take.
fn keys(server: &Redis) -> Vec<(u64, String)> {
    let told = server.command(&["KEYS", "cascade:run:*"]);
    let size = |key: &str| {
        let size = server.command(&["MEMORY", "USAGE", key, "SAMPLES", "0"]);
        size.parse::<u64>().unwrap_or_default() // none of a key that is gone
    };
    let name = |key: &str| key.rsplit(':').next().unwrap_or(key).to_owned();
    let mut keys: Vec<(u64, String)> = told.lines().map(|key| (size(key), name(key))).collect();
    keys.retain(|(size, _)| *size >= u64::from(TASKS));
    keys.sort_unstable_by(|one, other| other.cmp(one));
    keys
}
