//! Follows the events of a run in Redis, on a separate connection with blocking reads.
//! Interpreting the events is left to the reader.

use crate::model::RunId;
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::{Answer, Command, Line, Link, Request};
use crate::state::redis::stored::archive;
use crate::state::{Error, Follow, JournalPage};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// Maximum time that the server blocks a read without new events. A lost run is noticed after the same time.
const BLOCK: Duration = Duration::from_secs(5);

/// Maximum number of events in one reply.
const PAGE: &str = "1000";

/// A reader of one run's events.
pub(crate) struct FollowRun {
    link: Arc<Link>,
    run: RunId,
    keys: RunKeys,
    line: Line,
    // The last event that was read, and the last entry of `wake`.
    event: String,
    wake: String,
}

impl FollowRun {
    /// Creates a reader at the first event.
    pub(crate) fn new(link: Arc<Link>, run: &RunId, keys: RunKeys) -> Self {
        let (event, wake) = ("0-0".to_owned(), "0-0".to_owned());
        Self { link, run: run.clone(), keys, line: Line::new("watch"), event, wake }
    }

    /// Returns the streams with new entries; empty if there are none.
    async fn read(&self) -> Result<Vec<Answer>, Error> {
        let command = Command::new("XREAD")
            .args(["COUNT", PAGE, "BLOCK"])
            .arg(BLOCK.as_millis().to_string())
            .arg("STREAMS")
            .args([self.keys.key("events"), self.keys.key("wake")])
            .args([&self.event, &self.wake]);
        let doing = format!("following run `{}`", self.run);
        let answers = self.link.ask_on(&self.line, &doing, Request::read([command]), BLOCK).await?;
        Ok(answers.into_iter().flat_map(Answer::list).collect())
    }
}

#[async_trait]
impl Follow for FollowRun {
    async fn next(&mut self) -> Result<JournalPage, Error> {
        // A run that does not exist must be an error at once, not after a blocking read.
        if self.wake == "0-0" {
            archive::run(&self.link, &self.run, &self.keys).await?;
        }
        let mut events = Vec::new();
        for stream in self.read().await? {
            let mut parts = stream.list().into_iter();
            let name = parts.next().and_then(Answer::bytes);
            let entries = parts.next().map(Answer::list).unwrap_or_default();
            let is_events = name.as_deref() == Some(self.keys.key("events").as_bytes());
            for (id, value) in entries.into_iter().filter_map(entry) {
                if is_events {
                    self.event = id;
                    events.extend(value);
                } else {
                    self.wake = id;
                }
            }
        }
        let summary = archive::run(&self.link, &self.run, &self.keys).await?;
        Ok(JournalPage { events, status: summary.status, hosts: summary.hosts })
    }
}

/// Returns the id of an entry, and the value of its only field.
fn entry(answer: Answer) -> Option<(String, Option<Bytes>)> {
    let mut parts = answer.list().into_iter();
    let id = String::from_utf8(parts.next()?.bytes()?.into()).ok()?;
    let value = parts.next().map(Answer::list).unwrap_or_default().into_iter().nth(1);
    Some((id, value.and_then(Answer::bytes)))
}
