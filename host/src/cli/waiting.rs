//! Runtimes: for commands that ask a backend and wait for its answers, and for those that call guests.
//! What they ask and call is theirs.

use crate::app::Error;
use crate::app::Refusal;
use crate::config::threads_are_few;
use crate::model::try_threads;
use tokio::runtime::{Builder, Runtime};

/// Writers of logs and events, and threads for calls that block.
const SPARE_THREADS: usize = 4;

/// Waits for an answer.
pub(crate) fn wait_for<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    runtime.block_on(answer)
}

/// A runtime for guests. It is refused where the system does not give its threads, and a few for what is written and
/// for what only blocks.
pub(crate) fn runtime_for_guests(threads: usize) -> Result<Runtime, Refusal> {
    if threads_are_few() {
        try_threads(threads.saturating_add(SPARE_THREADS)).map_err(cannot)?;
    }
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().map_err(cannot)
}

fn cannot(error: std::io::Error) -> Refusal {
    Refusal::new("cannot start the runtime").caused_by(error)
}
