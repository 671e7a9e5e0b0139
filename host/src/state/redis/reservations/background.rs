//! The background tasks of a session: one gives back what has ended, another listens for calls once somebody waits.
//! Both end when the session is dropped.

use crate::state::redis::link::{Answer, Backoff, Command, Line, Request};
use crate::state::redis::reservations::session::{End, LEAVE_TIMEOUT, Session};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

/// Maximum time that the server blocks a read without calls. A dead connection is noticed after the same time.
const LISTEN_BLOCK: Duration = Duration::from_secs(5);

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
    let line = Line::new("calls");
    let mut last = "0-0".to_owned();
    let mut backoff = Backoff::new();
    loop {
        let command = Command::new("XREAD")
            .arg("BLOCK")
            .arg(LISTEN_BLOCK.as_millis().to_string())
            .arg("STREAMS")
            .arg(session.server.calls())
            .arg(&last);
        match session.server.link.ask_once(&line, Request::read([command]), LISTEN_BLOCK).await {
            Ok(answers) => {
                backoff = Backoff::new();
                for (id, ids) in entries(answers) {
                    session.wake(&ids);
                    last = id;
                }
            }
            Err(()) => {
                // Calls may have been missed, and the server may have lost data: read the stream again, and ask for all.
                "0-0".clone_into(&mut last);
                session.wake_all();
                backoff.next(Duration::MAX).await;
            }
        }
    }
}

/// Returns the entries in a reply, each with its id and the called ids.
fn entries(answers: Vec<Answer>) -> Vec<(String, String)> {
    let streams = answers.into_iter().next().map(Answer::list).unwrap_or_default();
    let entries =
        streams.into_iter().filter_map(|stream| stream.list().into_iter().nth(1)).flat_map(Answer::list);
    let text = |answer: Answer| String::from_utf8(answer.bytes()?.to_vec()).ok();
    let entry = |entry: Answer| {
        let mut parts = entry.list().into_iter();
        let (id, fields) = (parts.next()?, parts.next()?);
        Some((text(id)?, fields.list().into_iter().nth(1).and_then(text).unwrap_or_default()))
    };
    entries.filter_map(entry).collect()
}
