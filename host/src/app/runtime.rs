//! Creates the tokio runtime that guests and the engine run on.
//! Runtimes of commands that only query a backend are in `cli/process`.

use crate::app::Refusal;
use crate::config::threads_are_few;
use crate::model::try_threads;
use tokio::runtime;
use tokio::runtime::Runtime;

/// Threads for the writers of logs and events, and for blocking calls.
const SPARE_THREADS: usize = 4;

/// Threads that one guest may block: its streams, its own blocking call, and its end.
const BLOCKING_OF_GUEST: usize = 6;

/// Threads for calls that outlive their guests, for name lookups, and for the host itself.
const BLOCKING_OF_HOST: usize = 512;

/// Creates a runtime for guests. Refused if the system does not provide its threads, plus a few for writers and
/// blocking calls.
pub(crate) fn runtime_for_guests(threads: usize) -> Result<Runtime, Refusal> {
    if threads_are_few() {
        try_threads(threads.saturating_add(SPARE_THREADS)).map_err(cannot_start)?;
    }
    runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(max_blocking_threads(threads))
        .enable_all()
        .build()
        .map_err(cannot_start)
}

/// Returns the maximum number of threads for blocking calls. Large enough that blocked guests never starve others.
/// Threads start on demand.
fn max_blocking_threads(guests: usize) -> usize {
    guests.saturating_mul(BLOCKING_OF_GUEST).saturating_add(BLOCKING_OF_HOST)
}

fn cannot_start(error: std::io::Error) -> Refusal {
    Refusal::new("cannot start the runtime").caused_by(error)
}
