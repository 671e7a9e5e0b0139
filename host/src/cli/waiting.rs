//! A runtime for commands that ask a backend and wait for its answers, without guests.
//! What they ask is theirs.

use crate::app::Error;
use crate::app::Refusal;

/// Waits for an answer.
pub(crate) fn wait_for<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Refusal::new("cannot start the runtime").caused_by(error))?;
    runtime.block_on(answer)
}
