//! Single-flight across hosts: wakes waiting tasks when another host has computed or given up an entry.
//! The engine decides who waits, and for how long.
//!
//! A maker with waiters adds the key to the stream `cascade:made`. All waiters of this host share one reader of the
//! stream: one waiter reads for all. When it leaves, another waiter continues with the same request.

use crate::cache::MakeRequest;
use crate::model::Digest;
use crate::state::redis::link::{Answer, Command, Line, Link, Request};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::broadcast;

/// The stream of computed and given up keys.
const MADE: &str = "cascade:made";

/// Approximate maximum length of the stream; readers are never far behind.
const MAX_LEN: &str = "1000";

/// TTL of the stream after its last entry, in milliseconds.
const TTL: &str = "86400000";

/// Maximum time that the server blocks a read without new entries.
const BLOCK: Duration = Duration::from_secs(5);

/// Backoff after a failed read. Waiters look up the entry themselves meanwhile.
const BACKOFF: Duration = Duration::from_millis(250);

/// The stream's reader, shared by all waiters of this host.
pub(super) struct MadeResults {
    link: Arc<Link>,
    // A mutex, so that one waiter reads for all; the others wait for its broadcasts.
    reader: Mutex<StreamReader>,
    announcements: broadcast::Sender<Digest>,
}

struct StreamReader {
    line: Arc<Line>,
    /// The last entry that was read.
    last: String,
    /// The pending request, which outlives the waiter that sent it.
    pending: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Answer>, ()>> + Send>>;

impl MadeResults {
    /// Creates a reader that connects only when the first task waits.
    pub(super) fn new(link: Arc<Link>) -> Self {
        let reader =
            StreamReader { line: Arc::new(Line::new("made")), last: "0-0".to_owned(), pending: None };
        Self { link, reader: Mutex::new(reader), announcements: broadcast::Sender::new(64) }
    }

    /// Announces to all hosts that an entry was computed or given up. Waiters that miss it look up the entry later.
    pub(super) async fn announce(&self, request: &MakeRequest) {
        let add =
            Command::new("XADD").args([MADE, "MAXLEN", "~", MAX_LEN, "*", "k"]).arg(request.key.to_string());
        let keep = Command::new("PEXPIRE").args([MADE, TTL]);
        drop(self.link.ask("announcing a cached result", Request::read([add, keep]).best_effort()).await);
    }

    /// Waits until a key is announced, or until `max_wait` has passed. Cancel safe.
    pub(super) async fn wait(&self, key: &Digest, max_wait: Duration) {
        let announced = self.wait_announced(key, self.announcements.subscribe());
        tokio::select! {
            () = announced => {}
            never = self.read() => match never {},
            () = tokio::time::sleep(max_wait) => {}
        }
    }

    async fn wait_announced(&self, key: &Digest, mut announcements: broadcast::Receiver<Digest>) {
        // A receiver that lagged may have missed its key, so it returns and looks.
        while announcements.recv().await.is_ok_and(|made| made != *key) {}
    }

    async fn read(&self) -> Infallible {
        let mut reader = self.reader.lock().await;
        loop {
            let answers = reader.next(&self.link).await;
            let Ok(answers) = answers else {
                tokio::time::sleep(BACKOFF).await;
                continue;
            };
            for (id, key) in answers.into_iter().flat_map(Answer::list).flat_map(entries) {
                reader.last = id;
                if let Some(key) = key {
                    // Fails if no waiter is left.
                    drop(self.announcements.send(key));
                }
            }
        }
    }
}

impl StreamReader {
    async fn next(&mut self, link: &Arc<Link>) -> Result<Vec<Answer>, ()> {
        let Self { line, last, pending } = self;
        let reading = pending
            .get_or_insert_with(|| Box::pin(reading(Arc::clone(link), Arc::clone(line), last.clone())));
        let answers = reading.as_mut().await;
        *pending = None;
        answers
    }
}

async fn reading(to: Arc<Link>, line: Arc<Line>, last: String) -> Result<Vec<Answer>, ()> {
    let command = Command::new("XREAD").args(["COUNT", MAX_LEN, "BLOCK"]).arg(BLOCK.as_millis().to_string());
    let command = command.args(["STREAMS", MADE]).arg(last);
    to.ask_once(&line, Request::read([command]), BLOCK).await
}

/// Returns the ids of a stream's entries, and the keys that they name.
fn entries(stream: Answer) -> Vec<(String, Option<Digest>)> {
    let entries = stream.list().into_iter().nth(1).map(Answer::list).unwrap_or_default();
    entries.into_iter().filter_map(entry).collect()
}

fn entry(answer: Answer) -> Option<(String, Option<Digest>)> {
    let mut parts = answer.list().into_iter();
    let id = String::from_utf8(parts.next()?.bytes()?.into()).ok()?;
    let key = parts.next().map(Answer::list).unwrap_or_default().into_iter().nth(1).and_then(Answer::bytes);
    let key = key.and_then(|key| std::str::from_utf8(&key).ok().and_then(|key| Digest::parse(key).ok()));
    Some((id, key))
}
