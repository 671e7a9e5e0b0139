//! Renews the leases of an open ledger on a separate thread and connection.
//! So neither busy cores nor slow replies cost a lease. Stopping the guests of lost claims is left to the engine.

use crate::model::Random;
use crate::state::redis::link::Line;
use crate::state::redis::run::session::Run;
use crate::state::{Certainty, Error, ErrorKind, Loss};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

/// Minimum timeout of one attempt.
const MIN_TIMEOUT: Duration = Duration::from_millis(10);

/// Starts renewing the claims of a run until the ledger closes.
pub(crate) fn start_renewal(
    run: Arc<Run>,
    closed: watch::Receiver<()>,
    losses: UnboundedSender<Loss>,
) -> Result<(), Error> {
    let failed =
        |error| Error::new(ErrorKind::Unavailable, "starting the thread that renews leases").caused_by(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let renewal = move || runtime.block_on(until_closed(&run, closed, &losses));
    // The thread ends with the ledger and is not joined: at most one request is under way.
    std::thread::Builder::new().name("leases".to_owned()).spawn(renewal).map(drop).map_err(failed)
}

async fn until_closed(run: &Run, mut closed: watch::Receiver<()>, losses: &UnboundedSender<Loss>) {
    tokio::select! {
        _ = closed.changed() => {}
        () = renew_forever(run, losses) => {}
    }
}

/// Renews three times per lease, and more often while renewal fails.
///
/// Each attempt times out early enough for another one, so a dead connection does not consume the whole lease. Claims
/// are doubted only after a failed attempt: a process that was paused asks the server first.
async fn renew_forever(run: &Run, losses: &UnboundedSender<Loss>) {
    let line = Line::new("leases");
    let third = (run.request.lease / 3).max(Duration::from_millis(1));
    let mut random = Random::from_system();
    let mut is_confirmed = true;
    loop {
        // After a failure, the timeout shrinks to the time that is left of the first lease.
        let start = Instant::now();
        let within = match run.next_end() {
            Some(end) if !is_confirmed => {
                end.saturating_duration_since(start).clamp(MIN_TIMEOUT, third.max(MIN_TIMEOUT))
            }
            Some(_) | None => third,
        };
        let answer = run.renew_leases(&line, within).await;
        // An attempt takes at most twice its timeout. A much longer one was interrupted by a pause, and proves nothing.
        let was_paused = start.elapsed() > (within * 3).max(third);
        is_confirmed = answer.is_some() || was_paused;
        let is_late = is_confirmed && start.elapsed() > third;
        let doubted = if is_confirmed { Vec::new() } else { run.doubtful() };
        let loss = |certainty| move |token| Loss { token, certainty };
        let taken = answer.into_iter().flatten().chain(run.ended_leases()).map(loss(Certainty::Taken));
        for loss in taken.chain(doubted.into_iter().map(loss(Certainty::Unconfirmed))) {
            if losses.send(loss).is_err() {
                return; // the receiver is gone: the host has left the run
            }
        }
        if is_late {
            continue; // the process was paused: the confirmed leases may have expired again
        }
        let next = if is_confirmed {
            start + run.heartbeat_interval()
        } else {
            Instant::now() + backoff(third, &mut random)
        };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = run.late() => {}
        }
    }
}

/// Returns the backoff after a failed attempt: short against the lease, and jittered.
fn backoff(third: Duration, random: &mut Random) -> Duration {
    let longest = (third / 10).clamp(Duration::from_millis(5), Duration::from_millis(500));
    random.jittered(longest)
}
