//! Runs that other hosts work on: who they are, and waiting until nobody does.
//! `run` joins them, unless `--if-running` says otherwise.

use crate::app::Error;
use crate::config::is_gone;
use crate::model::{RunId, RunStatus};
use crate::state::{Backend, ErrorKind, HostId};

/// What to do about other hosts that work on the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Others {
    /// Work on it together.
    #[default]
    Join,
    /// Wait until nobody works on it.
    Await,
    /// Leave the run to them.
    Avoid,
}

/// Returns the hosts that work on a run; none if there is no such run. Processes of this machine that have ended do not
/// count, whatever their leases.
pub(crate) async fn live_hosts(backend: &dyn Backend, run: &RunId) -> Result<Vec<HostId>, Error> {
    match backend.run(run).await {
        Ok(found) if found.status == RunStatus::Running => {
            Ok(found.hosts.into_iter().filter(|host| !is_gone(&host.0)).collect())
        }
        Ok(_) => Ok(Vec::new()), // has ended
        Err(error) if error.kind == ErrorKind::NoRun => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Waits until nobody works on a run.
pub(crate) async fn until_idle(backend: &dyn Backend, run: &RunId) -> Result<(), Error> {
    let mut follower = backend.follow(run);
    while !live_hosts(backend, run).await?.is_empty() {
        // Returns at every event, and after a few seconds without one: hosts that are killed write none.
        match follower.next().await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NoRun => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
