//! Appends batches to the journal of a run in Redis, with one script.
//! Reading is left to `archive.rs` and `follow.rs`; the app collects the batches.
//!
//! # What is stored
//!
//! The script writes nothing if `…:meta` does not exist, or if the field `#<host>` of `…:notes` is not below the batch's
//! number. The keys expire together with `…:meta`; appending does not renew its TTL, because heartbeats do.
//!
//! | key | type | content |
//! |---|---|---|
//! | `cascade:run:<id>:meta` | hash | field `name`: the manifest's name |
//! | `cascade:run:<id>:events` | stream | one entry per event, its line in field `json`; `MAXLEN ~` [`MAX_EVENTS`] |
//! | `cascade:run:<id>:notes` | hash | page → its notes, see `note_pages.rs`; `#<host>` → the number of its last batch; `#hosts` → ids of hosts, one a line; `#epoch <n>` → [`crate::state::EpochNote`] |
//! | `cascade:run:<id>:logs` | hash | node → its log, as [`crate::state::Piece`]s; `#bytes` → their total size |
//!
//! A node's log keeps its newest [`MAX_LOG`] bytes: whole pieces are dropped at the front and replaced by one nil
//! (`c0`). Once the run's logs hold [`MAX_LOGS`] bytes, further pieces are dropped, and the node's log ends with one
//! nil.

use crate::model::RunId;
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::{Answer, Command, Link, Request, Script, digest};
use crate::state::redis::stored::note_pages;
use crate::state::{Batch, EpochNote, Error, ErrorKind, MAX_EVENTS, MAX_FAILED_ATTEMPTS, MAX_LOG, MAX_LOGS};

static APPEND: Script =
    Script::new(include_str!("../scripts/append.lua"), || digest(include_str!("../scripts/append.lua")));

/// Appends a batch.
pub(crate) async fn append(link: &Link, run: &RunId, keys: &RunKeys, batch: &Batch) -> Result<(), Error> {
    let keys = ["meta", "events", "notes", "logs"].map(|name| keys.key(name));
    let Batch { host, number, name, events, epoch, notes, logs } = batch;
    let pages = note_pages::entries(host, notes);
    let count = |count: usize| count.to_string();
    let command = Command::script(&APPEND, &keys)
        .arg(host.0.as_bytes())
        .arg(number.to_string())
        .arg(name.as_deref().unwrap_or_default())
        .args([MAX_EVENTS, MAX_LOG, MAX_LOGS, MAX_FAILED_ATTEMPTS].map(count))
        .arg(note_pages::prefix())
        .arg(count(note_pages::COMPACTED))
        .arg(epoch.as_ref().map(|note| note.epoch.to_string()).unwrap_or_default())
        .arg(epoch.as_ref().map(EpochNote::encode).unwrap_or_default())
        .arg(count(events.len()))
        .args(events);
    let command = command.arg(count(pages.len()));
    let command =
        pages.into_iter().fold(command, |command, (field, entries)| command.arg(field).arg(entries));
    let command = logs.iter().fold(command.arg(count(logs.len())), |command, (name, piece)| {
        command.arg(name).arg(piece.as_bytes())
    });
    let doing = format!("appending to the journal of run `{run}`");
    let answers = link.ask(&doing, Request::write([command]).best_effort()).await?;
    match answers.first().and_then(Answer::number) {
        Some(-1) => Err(no_run(run)),
        _ => Ok(()), // appended now or before
    }
}

/// Returns the error for a run that does not exist.
pub(crate) fn no_run(run: &RunId) -> Error {
    Error::new(ErrorKind::NoRun, format!("looking up run `{run}`"))
        .hint("A run expires when its TTL has passed since its last write.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::state::redis::keys::Placement;
    use crate::state::redis::link_to;
    use crate::state::redis::server::Server;
    use crate::state::redis::stored::archive;
    use crate::state::{HostId, LogLine, LogPart, Note, Phase, Piece, StateUri};
    use std::sync::Arc;

    fn linked(server: &Server) -> Arc<Link> {
        let StateUri::Redis(uri) = StateUri::parse(&server.uri()).unwrap() else { panic!("not Redis") };
        link_to(&uri, "test").unwrap()
    }

    fn create_run(server: &Server) -> RunId {
        let fields =
            ["state", "running", "epoch", "1", "total", "4", "done", "1", "created", "5", "active", "9"];
        server.cli(&[&["HSET", "cascade:run:r1:meta"], &fields[..]].concat());
        server.cli(&["PEXPIRE", "cascade:run:r1:meta", "60000"]);
        server.cli(&["ZADD", "cascade:runs", "9", "r1", "8", "expired"]);
        RunId::new("r1").unwrap()
    }

    fn keys(run: &RunId) -> RunKeys {
        RunKeys::new(run, Placement::Single)
    }

    fn line(text: &str) -> LogPart {
        let at = Timestamp::from_millis(7);
        LogPart::Line(LogLine { at, attempt: 1, stream: "stdout".into(), text: text.into() })
    }

    fn batch(number: u64, text: &str) -> Batch {
        Batch {
            host: HostId("h1".into()),
            number,
            name: Some("words".into()),
            events: vec![b"{}"[..].into()],
            epoch: None,
            notes: vec![("t0".into(), Note::new(HostId("h1".into()), Phase::Running))],
            logs: vec![("t0".into(), Piece::new(&[line(text)]))],
        }
    }

    #[tokio::test]
    async fn batch_is_stored_once_as_long_as_its_run() {
        let server = Server::start();
        let link = linked(&server);
        let nobody = RunId::new("nobody").unwrap();
        assert_eq!(
            append(&link, &nobody, &keys(&nobody), &batch(1, "x")).await.unwrap_err().kind,
            ErrorKind::NoRun
        );
        let run = create_run(&server);
        for number in [1, 1, 2, 1] {
            append(&link, &run, &keys(&run), &batch(number, &number.to_string())).await.unwrap();
        }
        assert_eq!(archive::log(&link, &run, &keys(&run), "t0").await.unwrap(), [line("1"), line("2")]);
        assert_eq!(server.cli(&["XLEN", "cascade:run:r1:events"]), "2");
        for part in ["events", "notes", "logs"] {
            let left: i64 = server.cli(&["PTTL", &keys(&run).key(part)]).parse().unwrap();
            assert!((1..=60_000).contains(&left), "{part}: {left}");
        }
        let node = archive::nodes(&link, &run, &keys(&run), &["t0".into()]).await.unwrap().remove(0);
        assert_eq!(node.note.map(|note| note.phase), Some(Phase::Running));
    }

    #[tokio::test]
    async fn script_cuts_logs_as_the_memory_backend_does() {
        let server = Server::start();
        let (link, run) = (linked(&server), create_run(&server));
        let long = "x".repeat(MAX_LOG / 2 - 99);
        let mut expected = Vec::new();
        for number in 1..=5 {
            let batch = batch(number, &long);
            append(&link, &run, &keys(&run), &batch).await.unwrap();
            expected = batch.logs[0].1.append_to(&expected, MAX_LOG);
        }
        let stored =
            link.ask("x", Request::read([Command::new("HGET").arg(keys(&run).key("logs")).arg("t0")]));
        let stored = stored.await.unwrap().remove(0).bytes().unwrap();
        assert_eq!(stored, expected);
        assert_eq!(server.cli(&["HGET", &keys(&run).key("logs"), "#bytes"]), expected.len().to_string());
    }

    #[tokio::test]
    async fn runs_are_listed_and_removed() {
        let server = Server::start();
        let (link, run) = (linked(&server), create_run(&server));
        server.cli(&["ZADD", "cascade:run:r1:hosts", "1", "dead", "9999999999999", "h1", "+inf", ""]);
        server.cli(&["HSET", "cascade:run:r1:failed", "t1[2]", "why", "t2", "why"]);
        append(&link, &run, &keys(&run), &batch(1, "x")).await.unwrap();
        let listed = archive::runs(&link, Placement::Single, 9).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(server.cli(&["ZRANGE", "cascade:runs", "0", "-1"]), "r1", "an expired run is not listed");
        assert_eq!(listed[0], archive::run(&link, &run, &keys(&run)).await.unwrap());
        assert_eq!((listed[0].name.as_deref(), listed[0].counts.total()), (Some("words"), 4));
        assert_eq!(listed[0].hosts, [HostId("h1".into())]);
        assert_eq!(archive::failed_elements(&link, &run, &keys(&run), 9).await.unwrap(), ["t1[2]"]);
        let idle = archive::remove(&link, &run, &keys(&run), crate::state::Removal::Idle).await;
        assert_eq!(idle.unwrap_err().kind, ErrorKind::Held);
        archive::remove(&link, &run, &keys(&run), crate::state::Removal::Any).await.unwrap();
        // The remaining key notifies the host that works on the run of the removal.
        assert_eq!(server.cli(&["KEYS", "cascade:run:*"]), keys(&run).key("wake"));
        assert_eq!(archive::runs(&link, Placement::Single, 9).await.unwrap(), []);
    }
}
