//! The index of runs, by their last activity, for people who ask which runs there are.
//! Runs enter themselves and take out others that have expired; what is told of a run is for `archive`.
//!
//! Times to live differ by run, so that neither end of the index tells who has expired: a host looks at a page of it,
//! anywhere, as it comes to a run and now and then while it works on it. So few ids stay behind, however many runs there
//! were. The index itself is kept as long as the run that is kept longest.

use crate::model::{Random, RunId};
use crate::state::Error;
use crate::state::redis::keys::{Placing, RUNS, RunKeys};
use crate::state::redis::link::{Answer, Command, Link, Request, Script, digest};
use std::time::Duration;

static ENTER: Script =
    Script::new(include_str!("scripts/enter.lua"), || digest(include_str!("scripts/enter.lua")));
static PAGE_OF: Script =
    Script::new(include_str!("scripts/page.lua"), || digest(include_str!("scripts/page.lua")));
static FORGET: Script =
    Script::new(include_str!("scripts/forget.lua"), || digest(include_str!("scripts/forget.lua")));

/// The longest time between two entries of a run that is worked on.
const LONGEST: Duration = Duration::from_mins(1);

/// How long an index is kept that earlier versions have begun: they set no time to live, and may keep runs for long.
const OF_OTHERS: Duration = Duration::from_hours(24 * 30);

/// How many ids are looked at in one step.
const PAGE: u64 = 100;

/// The place of the newest page, as `page.lua` has it; that of the oldest is zero.
const NEWEST: u64 = 1_000_000;

/// An entry of the index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The run.
    pub(crate) run: RunId,
    /// When it was entered, as the server writes it.
    at: String,
}

/// The time between two entries of a run that is worked on.
pub(crate) fn every(ttl: Duration) -> Duration {
    (ttl / 3).min(LONGEST)
}

/// Enters a run, or moves it to the front.
pub(crate) async fn enter(link: &Link, run: &RunId, ttl: Duration) {
    // Each sign of life begins the run's time anew, and an entry follows only now and then.
    let keep = ttl.saturating_add(ttl.min(LONGEST * 2));
    let command = Command::script(&ENTER, &[RUNS.to_owned()]).arg(run.as_str());
    let command = [keep, keep.max(OF_OTHERS)]
        .iter()
        .fold(command, |command, keep| command.arg(keep.as_millis().to_string()));
    // The index is for people; a run that it misses for a minute is a run all the same.
    drop(link.ask("listing the run", Request::write([command]).aside()).await);
}

/// Takes runs that have expired out of a page of the index.
pub(crate) async fn prune(link: &Link, placing: Placing) -> Result<(), Error> {
    let doing = "looking for runs that have expired";
    let place = Random::from_system().below(NEWEST + 1);
    let page =
        Command::script(&PAGE_OF, &[RUNS.to_owned()]).args([PAGE, place].map(|number| number.to_string()));
    let entries = entries(link.ask(doing, Request::read([page]).aside()).await?);
    if entries.is_empty() {
        return Ok(());
    }
    let is_there =
        entries.iter().map(|entry| Command::new("EXISTS").arg(RunKeys::new(&entry.run, placing).key("meta")));
    let answers = link.ask(doing, Request::read(is_there).aside()).await?;
    let expired = entries.into_iter().zip(answers).filter(|(_, there)| there.number() == Some(0));
    let expired: Vec<Entry> = expired.map(|(entry, _)| entry).collect();
    if expired.is_empty() { Ok(()) } else { link.ask(doing, forget(&expired).aside()).await.map(drop) }
}

/// Takes entries out, unless their runs have been entered again.
pub(crate) fn forget(entries: &[Entry]) -> Request {
    let command = Command::script(&FORGET, &[RUNS.to_owned()]);
    Request::write([command.args(entries.iter().flat_map(|entry| [entry.run.as_str(), &entry.at]))])
}

/// The entries in an answer that has them with their times. Members that are no ids were not written by hosts.
pub(crate) fn entries(answers: Vec<Answer>) -> Vec<Entry> {
    let mut parts = answers.into_iter().flat_map(Answer::list).map(text);
    let mut entries = Vec::new();
    while let (Some(run), Some(at)) = (parts.next(), parts.next()) {
        entries.extend(run.zip(at).and_then(|(run, at)| Some(Entry { run: RunId::new(&run).ok()?, at })));
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

    fn life(server: &Server) -> i64 {
        server.cli(&["PTTL", RUNS]).parse().unwrap()
    }

    #[test]
    fn the_script_has_the_newest_page_at_the_same_place() {
        assert!(PAGE_OF.text().contains(&format!("/ {NEWEST} +")));
    }

    #[tokio::test]
    async fn expired_runs_leave_the_index_a_page_at_a_time() {
        let server = Server::start();
        let link = linked(&server);
        let begin = "for i = 1, 250 do redis.call('ZADD', KEYS[1], i % 3, 'gone-' .. i) end \
                     redis.call('ZADD', KEYS[1], 1, 'lives') redis.call('HSET', 'cascade:run:lives:meta', 'v', 1)";
        server.cli(&["EVAL", begin, "1", RUNS]);
        prune(&link, Placing::Single).await.unwrap();
        let left: u64 = server.cli(&["ZCARD", RUNS]).parse().unwrap();
        assert!((151..=152).contains(&left), "a step is bounded: {left}");
        for _ in 0..2 {
            prune(&link, Placing::Single).await.unwrap();
        }
        assert_eq!(server.cli(&["ZRANGE", RUNS, "0", "-1"]), "lives");
    }

    #[tokio::test]
    async fn a_run_that_was_entered_again_is_not_forgotten() {
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
    async fn the_index_is_kept_as_long_as_the_run_that_is_kept_longest() {
        let server = Server::start();
        let link = linked(&server);
        let run = RunId::new("r").unwrap();
        let hours = |count: u64| Duration::from_hours(count);
        let seconds = |count: u64| i64::try_from(count * 1000).unwrap();
        for (ttl, least, most) in
            [(Duration::from_secs(1), 1, 2), (hours(2), 7_200, 7_320), (Duration::from_secs(1), 7_200, 7_320)]
        {
            enter(&link, &run, ttl).await;
            let left = life(&server);
            assert!(seconds(least) - 900 < left && left <= seconds(most), "{ttl:?}: {left}");
        }
        server.cli(&["PERSIST", RUNS]);
        enter(&link, &run, hours(2)).await;
        assert!(life(&server) > seconds(29 * 24 * 3_600), "an index of earlier versions");
    }
}
