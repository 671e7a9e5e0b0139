//! Creates tokio runtimes: for commands that query a backend, and for those that call guests.
//! The queries and calls are in `app`.

use crate::app::{Error, Refusal, Sign, Vigil};
use crate::cli::process::terminal::{Readership, outlast_reader};
use crate::cli::voice::Voice;
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

/// Threads that one guest may keep waiting: those of its streams, the one that it waits for itself, and its own end.
const BLOCKING_OF_GUEST: usize = 6;

/// Threads for calls that have outlived their guests, for names that are looked up, and for the host itself.
const BLOCKING_OF_HOST: usize = 512;

/// Waits for an answer of a state backend; says so where that does not come.
pub(crate) fn wait_for<T>(
    voice: &Voice,
    backend: &dyn Backend,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(cannot)?;
    runtime.block_on(vigil(voice, "the state backend", backend.health()).beside(answer))
}

/// Looks after a backend for a command that has no log.
pub(crate) fn vigil(
    voice: &Voice,
    what: &'static str,
    health: Option<watch::Receiver<Health>>,
) -> Vigil<'static> {
    let voice = voice.clone();
    Vigil::new(what, health, move |sign| match sign {
        Sign::Away(message) => voice.warn("state-away", &message),
        Sign::Back => voice.note("state-back", &format!("{what} serves again")),
    })
}

/// Waits for an answer as long as somebody reads stdout; none where the reader has gone, who has seen enough.
pub(crate) async fn while_read<T>(answer: impl Future<Output = T>) -> Option<T> {
    let (tell, gone) = oneshot::channel();
    // It ends with the process. Without a thread, the answer is waited for to its end.
    let watching = Builder::new().name("stdout".to_owned()).spawn(move || tell.send(outlast_reader()));
    drop(watching);
    let gone = async {
        if gone.await != Ok(Readership::Gone) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        answer = answer => Some(answer),
        () = gone => None,
    }
}

/// Creates a runtime for guests. Refused if the system does not provide its threads, plus a few for writers and
/// blocking calls.
pub(crate) fn runtime_for_guests(threads: usize) -> Result<Runtime, Refusal> {
    if threads_are_few() {
        try_threads(threads.saturating_add(SPARE_THREADS)).map_err(cannot)?;
    }
    runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(blocking(threads))
        .enable_all()
        .build()
        .map_err(cannot)
}

/// How many threads there may be for calls that block: so many that guests never take what others need, whatever their
/// calls wait for. They are started as they are needed.
fn blocking(guests: usize) -> usize {
    guests.saturating_mul(BLOCKING_OF_GUEST).saturating_add(BLOCKING_OF_HOST)
}

fn cannot(error: std::io::Error) -> Refusal {
    Refusal::new("cannot start the runtime").caused_by(error)
}
