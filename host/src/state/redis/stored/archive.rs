//! The archive of runs in Redis: list, inspect, read logs, remove.
//! Hosts write through `run` and `journal.rs`.
//!
//! # Commands
//!
//! | question | commands, pipelined |
//! |---|---|
//! | `runs` | `ZREVRANGE cascade:runs 0 n`, then `run` per id; ids without `meta` have expired and are removed |
//! | `runs_with_prefix` | `ZSCAN cascade:runs MATCH prefix*`, a page at a time, then `EXISTS …:meta` per id |
//! | `run` | `HMGET …:meta`, and the live hosts |
//! | `nodes` | per name `HSTRLEN …:results`; `HMGET` of `…:skipped`, `…:failed`, `…:notes`: sends no result |
//! | `history`, `notes`, `epochs` | in `notes.rs` |
//! | `ended_well` | `GETRANGE …:tasks` per task: the phase in its record |
//! | `failed_elements` | `HSCAN …:failed` and `…:skipped`, bounded |
//! | `rerun` | `HMGET …:meta` |
//! | `deadlines` | the live hosts, the names in `…:coord`, and the time; then `HMGET …:coord` |
//! | `log` | `HGET …:logs` |
//! | `cancel`, `claims` | one atomic step, by the script that hosts use |
//! | `remove` | one script: refuse while a host is alive, `UNLINK` the run's keys, `ZREM cascade:runs`, wake hosts |

use crate::model::{RunId, RunStatus, SkipReason, TaskIdx, Timestamp};
use crate::state::redis::index;
use crate::state::redis::keys::{Placement, RUNS, RunKeys};
use crate::state::redis::link::{Answer, Command, Line, Link, Request, Script, digest};
use crate::state::redis::run::{CLOCK_NAMES, DONE, RECORD_BYTES, clock_fields, clock_limit, open_reruns};
use crate::state::redis::stored::journal::no_run;
use crate::state::redis::stored::note_pages::{self, HOSTS, Hosts, Notes};
use crate::state::{CLOSING, Counts, End, Error, ErrorKind, HostId, LogPart, NodeView, Removal, RunSummary};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

static SUMMARY: Script =
    Script::new(include_str!("../scripts/summary.lua"), || digest(include_str!("../scripts/summary.lua")));
static REMOVE: Script =
    Script::new(include_str!("../scripts/remove.lua"), || digest(include_str!("../scripts/remove.lua")));

/// The fields of `meta` in a summary, in this order.
const FIELDS: [&str; 10] =
    ["name", "state", "ending", "epoch", "total", "open", "failures", "skips", "created", "touched"];

/// TTL of the mark of a removal for hosts of the run, in milliseconds: longer than any of them is unreachable.
const REMOVAL_TTL: &str = "3600000";

/// Timeout of removing expired runs from the list, which is optional.
const PRUNE_TIMEOUT: Duration = Duration::from_secs(1);

/// Deadlines whose time is read. A plan may have one for each of its tasks.
const MAX_DEADLINES: usize = 1000;

/// Maximum number of runs or nodes per request.
const PAGE: usize = 500;

/// Number of ids that the server compares with a prefix in one step: few round trips, and no other client waits long.
const SCANNED_IDS: &str = "5000";

/// Returns the most recently active runs. Expired runs are skipped and removed from the list.
pub(crate) async fn runs(link: &Link, placement: Placement, max: usize) -> Result<Vec<RunSummary>, Error> {
    let (mut found, mut expired): (_, Vec<index::Entry>) = (Vec::new(), Vec::new());
    let mut from = 0;
    while found.len() < max {
        let last = from + PAGE.min(max - found.len()) - 1;
        let page = Command::new("ZREVRANGE").arg(RUNS).arg(from.to_string()).arg(last.to_string());
        let answers = link.ask("listing runs", Request::read([page.arg("WITHSCORES")])).await?;
        let entries = index::entries(answers);
        if entries.is_empty() {
            break;
        }
        let summaries = entries.iter().map(|entry| summarize(&RunKeys::new(&entry.run, placement)));
        let summaries = link.ask("listing runs", Request::read(summaries)).await?;
        for (entry, answer) in entries.into_iter().zip(summaries) {
            match summary(&entry.run, answer) {
                Some(run) => found.push(run),
                None => expired.push(entry),
            }
        }
        from = last + 1;
    }
    if !expired.is_empty() {
        let own = Line::new("prune");
        for page in expired.chunks(PAGE) {
            // A read-only server keeps its list.
            if link.ask_within(&own, index::forget(page), PRUNE_TIMEOUT).await.is_err() {
                break;
            }
        }
    }
    // The list is refreshed only now and then; the runs know their last activity.
    found.sort_by_key(|run: &RunSummary| std::cmp::Reverse(run.active));
    Ok(found)
}

/// Returns ids that begin with a prefix. The server compares them, so neither memory nor replies grow with the list.
///
/// Ids have no characters with a meaning in a pattern of `MATCH`.
pub(crate) async fn runs_with_prefix(
    link: &Link,
    placement: Placement,
    prefix: &str,
    max: usize,
) -> Result<Vec<RunId>, Error> {
    let doing = "searching runs by prefix";
    let pattern = format!("{prefix}*");
    let mut found = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let scan = Command::new("ZSCAN").arg(RUNS).arg(&cursor).args(["MATCH", &pattern]);
        let answers = link.ask(doing, Request::read([scan.args(["COUNT", SCANNED_IDS])])).await?;
        let mut parts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
        cursor = parts.next().and_then(text).unwrap_or_default();
        let entries = index::entries(parts.collect());
        for page in entries.chunks(PAGE) {
            let checks = page
                .iter()
                .map(|entry| Command::new("EXISTS").arg(RunKeys::new(&entry.run, placement).key("meta")));
            let answers = link.ask(doing, Request::read(checks)).await?;
            let exists = page.iter().zip(answers).filter(|(_, exists)| exists.number() == Some(1));
            found.extend(exists.map(|(entry, _)| entry.run.clone()));
            if found.len() >= max {
                return Ok(found.into_iter().take(max).collect());
            }
        }
        if matches!(cursor.as_str(), "0" | "") {
            return Ok(found.into_iter().collect());
        }
    }
}

/// Returns the summary of one run.
pub(crate) async fn run(link: &Link, run: &RunId, keys: &RunKeys) -> Result<RunSummary, Error> {
    let answers = link.ask(&format!("looking up run `{run}`"), Request::read([summarize(keys)])).await?;
    answers.into_iter().next().and_then(|answer| summary(run, answer)).ok_or_else(|| no_run(run))
}

fn summarize(keys: &RunKeys) -> Command {
    Command::script(&SUMMARY, &[keys.key("meta"), keys.key("hosts")]).args(FIELDS)
}

fn summary(run: &RunId, answer: Answer) -> Option<RunSummary> {
    let mut parts = answer.list().into_iter();
    let fields: [Option<String>; 10] =
        parts.next()?.list().into_iter().map(text).collect::<Vec<_>>().try_into().ok()?;
    let [name, status, ending, epoch, total, open, failed, skipped, created, active] = fields;
    let count = |field: Option<String>| field.and_then(|field| field.parse().ok()).unwrap_or(0_u32);
    let time = |field: Option<String>| {
        Timestamp::from_millis(field.and_then(|field| field.parse().ok()).unwrap_or_default())
    };
    let (open, failed, skipped) = (count(open), count(failed), count(skipped));
    let done = count(total).saturating_sub(open).saturating_sub(failed).saturating_sub(skipped);
    let hosts = parts.next()?.list().into_iter().filter_map(text);
    let known = |word: Option<String>| {
        RunStatus::ALL.into_iter().find(|known| word.as_deref() == Some(known.as_str()))
    };
    Some(RunSummary {
        run: run.clone(),
        name,
        status: known(status)?,
        ending: known(ending),
        epoch: epoch?.parse().ok()?,
        counts: Counts { done, failed, skipped, open },
        created: time(created),
        active: time(active),
        hosts: hosts.map(|host| HostId(host.into())).collect(),
    })
}

/// Returns the stored state of each node.
pub(crate) async fn nodes(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    names: &[String],
) -> Result<Vec<NodeView>, Error> {
    let mut found = Vec::with_capacity(names.len());
    // The empty first page checks that the run exists, even without names.
    for page in [&[][..]].into_iter().chain(names.chunks(PAGE)) {
        found.extend(page_of_nodes(link, run, keys, page).await?);
    }
    Ok(found)
}

async fn page_of_nodes(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    names: &[String],
) -> Result<Vec<NodeView>, Error> {
    let exists = Command::new("EXISTS").arg(keys.key("meta"));
    let results = keys.key("results");
    let sizes = names.iter().map(|name| Command::new("HSTRLEN").arg(&results).arg(name));
    // An empty field comes first, because HMGET needs at least one.
    let hash = |name| Command::new("HMGET").arg(keys.key(name)).arg("").args(names);
    let hashes = ["skipped", "failed"].map(hash);
    let places: Vec<(String, u8)> = names.iter().map(|name| note_pages::place(name)).collect();
    let pages = places.iter().map(|(field, _)| field.as_str()).collect::<BTreeSet<_>>();
    let notes = Command::new("HMGET").arg(keys.key("notes")).arg(HOSTS).args(&pages);
    let request = Request::read([exists].into_iter().chain(sizes).chain(hashes).chain([notes]));
    let mut answers = link.ask(&format!("reading the tasks of run `{run}`"), request).await?.into_iter();
    if answers.next().as_ref().and_then(Answer::number) != Some(1) {
        return Err(no_run(run));
    }
    let sizes: Vec<i64> = answers.by_ref().take(names.len()).filter_map(|answer| answer.number()).collect();
    let mut columns = answers.map(|answer| answer.list().into_iter());
    let (Some(skipped), Some(failed), Some(mut notes)) = (columns.next(), columns.next(), columns.next())
    else {
        return Ok(Vec::new());
    };
    let hosts = Hosts::read(&notes.next().and_then(text).unwrap_or_default());
    // Each page is decoded once, whatever number of its nodes is asked for.
    let decoded = notes.map(|page| page.bytes().map(|page| note_pages::decode(&page, &hosts)));
    let pages: HashMap<&str, Option<Notes>> = pages.into_iter().zip(decoded).collect();
    let latest = |(field, position): &(String, u8)| {
        pages.get(field.as_str())?.as_ref()?.get(position)?.last().cloned()
    };
    let [skipped, failed] = [skipped, failed].map(|column| column.skip(1).map(Answer::bytes));
    let views = sizes.into_iter().zip(skipped).zip(failed).zip(&places);
    Ok(views
        .map(|(((size, skipped), failed), place)| NodeView {
            end: end(size, skipped, failed),
            note: latest(place),
        })
        .collect())
}

fn end(size: i64, skipped: Option<Bytes>, failed: Option<Bytes>) -> End {
    let reason = skipped.and_then(|word| SkipReason::parse(&word));
    match (u64::try_from(size), reason, failed) {
        // An element that is left out has both: its stored result is a hole.
        (_, Some(reason), _) => End::Skipped(reason),
        (Ok(bytes @ 1..), _, _) => End::Done { bytes },
        (_, None, Some(record)) => End::Failed(record),
        (_, None, None) => End::Open,
    }
}

/// Returns which of these tasks have ended well, by their records.
pub(crate) async fn ended_well(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    tasks: &[TaskIdx],
) -> Result<Vec<bool>, Error> {
    let doing = format!("reading the tasks of run `{run}`");
    let mut ended = Vec::with_capacity(tasks.len());
    // The empty first page checks that the run exists, even without tasks.
    for page in [&[][..]].into_iter().chain(tasks.chunks(PAGE)) {
        let exists = Command::new("EXISTS").arg(keys.key("meta"));
        let phases = page.iter().map(|task| {
            let at = (task.index() * RECORD_BYTES).to_string();
            Command::new("GETRANGE").arg(keys.key("tasks")).arg(&at).arg(&at)
        });
        let answers = link.ask(&doing, Request::read([exists].into_iter().chain(phases))).await?;
        let mut answers = answers.into_iter();
        if answers.next().as_ref().and_then(Answer::number) != Some(1) {
            return Err(no_run(run));
        }
        ended.extend(answers.map(|phase| phase.bytes().is_some_and(|phase| *phase == [DONE])));
    }
    Ok(ended)
}

/// Returns the names of failed elements.
pub(crate) async fn failed_elements(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
    max: usize,
) -> Result<Vec<String>, Error> {
    let mut names = elements(link, run, (keys, "failed"), |name, _| name != CLOSING, max).await?;
    // Most elements that are skipped have not failed themselves.
    let is_left_out = |_: &str, reason: &[u8]| SkipReason::parse(reason) == Some(SkipReason::ElementFailed);
    names.extend(elements(link, run, (keys, "skipped"), is_left_out, max - names.len().min(max)).await?);
    Ok(names.into_iter().take(max).collect())
}

/// Returns the names of elements in a hash, those with a value that is wanted, until there are at least `max`.
async fn elements(
    link: &Link,
    run: &RunId,
    (keys, hash): (&RunKeys, &str),
    is_wanted: impl Fn(&str, &[u8]) -> bool,
    max: usize,
) -> Result<BTreeSet<String>, Error> {
    let mut names = BTreeSet::new();
    let mut cursor = "0".to_owned();
    loop {
        let exists = Command::new("EXISTS").arg(keys.key("meta"));
        let scan = Command::new("HSCAN").arg(keys.key(hash)).arg(&cursor).args(["MATCH", "*[[]*", "COUNT"]);
        let request = Request::read([exists, scan.arg(PAGE.to_string())]);
        let mut answers =
            link.ask(&format!("reading the elements of run `{run}`"), request).await?.into_iter();
        if answers.next().as_ref().and_then(Answer::number) != Some(1) {
            return Err(no_run(run));
        }
        let mut parts = answers.next().map(Answer::list).unwrap_or_default().into_iter();
        cursor = parts.next().and_then(text).unwrap_or_default();
        let fields = parts.next().map(Answer::list).unwrap_or_default();
        let mut fields = fields.into_iter();
        while let (Some(name), Some(value)) = (fields.next().and_then(text), fields.next()) {
            if is_wanted(&name, &value.bytes().unwrap_or_default()) {
                names.insert(name);
            }
        }
        if matches!(cursor.as_str(), "0" | "") || names.len() >= max {
            return Ok(names);
        }
    }
}

/// Returns the names of the nodes that run again.
pub(crate) async fn rerun(link: &Link, run: &RunId, keys: &RunKeys) -> Result<Vec<String>, Error> {
    let fields = Command::new("HMGET").arg(keys.key("meta")).args(["state", "rerun"]);
    let answers = link.ask(&format!("looking up run `{run}`"), Request::read([fields])).await?;
    let mut fields = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
    let state = fields.next().and_then(text).ok_or_else(|| no_run(run))?;
    let names = fields.next().and_then(text).unwrap_or_default();
    let status = RunStatus::ALL.into_iter().find(|status| status.as_str() == state);
    Ok(open_reruns(&names, status.unwrap_or(RunStatus::Running)).map(ToOwned::to_owned).collect())
}

/// Returns the time that is left until each deadline that runs.
pub(crate) async fn deadlines(
    link: &Link,
    run: &RunId,
    keys: &RunKeys,
) -> Result<Vec<(Option<String>, Duration)>, Error> {
    let doing = format!("reading the deadlines of run `{run}`");
    let names = Command::new("HGET").arg(keys.key("coord")).arg(CLOCK_NAMES);
    let of_run = Command::new("HGET").arg(keys.key("meta")).arg("deadline");
    let requests = [summarize(keys), names, of_run, Command::new("TIME")];
    let mut answers = link.ask(&doing, Request::read(requests)).await?.into_iter();
    let summary = answers.next().and_then(|answer| summary(run, answer)).ok_or_else(|| no_run(run))?;
    if summary.status != RunStatus::Running || summary.hosts.is_empty() {
        return Ok(Vec::new());
    }
    let names = answers.next().and_then(text).unwrap_or_default();
    let names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).take(MAX_DEADLINES).collect();
    let number = |answer: Answer| text(answer)?.parse::<u64>().ok();
    let of_run = answers.next().and_then(number);
    let now: Vec<u64> =
        answers.next().map(Answer::list).unwrap_or_default().into_iter().filter_map(number).collect();
    let now = now.first().copied().unwrap_or(0) * 1000 + now.get(1).copied().unwrap_or(0) / 1000;
    let left = |due: u64| Duration::from_millis(due.saturating_sub(now));
    let mut found: Vec<(Option<String>, Duration)> =
        of_run.map(|due| (None, left(due))).into_iter().collect();
    if !names.is_empty() {
        let fields = (0..names.len()).flat_map(clock_fields);
        let clocks = Command::new("HMGET").arg(keys.key("coord")).args(fields);
        let answers = link.ask(&doing, Request::read([clocks])).await?;
        let mut clocks = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter();
        for name in names {
            // A clock that does not run yet has no start, and one that has passed has a word in place of it.
            let (start, limit) = (clocks.next().and_then(number), clocks.next().and_then(clock_limit));
            if let (Some(start), Some(limit)) = (start, limit) {
                found.push((Some(name.to_owned()), left(start.saturating_add(limit))));
            }
        }
    }
    Ok(found)
}

/// Returns the output of a node's guest.
pub(crate) async fn log(link: &Link, run: &RunId, keys: &RunKeys, name: &str) -> Result<Vec<LogPart>, Error> {
    let exists = Command::new("EXISTS").arg(keys.key("meta"));
    let request = Request::read([exists, Command::new("HGET").arg(keys.key("logs")).arg(name)]);
    let mut answers =
        link.ask(&format!("reading the log of `{name}` in run `{run}`"), request).await?.into_iter();
    if answers.next().as_ref().and_then(Answer::number) != Some(1) {
        return Err(no_run(run));
    }
    // Fields that begin with `#` belong to the journal; no node has such a name.
    let log = answers.next().and_then(Answer::bytes).filter(|_| !name.starts_with('#'));
    Ok(log.map(|log| LogPart::read(&log)).unwrap_or_default())
}

/// Removes a run.
pub(crate) async fn remove(link: &Link, run: &RunId, keys: &RunKeys, removal: Removal) -> Result<(), Error> {
    let doing = format!("removing run `{run}`");
    let own = [keys.key("meta"), keys.key("hosts"), keys.key("wake")];
    let keys = [&own, keys.all()].concat();
    let mode = match removal {
        Removal::Idle => "idle",
        Removal::Any => "any",
    };
    let removed = link
        .ask(&doing, Request::write([Command::script(&REMOVE, &keys).arg(mode).arg(REMOVAL_TTL)]))
        .await?;
    let removed = removed.first().and_then(Answer::number);
    if removed == Some(0) {
        return Err(Error::new(ErrorKind::Held, format!("{doing}, which a host works on"))
            .hint("Wait until it has ended, or remove it anyway with `rm --force`."));
    }
    let unlist = Command::new("ZREM").arg(RUNS).arg(run.as_str());
    let was_listed = link.ask(&doing, Request::write([unlist])).await?.first().and_then(Answer::number);
    // If the reply to an earlier removal was lost, the run is gone but still listed.
    if removed == Some(1) || was_listed == Some(1) { Ok(()) } else { Err(no_run(run)) }
}

/// Returns the text of a reply.
pub(super) fn text(answer: Answer) -> Option<String> {
    String::from_utf8(answer.bytes()?.into()).ok()
}
