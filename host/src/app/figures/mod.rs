//! What the notes of a run add up to: times, memory, waits and cache hits by task, the slowest calls, and the timeline.
//! `show --stats`, `report` and `trace` print it. One pass over the notes, in bounded memory.

mod histogram;
mod task;
mod path;
mod timeline;

pub(crate) use histogram::Histogram;
pub(crate) use path::Step;
pub(crate) use task::TaskFigures;
pub(crate) use timeline::{Span, Timeline};

use crate::app::Error;
use crate::app::figures::path::critical_path;
use crate::app::node_name::{Names, no_run};
use crate::model::{RunId, TaskIdx, Timestamp};
use crate::plan::PlanRecord;
use crate::state::{Backend, Note, Phase, RunSummary};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Number of slowest calls.
const MAX_SLOWEST: usize = 100;

/// The figures of a run.
pub(crate) struct Figures {
    /// The run.
    pub run: RunSummary,
    /// Its plan.
    pub record: PlanRecord,
    /// By task, in the plan's order.
    pub tasks: Vec<TaskFigures>,
    /// The slowest calls, the slowest first.
    pub slowest: Vec<Slow>,
    /// When attempts ran.
    pub timeline: Timeline,
    /// The chain of tasks that decided when the run ended.
    pub path: Vec<Step>,
    /// Start of the first attempt and end of the last one, in microseconds since 1970; none if nothing ran.
    pub time: Option<(i64, i64)>,
}

/// A slow call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slow {
    /// Time in microseconds.
    pub micros: u64,
    /// Peak memory in bytes.
    pub memory: u64,
    /// Name of the node.
    pub name: String,
    /// The host.
    pub host: String,
}

/// Reads the notes of a run, and adds them up.
pub(crate) async fn figures(backend: &dyn Backend, run: &RunId) -> Result<Figures, Error> {
    let missing = |error| no_run(run, error);
    let summary = backend.run(run).await.map_err(missing)?;
    let names = Names::of(backend, run).await?;
    let mut counting = Counting::new(&names.record);
    let mut after = None;
    loop {
        let page = backend.notes(run, after.as_deref()).await.map_err(missing)?;
        page.nodes.iter().for_each(|(name, notes)| counting.node(name, notes));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(counting.finish(summary, names.record))
}

/// The figures so far.
struct Counting {
    positions: HashMap<String, usize>,
    /// By task, how many indexes the name of a call has: nodes with fewer are around calls.
    levels: Vec<usize>,
    tasks: Vec<TaskFigures>,
    slowest: BinaryHeap<Reverse<Slow>>,
    timeline: Timeline,
    /// Name without indexes; kept to reuse its memory.
    bare: String,
}

impl Counting {
    fn new(record: &PlanRecord) -> Self {
        let names = record.task_names().map(str::to_owned);
        let tasks: Vec<TaskFigures> =
            names.map(|name| TaskFigures { name, ..TaskFigures::default() }).collect();
        let positions = tasks.iter().enumerate().map(|(position, task)| (task.name.clone(), position));
        let indexes = (0..).map(TaskIdx::new).take(tasks.len());
        Self {
            positions: positions.collect(),
            levels: indexes.map(|task| record.indexed(task).len()).collect(),
            tasks,
            slowest: BinaryHeap::new(),
            timeline: Timeline::default(),
            bare: String::new(),
        }
    }

    /// Adds the notes of a node. Those of earlier epochs do not count.
    fn node(&mut self, name: &str, notes: &[Note]) {
        let Some(last) = notes.last() else { return };
        let (levels, item) = without_indexes(name, &mut self.bare);
        let Some(position) = self.positions.get(self.bare.as_str()).copied() else { return };
        let Some(task) = self.tasks.get_mut(position) else { return };
        if self.levels.get(position).is_some_and(|of_call| levels < *of_call) {
            return;
        }
        match last.phase {
            Phase::Done => task.done += 1,
            Phase::Cached => task.cached += 1,
            Phase::Failed => task.failed += 1,
            Phase::Ready | Phase::Running | Phase::Retrying => task.open += 1,
            Phase::Skipped => return,
        }
        for note in notes.iter().filter(|note| note.epoch == last.epoch) {
            let is_retried = note.phase == Phase::Retrying;
            task.retried += u64::from(is_retried);
            let wait = match (note.ready, note.started, note.attempts) {
                (Some(ready), Some(started), 1) => Some(micros(started).abs_diff(micros(ready))),
                _ => None, // a later attempt waited for its delay
            };
            wait.into_iter().for_each(|wait| task.waits.add(wait));
            let Some((start, end)) = span(note) else { continue };
            let (first, latest) = task.time.unwrap_or((start, end));
            task.time = Some((first.min(start), latest.max(end)));
            let has_failed = is_retried || note.phase == Phase::Failed;
            let task = u32::try_from(position).unwrap_or(u32::MAX);
            let span = Span {
                start,
                end,
                task,
                item,
                waited: wait.map_or(0, |wait| u32::try_from(wait).unwrap_or(u32::MAX)),
                memory: note.usage.map_or(0, |usage| usage.memory_bytes),
                has_failed,
                ..Span::default()
            };
            self.timeline.add(&note.host, span);
        }
        let Some(usage) = last.usage.filter(|_| last.phase == Phase::Done) else { return };
        let took = whole_micros(usage.duration_ms);
        task.durations.add(took);
        task.memory.add(usage.memory_bytes);
        if self.slowest.len() < MAX_SLOWEST
            || self.slowest.peek().is_some_and(|Reverse(least)| least.micros < took)
        {
            let (name, host) = (name.to_owned(), last.host.0.to_string());
            self.slowest.push(Reverse(Slow { micros: took, memory: usage.memory_bytes, name, host }));
            if self.slowest.len() > MAX_SLOWEST {
                self.slowest.pop();
            }
        }
    }

    fn finish(self, run: RunSummary, record: PlanRecord) -> Figures {
        let Self { tasks, slowest, mut timeline, .. } = self;
        timeline.finish();
        let mut slowest: Vec<Slow> = slowest.into_iter().map(|Reverse(slow)| slow).collect();
        slowest.sort_by_key(|slow| (Reverse(slow.micros), slow.name.clone()));
        let times = tasks.iter().filter_map(|task| task.time);
        let time = times.reduce(|(first, last), (start, end)| (first.min(start), last.max(end)));
        Figures { path: critical_path(record.lineage(), &tasks), run, record, tasks, slowest, timeline, time }
    }
}

/// Returns when an attempt of a call ran; none if it did not, or has not ended.
fn span(note: &Note) -> Option<(i64, i64)> {
    let is_attempt = note.attempts > 0 && matches!(note.phase, Phase::Done | Phase::Failed | Phase::Retrying);
    let (start, end) = note.started.zip(note.ended).filter(|_| is_attempt)?;
    // Notes have milliseconds; the usage of a call has microseconds.
    let took = note.usage.map(|usage| i64::try_from(whole_micros(usage.duration_ms)).unwrap_or(i64::MAX));
    let start = micros(start);
    let until = took.map_or(micros(end), |took| start.saturating_add(took));
    Some((start, until.max(start)))
}

const fn micros(time: Timestamp) -> i64 {
    time.as_millis().saturating_mul(1000)
}

#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float has no other conversion; it saturates, which is right for durations"
)]
fn whole_micros(millis: f64) -> u64 {
    (millis * 1e3).round() as u64
}

/// Writes the name of a node without its indexes. Returns how many there were, and the last one.
fn without_indexes(name: &str, bare: &mut String) -> (usize, Option<u32>) {
    bare.clear();
    let mut rest = name;
    let (mut levels, mut last) = (0, None);
    while let Some((head, tail)) = rest.split_once('[') {
        bare.push_str(head);
        let (index, after) = tail.split_once(']').unwrap_or((tail, ""));
        levels += 1;
        last = index.parse().ok();
        rest = after;
    }
    bare.push_str(rest);
    (levels, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_indexes() {
        let mut bare = String::new();
        let mut cut = |name: &str| (without_indexes(name, &mut bare), bare.clone());
        assert_eq!(cut("count"), ((0, None), "count".to_owned()));
        assert_eq!(cut("count[7]"), ((1, Some(7)), "count".to_owned()));
        assert_eq!(cut("clean[3]/count[7]"), ((2, Some(7)), "clean/count".to_owned()));
    }
}
