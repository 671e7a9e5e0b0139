//! Hears of results that other hosts have made or given up, so that whoever waits for one goes on at once.
//! Who waits for what, and for how long at most, is for `flight` of the engine.
//!
//! A maker that somebody waited for adds the key to the stream `cascade:made`. All who wait on this host share one
//! reader of it: one of them reads for all, and when it leaves, another goes on with the same request.

use crate::cache::MakeRequest;
use crate::model::Digest;
use crate::state::redis::link::{Answer, Command, Line, Link, Request};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::broadcast;

/// The stream of what was made.
const MADE: &str = "cascade:made";

/// As many entries it keeps, about: whoever reads is never far behind.
const KEPT: &str = "1000";

/// How long the stream outlives its last entry, in milliseconds.
const LIFE: &str = "86400000";

/// How long the server holds an answer back while nothing was made.
const BLOCK: Duration = Duration::from_secs(5);

/// How long after a failure the server is asked again. Meanwhile those who wait look by themselves.
const PAUSE: Duration = Duration::from_millis(250);

/// What was heard, for all who wait on this host.
pub(super) struct MadeResults {
    link: Arc<Link>,
    // A mutex so that one of those who wait reads for all; the others wait for what it hears.
    reader: Mutex<StreamReader>,
    heard: broadcast::Sender<Digest>,
}

struct StreamReader {
    line: Arc<Line>,
    /// The last entry that was read.
    last: String,
    /// The request under way; it outlives whoever has made it.
    asked: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Vec<Answer>, ()>> + Send>>;

impl MadeResults {
    /// Has heard nothing yet, and connects to nothing before somebody waits.
    pub(super) fn new(link: Arc<Link>) -> Self {
        let reader = StreamReader { line: Arc::new(Line::new("made")), last: "0-0".to_owned(), asked: None };
        Self { link, reader: Mutex::new(reader), heard: broadcast::Sender::new(64) }
    }

    /// Tells all hosts that a making has ended. Whoever misses it looks by itself, later.
    pub(super) async fn announce(&self, making: &MakeRequest) {
        let add =
            Command::new("XADD").args([MADE, "MAXLEN", "~", KEPT, "*", "k"]).arg(making.key.to_string());
        let keep = Command::new("PEXPIRE").args([MADE, LIFE]);
        drop(self.link.ask("telling that a result is there", Request::read([add, keep]).aside()).await);
    }

    /// Waits until the making of a key has ended, for a time at most. Cancel safe.
    pub(super) async fn wait(&self, key: &Digest, most: Duration) {
        let told = self.wait_announced(key, self.heard.subscribe());
        tokio::select! {
            () = told => {}
            never = self.read() => match never {},
            () = tokio::time::sleep(most) => {}
        }
    }

    async fn wait_announced(&self, key: &Digest, mut heard: broadcast::Receiver<Digest>) {
        // Whoever has missed some looks whether its own was among them.
        while heard.recv().await.is_ok_and(|made| made != *key) {}
    }

    async fn read(&self) -> Infallible {
        let mut reader = self.reader.lock().await;
        loop {
            let answers = reader.next(&self.link).await;
            let Ok(answers) = answers else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            for (id, key) in answers.into_iter().flat_map(Answer::list).flat_map(entries) {
                reader.last = id;
                if let Some(key) = key {
                    // Nobody may be left who waits.
                    drop(self.heard.send(key));
                }
            }
        }
    }
}

impl StreamReader {
    async fn next(&mut self, link: &Arc<Link>) -> Result<Vec<Answer>, ()> {
        let Self { line, last, asked } = self;
        let reading =
            asked.get_or_insert_with(|| Box::pin(reading(Arc::clone(link), Arc::clone(line), last.clone())));
        let answers = reading.as_mut().await;
        *asked = None;
        answers
    }
}

async fn reading(to: Arc<Link>, line: Arc<Line>, last: String) -> Result<Vec<Answer>, ()> {
    let command = Command::new("XREAD").args(["COUNT", KEPT, "BLOCK"]).arg(BLOCK.as_millis().to_string());
    let command = command.args(["STREAMS", MADE]).arg(last);
    to.ask_once(&line, Request::read([command]), BLOCK).await
}

/// The ids of a stream's entries and the keys that they name.
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
