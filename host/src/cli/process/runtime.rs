//! Creates the tokio runtime of commands that only query a backend, and reports outages of the backend.
//! The runtime of guests and the queries are in `app`.

use crate::app::{Error, HealthChange, HealthMonitor, Refusal};
use crate::cli::console::Console;
use crate::cli::process::terminal::{StdoutState, wait_until_stdout_closes};
use crate::state::{Backend, Health};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::sync::watch;

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
) -> HealthMonitor<'static> {
    let console = console.clone();
    HealthMonitor::new(name, health, move |change| match change {
        HealthChange::Unavailable(message) => console.warn("state-away", &message),
        HealthChange::Available => console.note("state-back", &format!("{name} is available again")),
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

/// Returns a flag that is set once the reader of stdout has closed it.
pub(crate) fn stdout_closed() -> Arc<AtomicBool> {
    let flag = Arc::<AtomicBool>::default();
    let of_thread = Arc::clone(&flag);
    let watch = move || {
        if wait_until_stdout_closes() == StdoutState::Closed {
            of_thread.store(true, Ordering::Relaxed);
        }
    };
    // The thread ends with the process. If it cannot be started, the flag is never set.
    drop(Builder::new().name("stdout".to_owned()).spawn(watch));
    flag
}

fn cannot_start(error: std::io::Error) -> Refusal {
    Refusal::new("cannot start the runtime").caused_by(error)
}
