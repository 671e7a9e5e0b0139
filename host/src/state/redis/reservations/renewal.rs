//! Renews the lease of a session on a separate thread and connection, as that of claims is.
//! Stopping the guests that held something is left to the engine.

use crate::model::Random;
use crate::state::redis::link::Line;
use crate::state::redis::reservations::session::Session;
use crate::state::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Minimum timeout of one attempt.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);

/// Maximum interval between two renewals, however long the lease.
const MAX_INTERVAL: Duration = Duration::from_secs(20);

/// Starts renewing the lease of a session until it is dropped.
pub(crate) fn start_renewal(session: Arc<Session>, mut closed: watch::Receiver<()>) -> Result<(), Error> {
    let failed = |error| {
        Error::new(ErrorKind::Unavailable, "starting the thread that renews the lease of resources")
            .caused_by(error)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let renewal = move || {
        runtime.block_on(async {
            tokio::select! {
                _ = closed.changed() => {}
                () = renew_forever(&session) => {}
            }
        });
    };
    // The thread ends with the session and is not joined: at most one request is under way.
    std::thread::Builder::new().name("resources".to_owned()).spawn(renewal).map(drop).map_err(failed)
}

/// Renews three times per lease, and more often while renewal fails. A lease that has passed by this host's clock is given up
/// only after a failed attempt: a process that was paused asks the server first.
async fn renew_forever(session: &Session) {
    let line = Line::new("resources");
    let third = (session.request.lease / 3).max(Duration::from_millis(1));
    let mut random = Random::from_system();
    let mut is_confirmed = true;
    loop {
        let start = Instant::now();
        // After a failure, the timeout shrinks to the time that is left of the lease.
        let within = if is_confirmed {
            third
        } else {
            session.until().saturating_duration_since(start).clamp(MIN_TIMEOUT, third.max(MIN_TIMEOUT))
        };
        let answer = session.renew_on(&line, within).await;
        // An attempt takes at most twice its timeout. A much longer one was interrupted by a pause, and proves nothing.
        let was_paused = start.elapsed() > (within * 3).max(third);
        is_confirmed = answer.is_some() || was_paused;
        if !is_confirmed {
            session.doubt();
        }
        if is_confirmed && start.elapsed() > third {
            continue; // the process was paused: the lease may have passed again
        }
        if is_confirmed {
            tokio::time::sleep_until(start + third.min(MAX_INTERVAL)).await;
        } else {
            let longest = (third / 10).clamp(Duration::from_millis(5), Duration::from_millis(500));
            tokio::time::sleep(random.jittered(longest)).await;
        }
    }
}
