//! The heartbeat of an open ledger, with due timers, and the listener for wake-ups.
//! Both loops end when the ledger closes. Leases of claims are renewed in `lease_renewal.rs`.

use crate::state::Version;
use crate::state::redis::index;
use crate::state::redis::keys::Placement;
use crate::state::redis::link::{Answer, Backoff, Command, Line, Link, Request};
use crate::state::redis::run::session::{HeartbeatReply, LEAVE_TIMEOUT, Run};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Maximum time that the server blocks a read without new versions. A dead connection is noticed after the same time.
const LISTEN_BLOCK: Duration = Duration::from_secs(5);

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
    let line = Line::new("wait");
    let mut last = "0-0".to_owned();
    let mut backoff = Backoff::new();
    loop {
        let command = Command::new("XREAD")
            .arg("BLOCK")
            .arg(LISTEN_BLOCK.as_millis().to_string())
            .arg("STREAMS")
            .arg(run.keys.key("wake"))
            .arg(&last);
        match run.link.ask_once(&line, Request::read([command]), LISTEN_BLOCK).await {
            Ok(answers) => {
                backoff = Backoff::new();
                if let Some(id) = newest(answers) {
                    let version = id.split_once('-').and_then(|(version, _)| version.parse().ok());
                    run.wakeups.advance(Version(version.unwrap_or(0)));
                    last = id;
                }
            }
            Err(()) => {
                // Versions may have been missed, and the server may have lost data: read the stream again, and wake
                // once.
                "0-0".clone_into(&mut last);
                run.wakeups.nudge();
                // The next heartbeat notices an unavailable server, so make it due now.
                run.wakeups.due(Some(Instant::now()));
                backoff.next(Duration::MAX).await;
            }
        }
    }
}

/// Returns the id of the newest entry in a reply: streams, each with its name and entries.
fn newest(answers: Vec<Answer>) -> Option<String> {
    let stream = answers.into_iter().next()?.list().into_iter().next()?;
    let entry = stream.list().into_iter().nth(1)?.list().pop()?;
    let id = entry.list().into_iter().next()?.bytes()?;
    String::from_utf8(id.to_vec()).ok()
}
