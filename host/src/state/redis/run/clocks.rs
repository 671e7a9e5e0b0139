//! Deadlines as the scripts store them: clocks by number, and the time that they have run when a run is resumed.
//! The scripts start the clocks and watch them.

use crate::model::{RunStatus, TaskIdx, to_usize};
use crate::state::redis::keys::RunKeys;
use crate::state::redis::link::{Answer, Command, Link, Request};
use crate::state::redis::run::formats::{DONE, RECORD_BYTES};
use crate::state::{DeadlineScope, Error, RunShape};
use std::collections::HashMap;
use std::time::Duration;

/// The field of `coord` with the names of all clocks, in order.
pub(crate) const NAMES: &str = "clocks";

/// Returns the fields of `coord` with the start of a clock and with its limit.
pub(crate) fn fields_of(position: usize) -> [String; 2] {
    [format!("k:{position}"), format!("q:{position}")]
}

/// Reads the limit of a clock in milliseconds: the first eight bytes of its field.
pub(crate) fn limit_of(answer: Answer) -> Option<u64> {
    let bytes = answer.bytes()?;
    Some(u64::from_be_bytes(bytes.get(..8)?.try_into().ok()?))
}

/// The time that has passed of a run and of its deadlines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) run: u64,
    /// Per deadline that runs on: its position, and the time that has passed, in milliseconds.
    pub(crate) clocks: Vec<(u32, u64)>,
}

/// The clocks of a run that was interrupted, as they are stored.
#[derive(Debug, Default)]
pub(crate) struct StoredClocks {
    /// When a host last wrote to the run, and when its deadline began to run.
    pub(crate) touched: u64,
    pub(crate) since: u64,
    /// When each clock began to run, by name. Clocks that do not run, or have passed, are left out.
    pub(crate) started: HashMap<String, u64>,
}

/// Reads the clocks of a run whose hosts have left before it ended; none of one that has ended.
pub(crate) async fn read(link: &Link, keys: &RunKeys, doing: &str) -> Result<Option<StoredClocks>, Error> {
    let meta = Command::new("HMGET").arg(keys.key("meta")).args(["state", "touched", "since"]);
    let names = Command::new("HGET").arg(keys.key("coord")).arg(NAMES);
    let mut answers = link.ask(doing, Request::read([meta, names])).await?.into_iter();
    let mut meta = answers.next().map(Answer::list).unwrap_or_default().into_iter().map(text);
    if meta.next().flatten().is_none_or(|state| state != RunStatus::Running.as_str()) {
        return Ok(None);
    }
    let mut number = || meta.next().flatten().and_then(|number| number.parse().ok()).unwrap_or(0);
    let mut stored = StoredClocks { touched: number(), since: number(), started: HashMap::new() };
    let names = answers.next().and_then(text).unwrap_or_default();
    let names: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
    if !names.is_empty() {
        let fields = (0..names.len()).map(|position| format!("k:{position}"));
        let command = Command::new("HMGET").arg(keys.key("coord")).args(fields);
        let answers = link.ask(doing, Request::read([command])).await?;
        let starts = answers.into_iter().next().map(Answer::list).unwrap_or_default().into_iter().map(text);
        // The clock of a deadline that has passed has no number.
        let started = names.iter().zip(starts);
        stored.started =
            started.filter_map(|(name, start)| Some(((*name).to_owned(), start?.parse().ok()?))).collect();
    }
    Ok(Some(stored))
}

fn text(answer: Answer) -> Option<String> {
    answer.bytes().and_then(|bytes| String::from_utf8(bytes.to_vec()).ok())
}

/// Returns the fields of `coord` by which scripts know clocks and the tasks that they bind.
pub(crate) fn fields(shape: &RunShape) -> Vec<(Vec<u8>, Vec<u8>)> {
    if shape.deadlines.is_empty() {
        return Vec::new();
    }
    let names: Vec<&str> = shape.deadlines.iter().map(|deadline| deadline.name.as_str()).collect();
    let mut fields = vec![(NAMES.into(), names.join("\0").into_bytes())];
    for ((position, deadline), tasks) in (0..).zip(&shape.deadlines).zip(shape.tasks_by_deadline()) {
        let mut clock = millis(deadline.limit).to_be_bytes().to_vec();
        clock.push(u8::from(deadline.scope == DeadlineScope::Task));
        clock.extend(tasks.iter().flat_map(|task| task.get().to_be_bytes()));
        fields.push((format!("q:{position}").into_bytes(), clock));
    }
    for (idx, task) in (0_u32..).zip(&shape.tasks).filter(|(_, task)| !task.deadlines.is_empty()) {
        let clocks = task.deadlines.iter().flat_map(|position: &u32| position.to_be_bytes()).collect();
        fields.push((format!("y:{idx}").into_bytes(), clocks));
    }
    fields
}

/// Returns the time that has passed, by the records of the tasks of the life that was interrupted. The clock of a task that
/// has failed begins anew.
pub(crate) fn spent(shape: &RunShape, stored: &StoredClocks, records: &[u8]) -> Spent {
    let has_failed = |task: &TaskIdx| {
        let record = records.get(task.index().saturating_mul(RECORD_BYTES)..);
        record.and_then(<[u8]>::first).is_some_and(|phase| *phase > DONE)
    };
    let clocks = (0..).zip(&shape.deadlines).zip(shape.tasks_by_deadline());
    let clocks = clocks.filter_map(|((position, deadline), tasks)| {
        let since = stored.started.get(deadline.name.as_str())?;
        (!tasks.iter().any(has_failed)).then_some((position, stored.touched.saturating_sub(*since)))
    });
    Spent { run: stored.touched.saturating_sub(stored.since), clocks: clocks.collect() }
}

/// Formats the clocks that run on, as the script reads them: number, limit, passed time.
pub(crate) fn clocks_text(shape: &RunShape, spent: &Spent) -> Vec<u8> {
    let limit = |position: u32| {
        let deadline = shape.deadlines.get(to_usize(position));
        deadline.map_or(0, |deadline| millis(deadline.limit))
    };
    let clocks: Vec<(u32, u64, u64)> =
        spent.clocks.iter().map(|(position, spent)| (*position, limit(*position), *spent)).collect();
    // Numbers always serialize.
    rmp_serde::to_vec(&clocks).unwrap_or_default()
}

/// Returns milliseconds, at most as many as Lua computes exactly beside a time.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(1 << 50)
}
