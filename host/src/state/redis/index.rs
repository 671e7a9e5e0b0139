//! The index of runs by last activity, for the list of runs.
//! Hosts add their runs and remove expired ones; `archive` summarizes a run.
//!
//! TTLs differ by run, so expired runs are anywhere in the index. A host checks a random page of it when it opens a
//! run, and periodically while it works on the run. So few expired ids remain, however many runs there were. The index
//! itself is kept as long as the run with the longest TTL.

use crate::model::{Random, RunId};
use crate::state::Error;
use crate::state::redis::keys::{Placement, RUNS, RunKeys};
use crate::state::redis::link::{Answer, Command, Link, Request, Script, digest};
use std::time::Duration;

static ENTER: Script =
    Script::new(include_str!("scripts/enter.lua"), || digest(include_str!("scripts/enter.lua")));
static READ_PAGE: Script =
    Script::new(include_str!("scripts/page.lua"), || digest(include_str!("scripts/page.lua")));
static FORGET: Script =
    Script::new(include_str!("scripts/forget.lua"), || digest(include_str!("scripts/forget.lua")));

/// Maximum time between two entries of an active run.
const MAX_INTERVAL: Duration = Duration::from_mins(1);

/// Minimum TTL for an index that an earlier version created without one: its runs may have long TTLs.
const MIN_LEGACY_TTL: Duration = Duration::from_hours(24 * 30);

/// Number of ids that one step checks.
const PAGE: u64 = 100;

/// The position of the newest page, as in `page.lua`; the oldest one is at zero.
const NEWEST: u64 = 1_000_000;

/// An entry of the index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The run.
    pub(crate) run: RunId,
    /// The time of entry, as the server formats it.
    entered_at: String,
}

/// Returns the time between two entries of an active run.
pub(crate) fn interval(ttl: Duration) -> Duration {
    (ttl / 3).min(MAX_INTERVAL)
}

/// Adds a run to the index, or updates its time.
pub(crate) async fn enter(link: &Link, run: &RunId, ttl: Duration) {
    // Each heartbeat restarts the run's TTL, but entries are rarer: add the time between them.
    let index_ttl = ttl.saturating_add(ttl.min(MAX_INTERVAL * 2));
    let command = Command::script(&ENTER, &[RUNS.to_owned()]).arg(run.as_str());
    let command = [index_ttl, index_ttl.max(MIN_LEGACY_TTL)]
        .iter()
        .fold(command, |command, ttl| command.arg(ttl.as_millis().to_string()));
    // The index only serves lists: a failed entry delays the run's appearance until the next one.
    drop(link.ask("listing the run", Request::write([command]).best_effort()).await);
}

/// Removes expired runs from a random page of the index.
pub(crate) async fn prune(link: &Link, placement: Placement) -> Result<(), Error> {
    let doing = "removing expired runs from the index";
    let position = Random::from_system().below(NEWEST + 1);
    let page = Command::script(&READ_PAGE, &[RUNS.to_owned()])
        .args([PAGE, position].map(|number| number.to_string()));
    let entries = entries(link.ask(doing, Request::read([page]).best_effort()).await?);
    if entries.is_empty() {
        return Ok(());
    }
    let checks = entries
        .iter()
        .map(|entry| Command::new("EXISTS").arg(RunKeys::new(&entry.run, placement).key("meta")));
    let answers = link.ask(doing, Request::read(checks).best_effort()).await?;
    let expired = entries.into_iter().zip(answers).filter(|(_, exists)| exists.number() == Some(0));
    let expired: Vec<Entry> = expired.map(|(entry, _)| entry).collect();
    if expired.is_empty() { Ok(()) } else { link.ask(doing, forget(&expired).best_effort()).await.map(drop) }
}

/// Removes entries, unless their runs were entered again.
pub(crate) fn forget(entries: &[Entry]) -> Request {
    let command = Command::script(&FORGET, &[RUNS.to_owned()]);
    Request::write([command.args(entries.iter().flat_map(|entry| [entry.run.as_str(), &entry.entered_at]))])
}

/// Parses the entries of a reply with scores. Members that are not run ids are foreign and skipped.
pub(crate) fn entries(answers: Vec<Answer>) -> Vec<Entry> {
    let mut parts = answers.into_iter().flat_map(Answer::list).map(text);
    let mut entries = Vec::new();
    while let (Some(run), Some(entered_at)) = (parts.next(), parts.next()) {
        entries.extend(
            run.zip(entered_at)
                .and_then(|(run, entered_at)| Some(Entry { run: RunId::new(&run).ok()?, entered_at })),
        );
    }
    entries
}

fn text(answer: Answer) -> Option<String> {
    String::from_utf8(answer.bytes()?.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateUri;
    use crate::state::redis::link_to;
    use crate::state::redis::server::Server;
    use std::sync::Arc;

    fn linked(server: &Server) -> Arc<Link> {
        let StateUri::Redis(uri) = StateUri::parse(&server.uri()).unwrap() else { panic!("not Redis") };
        link_to(&uri, "test").unwrap()
    }

    fn index_ttl(server: &Server) -> i64 {
        server.cli(&["PTTL", RUNS]).parse().unwrap()
    }

    #[test]
    fn script_has_the_newest_page_at_the_same_position() {
        assert!(READ_PAGE.text().contains(&format!("/ {NEWEST} +")));
    }

    #[tokio::test]
    async fn expired_runs_leave_the_index_a_page_at_a_time() {
        let server = Server::start();
        let link = linked(&server);
        let setup = "for i = 1, 250 do redis.call('ZADD', KEYS[1], i % 3, 'gone-' .. i) end \
                     redis.call('ZADD', KEYS[1], 1, 'lives') redis.call('HSET', 'cascade:run:lives:meta', 'v', 1)";
        server.cli(&["EVAL", setup, "1", RUNS]);
        prune(&link, Placement::Single).await.unwrap();
        let left: u64 = server.cli(&["ZCARD", RUNS]).parse().unwrap();
        assert!((151..=152).contains(&left), "a step is bounded: {left}");
        for _ in 0..2 {
            prune(&link, Placement::Single).await.unwrap();
        }
        assert_eq!(server.cli(&["ZRANGE", RUNS, "0", "-1"]), "lives");
    }

    #[tokio::test]
    async fn run_entered_again_is_not_removed() {
        let server = Server::start();
        let link = linked(&server);
        server.cli(&["ZADD", RUNS, "1", "a", "1", "b"]);
        let all = Command::new("ZRANGE").args([RUNS, "0", "-1", "WITHSCORES"]);
        let all = entries(link.ask("reading", Request::read([all])).await.unwrap());
        server.cli(&["ZADD", RUNS, "2", "b"]);
        link.ask("forgetting", forget(&all)).await.unwrap();
        assert_eq!(server.cli(&["ZRANGE", RUNS, "0", "-1"]), "b");
    }

    #[tokio::test]
    async fn index_lives_as_long_as_the_longest_ttl() {
        let server = Server::start();
        let link = linked(&server);
        let run = RunId::new("r").unwrap();
        let hours = |count: u64| Duration::from_hours(count);
        let seconds = |count: u64| i64::try_from(count * 1000).unwrap();
        for (ttl, min, max) in
            [(Duration::from_secs(1), 1, 2), (hours(2), 7_200, 7_320), (Duration::from_secs(1), 7_200, 7_320)]
        {
            enter(&link, &run, ttl).await;
            let left = index_ttl(&server);
            assert!(seconds(min) - 900 < left && left <= seconds(max), "{ttl:?}: {left}");
        }
        server.cli(&["PERSIST", RUNS]);
        enter(&link, &run, hours(2)).await;
        assert!(index_ttl(&server) > seconds(29 * 24 * 3_600), "an index of earlier versions");
    }
}
