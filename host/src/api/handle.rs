//! A run in progress: waiting for its end, and stopping it.
//! The run itself is a task on the host's runtime.

use crate::api::{Error, Host, Report};
use crate::app;
use crate::engine::Interrupt;
use crate::model::RunId;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::{oneshot, watch};

/// A run that was started. Dropping it stops the run as [`RunHandle::abort`] does; finished tasks stay committed.
///
/// ```no_run
/// # use cascade_host::Pipeline;
/// let handle = Pipeline::from_path("report.toml")?.run().start()?;
/// println!("run {}", handle.run_id());
/// handle.cancel();
/// let report = handle.wait()?;
/// # Ok::<(), cascade_host::Error>(())
/// ```
pub struct RunHandle {
    run: RunId,
    interrupt: watch::Sender<Interrupt>,
    ended: oneshot::Receiver<Result<Report, app::Error>>,
    // Keeps the runtime that the run is on.
    _host: Host,
}

impl RunHandle {
    /// Starts the work of a run as a task on the host's runtime.
    pub(crate) fn spawn(
        host: &Host,
        run: RunId,
        interrupt: watch::Sender<Interrupt>,
        work: impl Future<Output = Result<Report, app::Error>> + Send + 'static,
    ) -> Result<Self, Error> {
        let (end, ended) = oneshot::channel();
        // Awaited through `ended`; ends soon after the interrupt that a dropped handle sends.
        drop(host.runtime()?.spawn(async move { drop(end.send(work.await)) }));
        Ok(Self { run, interrupt, ended, _host: host.clone() })
    }

    /// Returns the run id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        self.run.as_str()
    }

    /// Starts nothing new; running tasks are finished and committed. The same run id resumes the run.
    pub fn cancel(&self) {
        self.interrupt.send_modify(|interrupt| *interrupt = (*interrupt).max(Interrupt::Drain));
    }

    /// Stops running guests too. The same run id resumes the run.
    pub fn abort(&self) {
        self.interrupt.send_modify(|interrupt| *interrupt = Interrupt::Abort);
    }

    /// Blocks until the run has ended. On an async runtime, `.await` the handle instead.
    ///
    /// # Panics
    ///
    /// On a thread of an async runtime, which must not block.
    pub fn wait(mut self) -> Result<Report, Error> {
        let ended = std::mem::replace(&mut self.ended, oneshot::channel().1);
        result(ended.blocking_recv())
    }
}

fn result(ended: Result<Result<Report, app::Error>, oneshot::error::RecvError>) -> Result<Report, Error> {
    match ended {
        Ok(report) => Ok(report?),
        Err(_) => Err(Error::refused("the run panicked, which is a fault of this library")),
    }
}

/// Waits for the end. Cancel safe: the run goes on while the handle is not polled.
impl Future for RunHandle {
    type Output = Result<Report, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.ended).poll(context).map(result)
    }
}

impl Drop for RunHandle {
    fn drop(&mut self) {
        self.abort();
    }
}

impl fmt::Debug for RunHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunHandle").field("run", &self.run).finish_non_exhaustive()
    }
}
