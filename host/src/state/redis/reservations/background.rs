//! The background tasks of a session: one gives back what has ended, another listens for calls once somebody waits.
//! Both end when the session is dropped.

use crate::state::redis::link::{Command, Request};
use crate::state::redis::reservations::session::{End, LEAVE_TIMEOUT, Session};
use crate::state::redis::stream;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

/// Maximum number of reservations that one request ends.
const MAX_ENDS: usize = 256;

/// Gives back reservations in the order in which they ended, those that ended together in one request. Then ends the session.
pub(crate) async fn give_back_forever(session: Arc<Session>, mut ends: UnboundedReceiver<End>) {
    let doing = "giving back the resources of all runs";
    let mut batch = Vec::new();
    while ends.recv_many(&mut batch, MAX_ENDS).await > 0 {
        let mut told = Vec::new();
        let commands: Vec<Command> = batch
            .drain(..)
            .map(|end| match end {
                End::Reservation(ended) => session.end(&ended),
                End::Session(done) => {
                    told.push(done);
                    session.close()
                }
            })
            .collect();
        // What cannot be given back comes back with the lease, or when the session ends.
        drop(session.server.link.ask(doing, Request::write(commands)).await);
        for done in told {
            let _is_awaited = done.send(()).is_ok();
        }
    }
    let close = session.server.link.ask(doing, Request::write([session.close()]).best_effort());
    drop(tokio::time::timeout(LEAVE_TIMEOUT, close).await);
}

/// Listens for calls on a separate connection, from the first wait until the session is dropped.
pub(crate) async fn listen_when_needed(session: Arc<Session>, mut closed: watch::Receiver<()>) {
    let listening = async {
        session.waiter.notified().await;
        listen(&session).await;
    };
    tokio::select! {
        _ = closed.changed() => {}
        () = listening => {}
    }
}

async fn listen(session: &Session) {
    stream::listen(&session.server.link, "calls", session.server.calls(), |entries| match entries {
        Some(entries) => entries.iter().for_each(|(_, ids)| session.wake(ids)),
        // Calls may have been missed: ask for all.
        None => session.wake_all(),
    })
    .await;
}
