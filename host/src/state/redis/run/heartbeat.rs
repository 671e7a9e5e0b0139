//! The heartbeat of an open ledger, with due timers, and the listener for wake-ups.
//! Both loops end when the ledger closes. Leases of claims are renewed in `lease_renewal.rs`.

use crate::state::Version;
use crate::state::redis::index;
use crate::state::redis::keys::Placing;
use crate::state::redis::link::{Answer, Command, Line, Link, Request, Trials};
use crate::state::redis::run::session::{Beat, LEAVING, Run};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Longest time that the server blocks a read without news. A dead connection is noticed after the same time.
const LISTEN_BLOCK: Duration = Duration::from_secs(5);

/// Says that the host lives, at least three times in a lease, and does what is due, until the door closes.
pub(crate) async fn run_heartbeat(run: Arc<Run>, mut closed: watch::Receiver<()>) {
    let every = run.pace();
    let mut listed = Instant::now();
    loop {
        let beat = async {
            // Sleep until the next heartbeat, or until a timer that may become due earlier meanwhile.
            heartbeat(&run, &mut listed).await;
            let until = Instant::now() + every;
            loop {
                let next = run.news.next_due().map_or(until, |due| due.min(until));
                tokio::select! {
                    () = tokio::time::sleep_until(next) => return,
                    () = run.news.due_changed() => {}
                }
            }
        };
        tokio::select! {
            _ = closed.changed() => break,
            () = beat => {}
        }
    }
    let leave = async {
        // Whoever cannot be told learns of it by the lease.
        if run.leave().await.is_ok_and(|is_there| is_there) {
            list(&run).await;
        }
    };
    drop(tokio::time::timeout(LEAVING, leave).await);
}

async fn heartbeat(run: &Run, listed: &mut Instant) {
    run.news.clear_due();
    // A server that is away is waited for by those who work; here the next sign is soon enough.
    let Ok(Beat { is_known, due }) = run.heartbeat().await else {
        return;
    };
    run.news.due(due.map(|due| Instant::now() + due + Duration::from_millis(1)));
    if is_known && listed.elapsed() >= index::every(run.request.ttl) {
        list(run).await;
        prune(&run.link).await;
        *listed = Instant::now();
    }
}

/// Enters the run into the index of runs.
pub(crate) async fn list(run: &Run) {
    index::enter(&run.link, &run.request.run, run.request.ttl).await;
}

/// Takes runs that have expired out of the index.
pub(crate) async fn prune(link: &Link) {
    // Whatever stays there is for the next run to take out.
    drop(index::prune(link, Placing::for_place(link.place())).await);
}

/// Listens for wake-ups on a separate connection until the ledger closes.
pub(crate) async fn listen_forever(run: Arc<Run>, mut closed: watch::Receiver<()>) {
    tokio::select! {
        _ = closed.changed() => {}
        () = hear_version(&run) => {}
    }
}

async fn hear_version(run: &Run) {
    let line = Line::new("wait");
    let mut last = "0-0".to_owned();
    let mut trials = Trials::new();
    loop {
        let command = Command::new("XREAD")
            .arg("BLOCK")
            .arg(LISTEN_BLOCK.as_millis().to_string())
            .arg("STREAMS")
            .arg(run.keys.key("wake"))
            .arg(&last);
        match run.link.ask_once(&line, Request::read([command]), LISTEN_BLOCK).await {
            Ok(answers) => {
                trials = Trials::new();
                if let Some(id) = newest(answers) {
                    let version = id.split_once('-').and_then(|(version, _)| version.parse().ok());
                    run.news.advance(Version(version.unwrap_or(0)));
                    last = id;
                }
            }
            Err(()) => {
                // Versions may have been missed, and the server may have lost data: read the stream again, and wake
                // once.
                "0-0".clone_into(&mut last);
                run.news.nudge();
                // A server that is away is noticed by the next sign of life, which is made now.
                run.news.due(Some(Instant::now()));
                trials.next(Duration::MAX).await;
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
