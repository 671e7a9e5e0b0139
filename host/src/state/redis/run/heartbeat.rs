//! The heartbeat of an open ledger, with due timers, and the listener for wake-ups.
//! Both loops end when the ledger closes. Leases of claims are renewed in `lease_renewal.rs`.

use crate::state::Version;
use crate::state::redis::index;
use crate::state::redis::keys::Placement;
use crate::state::redis::link::Link;
use crate::state::redis::run::session::{HeartbeatReply, LEAVE_TIMEOUT, Run};
use crate::state::redis::stream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Sends heartbeats, at least three per lease and one when a timer is due, until the ledger closes.
pub(crate) async fn run_heartbeat(run: Arc<Run>, mut closed: watch::Receiver<()>) {
    let interval = run.heartbeat_interval();
    let mut listed = Instant::now();
    loop {
        let beat = async {
            // Sleep until the next heartbeat, or until a timer that may become due earlier meanwhile.
            heartbeat(&run, &mut listed).await;
            let until = Instant::now() + interval;
            loop {
                let next = run.wakeups.next_due().map_or(until, |due| due.min(until));
                tokio::select! {
                    () = tokio::time::sleep_until(next) => return,
                    () = run.wakeups.due_changed() => {}
                }
            }
        };
        tokio::select! {
            _ = closed.changed() => break,
            () = beat => {}
        }
    }
    let leave = async {
        // If the server is unreachable, the lease expires instead.
        if run.leave().await.is_ok_and(|exists| exists) {
            list(&run).await;
        }
    };
    drop(tokio::time::timeout(LEAVE_TIMEOUT, leave).await);
}

async fn heartbeat(run: &Run, listed: &mut Instant) {
    run.wakeups.clear_due();
    // Commits wait for an unavailable server; here the next heartbeat is soon enough.
    let Ok(HeartbeatReply { is_known, due }) = run.heartbeat().await else {
        return;
    };
    run.wakeups.due(due.map(|due| Instant::now() + due + Duration::from_millis(1)));
    if is_known && listed.elapsed() >= index::interval(run.request.ttl) {
        list(run).await;
        prune(&run.link).await;
        *listed = Instant::now();
    }
}

/// Adds the run to the index of runs.
pub(crate) async fn list(run: &Run) {
    index::enter(&run.link, &run.request.run, run.request.ttl).await;
}

/// Removes expired runs from the index.
pub(crate) async fn prune(link: &Link) {
    // After a failure, the next run removes them.
    drop(index::prune(link, Placement::for_topology(link.topology())).await);
}

/// Listens for wake-ups on a separate connection until the ledger closes.
pub(crate) async fn listen_forever(run: Arc<Run>, mut closed: watch::Receiver<()>) {
    tokio::select! {
        _ = closed.changed() => {}
        () = listen(&run) => {}
    }
}

async fn listen(run: &Run) {
    stream::listen(&run.link, "wait", &run.keys.key("wake"), |entries| match entries {
        Some(entries) => {
            let newest = entries.last().and_then(|(id, _)| id.split_once('-'));
            run.wakeups.advance(Version(newest.and_then(|(version, _)| version.parse().ok()).unwrap_or(0)));
        }
        None => {
            // Versions may have been missed: wake once.
            run.wakeups.nudge();
            // The next heartbeat notices an unavailable server, so make it due now.
            run.wakeups.due(Some(Instant::now()));
        }
    })
    .await;
}
