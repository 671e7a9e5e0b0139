//! Creates tokio runtimes: for commands that query a backend, and for those that call guests.
//! The queries and calls are in `app`.

use crate::app::{Error, Refusal, Sign, Vigil};
use crate::cli::console::Console;
use crate::cli::process::terminal::{StdoutState, wait_until_stdout_closes};
use crate::config::threads_are_few;
use crate::model::try_threads;
use crate::state::{Backend, Health};
use std::thread::Builder;
use tokio::runtime;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::sync::watch;

/// Threads for the writers of logs and events, and for blocking calls.
const SPARE_THREADS: usize = 4;

/// Threads that one guest may block: its streams, its own blocking call, and its end.
const BLOCKING_OF_GUEST: usize = 6;

/// Threads for calls that outlive their guests, for name lookups, and for the host itself.
const BLOCKING_OF_HOST: usize = 512;

/// Waits for a reply of a state backend, and warns while the backend is unavailable.
pub(crate) fn wait_for<T>(
    console: &Console,
    backend: &dyn Backend,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
    runtime.block_on(health_monitor(console, "the state backend", backend.health()).beside(answer))
}

/// Creates a health monitor of a backend, for a command without a log.
pub(crate) fn health_monitor(
    console: &Console,
    name: &'static str,
    health: Option<watch::Receiver<Health>>,
) -> Vigil<'static> {
    let console = console.clone();
    Vigil::new(name, health, move |sign| match sign {
        Sign::Away(message) => console.warn("state-away", &message),
        Sign::Back => console.note("state-back", &format!("{name} serves again")),
    })
}

/// Waits for a future; returns `None` once the reader of stdout has closed it.
pub(crate) async fn while_stdout_is_read<T>(answer: impl Future<Output = T>) -> Option<T> {
    let (sender, closed) = oneshot::channel();
    // The thread ends with the process. If it cannot be started, the future runs to its end.
    let watching =
        Builder::new().name("stdout".to_owned()).spawn(move || sender.send(wait_until_stdout_closes()));
    drop(watching);
    let closed = async {
        if closed.await != Ok(StdoutState::Closed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        answer = answer => Some(answer),
        () = closed => None,
    }
}

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
