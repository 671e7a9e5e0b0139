//! Reads the notes of a run in Redis: of one node, of all, and those of its epochs; and all logs.
//! The form of pages is in `note_pages.rs`; `journal.rs` writes them.
//!
//! # Commands
//!
//! | question | commands, pipelined |
//! |---|---|
//! | `history` | `HMGET …:notes` of the hosts and the node's page |
//! | `notes` | `HGET` of the hosts, and one step of `HSCAN …:notes` |
//! | `logs` | one step of `HSCAN …:logs` |
//! | `epochs` | `HGET …:meta epoch`, then `HMGET …:notes` of the newest [`MAX_EPOCHS`] |

use crate::model::RunId;
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::{Answer, Command, Link, Request};
use crate::state::redis::stored::archive::text;
use crate::state::redis::stored::journal::no_run;
use crate::state::redis::stored::note_pages::{self, HOSTS, Hosts};
use crate::state::{EpochNote, Error, LogPart, LogsPage, Note, NotesPage};

/// Number of pages in one step of a scan: few round trips, and no other client waits long.
const SCANNED: &str = "100";

/// Number of logs in one step of a scan. Each may have two megabytes.
const SCANNED_LOGS: &str = "10";

/// Number of epochs whose notes are read, the newest ones.
const MAX_EPOCHS: u64 = 1000;

/// Returns the kept notes of one node.
pub(crate) async fn history(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    name: &str,
) -> Result<Vec<Note>, Error> {
    let (field, position) = note_pages::place(name);
    let read = Command::new("HMGET").arg(keys.key("notes")).arg(HOSTS).arg(field);
    let mut found = ask(link, run, keys, [read]).await?.into_iter().flat_map(Answer::list);
    let hosts = Hosts::read(&found.next().and_then(text).unwrap_or_default());
    let page = found.next().and_then(Answer::bytes).unwrap_or_default();
    Ok(note_pages::decode(&page, &hosts).remove(&position).unwrap_or_default())
}

/// Returns some nodes with their notes.
pub(crate) async fn notes(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    after: Option<&str>,
) -> Result<NotesPage, Error> {
    let hosts = Command::new("HGET").arg(keys.key("notes")).arg(HOSTS);
    let scan = Command::new("HSCAN").arg(keys.key("notes")).arg(after.unwrap_or("0"));
    let mut answers = ask(link, run, keys, [hosts, scan.args(["COUNT", SCANNED])]).await?.into_iter();
    let hosts = Hosts::read(&answers.next().and_then(text).unwrap_or_default());
    let mut parts = answers.next().map(Answer::list).unwrap_or_default().into_iter();
    let cursor = parts.next().and_then(text).unwrap_or_default();
    let mut fields = parts.next().map(Answer::list).unwrap_or_default().into_iter();
    let mut found: Vec<(String, Vec<Note>)> = Vec::new();
    while let (Some(field), Some(page)) = (fields.next().and_then(text), fields.next()) {
        let notes = note_pages::decode(&page.bytes().unwrap_or_default(), &hosts);
        found.extend(
            notes
                .into_iter()
                .filter_map(|(position, notes)| Some((note_pages::name(&field, position)?, notes))),
        );
    }
    Ok(NotesPage { nodes: found, next: Some(cursor).filter(|cursor| !matches!(cursor.as_str(), "0" | "")) })
}

/// Returns the output of some nodes' guests.
pub(crate) async fn logs(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    after: Option<&str>,
) -> Result<LogsPage, Error> {
    let scan = Command::new("HSCAN").arg(keys.key("logs")).arg(after.unwrap_or("0"));
    let answers = ask(link, run, keys, [scan.args(["COUNT", SCANNED_LOGS])]).await?;
    let mut parts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
    let cursor = parts.next().and_then(text).unwrap_or_default();
    let mut fields = parts.next().map(Answer::list).unwrap_or_default().into_iter();
    let mut nodes = Vec::new();
    while let (Some(name), Some(log)) = (fields.next().and_then(text), fields.next()) {
        // Fields that begin with `#` belong to the journal; no node has such a name.
        if !name.starts_with('#') {
            nodes.push((name, LogPart::read(&log.bytes().unwrap_or_default())));
        }
    }
    Ok(LogsPage { nodes, next: Some(cursor).filter(|cursor| !matches!(cursor.as_str(), "0" | "")) })
}

/// Returns how the epochs of a run began.
pub(crate) async fn epochs(link: &Link, run: &RunId, keys: &RunKeys) -> Result<Vec<EpochNote>, Error> {
    let last = Command::new("HGET").arg(keys.key("meta")).arg("epoch");
    let last = ask(link, run, keys, [last]).await?.into_iter().next().and_then(text);
    let last: u64 = last.and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
    let fields = (last.saturating_sub(MAX_EPOCHS)..=last).map(|epoch| format!("#epoch {epoch}"));
    let read = Command::new("HMGET").arg(keys.key("notes")).args(fields);
    let found = ask(link, run, keys, [read]).await?.into_iter().flat_map(Answer::list);
    Ok(found.filter_map(|note| EpochNote::decode(&note.bytes()?)).collect())
}

/// Sends commands that read. Fails if there is no such run.
async fn ask(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    commands: impl IntoIterator<Item = Command>,
) -> Result<Vec<Answer>, Error> {
    let exists = Command::new("EXISTS").arg(keys.key("meta"));
    let request = Request::read([exists].into_iter().chain(commands));
    let mut answers = link.ask(&format!("reading the notes of run `{run}`"), request).await?.into_iter();
    match answers.next().as_ref().and_then(Answer::number) {
        Some(1) => Ok(answers.collect()),
        _ => Err(no_run(run)), // no other number but zero
    }
}
