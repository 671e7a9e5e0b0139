//! Keeps the claims of an open door, from a thread of its own with a connection of its own, so that neither guests that
//! fill every core nor an answer that is waited for can cost a lease. Whose guest is to be stopped is only told here.

use crate::model::Random;
use crate::state::redis::link::Line;
use crate::state::redis::run::session::Run;
use crate::state::{Certainty, Error, ErrorKind, Loss};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::time::Instant;

/// The least time that a trial is given.
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// Begins to keep the claims of a run until the door closes.
pub(crate) fn start_renewal(
    run: Arc<Run>,
    closed: watch::Receiver<()>,
    tell: UnboundedSender<Loss>,
) -> Result<(), Error> {
    let failed =
        |error| Error::new(ErrorKind::Unavailable, "starting the thread that holds leases").caused_by(error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let keeping = move || runtime.block_on(until_closed(&run, closed, &tell));
    // It ends with the door, and nobody waits for it: at most one request is under way.
    std::thread::Builder::new().name("leases".to_owned()).spawn(keeping).map(drop).map_err(failed)
}

async fn until_closed(run: &Run, mut closed: watch::Receiver<()>, tell: &UnboundedSender<Loss>) {
    tokio::select! {
        _ = closed.changed() => {}
        () = renew_forever(run, tell) => {}
    }
}

/// Renews three times in a lease, and more often while that fails. Each trial ends in time for another one, so that a
/// connection that is dead is not waited for until the leases have passed. Claims are doubted only after a trial that has
/// failed: a process that was paused asks first.
async fn renew_forever(run: &Run, tell: &UnboundedSender<Loss>) {
    let line = Line::new("leases");
    let third = (run.request.lease / 3).max(Duration::from_millis(1));
    let mut random = Random::from_system();
    let mut is_heard = true;
    loop {
        let began = Instant::now();
        let within = match run.next_end() {
            Some(end) if !is_heard => {
                end.saturating_duration_since(began).clamp(MIN_PAUSE, third.max(MIN_PAUSE))
            }
            Some(_) | None => third,
        };
        let answer = run.renew_leases(&line, within).await;
        // A trial ends in twice its time: one that took much longer was interrupted by a pause, and says nothing.
        let was_paused = began.elapsed() > (within * 3).max(third);
        is_heard = answer.is_some() || was_paused;
        let is_late = is_heard && began.elapsed() > third;
        let doubted = if is_heard { Vec::new() } else { run.doubtful() };
        let told = |certainty| move |token| Loss { token, certainty };
        let taken = answer.into_iter().flatten().chain(run.ended_leases()).map(told(Certainty::Taken));
        for loss in taken.chain(doubted.into_iter().map(told(Certainty::Unconfirmed))) {
            if tell.send(loss).is_err() {
                return; // whoever listened works on the run no more
            }
        }
        if is_late {
            continue; // the process was paused in between: what was confirmed may have passed again
        }
        let next = if is_heard { began + run.pace() } else { Instant::now() + pause(third, &mut random) };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = run.late() => {}
        }
    }
}

/// How long to wait after a trial that failed: short against the lease, and not the same for all hosts.
fn pause(third: Duration, random: &mut Random) -> Duration {
    let longest = (third / 10).clamp(Duration::from_millis(5), Duration::from_millis(500));
    random.jittered(longest)
}
