//! The archive of runs in memory: list, inspect, cancel and remove, and access to their journals.
//! The journal's content is kept in `journal.rs`.

use crate::model::{RunId, RunStatus, TaskIdx, Timestamp};
use crate::state::memory::follow::MemoryFollow;
use crate::state::memory::ledger::Run;
use crate::state::memory::machine::Machine;
use crate::state::memory::task::Phase;
use crate::state::{
    Archive, Batch, ClaimView, Counts, End, Entry, EpochNote, Error, ErrorKind, Follow, Journal, LogPart,
    LogsPage, MemoryBackend, NodeView, Note, NotesPage, Removal, RunSummary,
};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Number of logs in a page.
const LOGS: usize = 100;

#[async_trait]
impl Archive for MemoryBackend {
    async fn runs(&self, max: usize) -> Result<Vec<RunSummary>, Error> {
        let runs: Vec<(RunId, Arc<Run>)> =
            self.runs().iter().map(|(id, run)| (id.clone(), Arc::clone(run))).collect();
        let mut summaries: Vec<RunSummary> = runs.iter().map(|(id, run)| summary(id, run)).collect();
        summaries
            .sort_by(|left, right| right.active.cmp(&left.active).then_with(|| right.run.cmp(&left.run)));
        summaries.truncate(max);
        Ok(summaries)
    }

    async fn runs_with_prefix(&self, prefix: &str, max: usize) -> Result<Vec<RunId>, Error> {
        let mut found: Vec<RunId> =
            self.runs().keys().filter(|run| run.as_str().starts_with(prefix)).cloned().collect();
        found.sort_unstable();
        found.truncate(max);
        Ok(found)
    }

    async fn run(&self, run: &RunId) -> Result<RunSummary, Error> {
        Ok(summary(run, &*self.find(run)?))
    }

    async fn nodes(&self, run: &RunId, names: &[String]) -> Result<Vec<NodeView>, Error> {
        let run = self.find(run)?;
        let (life, journal) = (run.life(), run.journal());
        let view = |name: &String| NodeView {
            end: life.entry(name).as_ref().map_or(End::Open, end_of),
            note: journal.notes.get(name).and_then(|notes| notes.last().cloned()),
        };
        Ok(names.iter().map(view).collect())
    }

    async fn ended_well(&self, run: &RunId, tasks: &[TaskIdx]) -> Result<Vec<bool>, Error> {
        let run = self.find(run)?;
        let life = run.life();
        let has_ended = |task: &TaskIdx| {
            life.machine.tasks.get(task.index()).is_some_and(|task| match task.entry {
                Entry::Done(_) | Entry::LeftOut(_) => true,
                Entry::Open => task.node.phase == Phase::Ended,
                Entry::Skipped(_) | Entry::Failed(_) => false,
            })
        };
        Ok(tasks.iter().map(has_ended).collect())
    }

    async fn failed_elements(&self, run: &RunId, max: usize) -> Result<Vec<String>, Error> {
        let run = self.find(run)?;
        let life = run.life();
        let tasks = life.machine.shape.tasks.iter().zip(&life.machine.tasks);
        let mut failed = Vec::new();
        for (shape, task) in tasks {
            task.each_element(&mut |at, entry| {
                if failed.len() < max && (matches!(entry, Entry::Failed(_)) || is_left_out(entry)) {
                    failed.push(shape.node_name(at));
                }
            });
        }
        Ok(failed)
    }

    async fn rerun(&self, run: &RunId) -> Result<Vec<String>, Error> {
        Ok(self.find(run)?.life().open_reruns())
    }

    async fn deadlines(&self, run: &RunId) -> Result<Vec<(Option<String>, Duration)>, Error> {
        Ok(self.find(run)?.deadlines())
    }

    async fn log(&self, run: &RunId, name: &str) -> Result<Vec<LogPart>, Error> {
        let run = self.find(run)?;
        let journal = run.journal();
        Ok(journal.logs.get(name).map(|log| LogPart::read(log)).unwrap_or_default())
    }

    async fn logs(&self, run: &RunId, after: Option<&str>) -> Result<LogsPage, Error> {
        let run = self.find(run)?;
        let journal = run.journal();
        let mut names: Vec<&String> = journal.logs.keys().collect();
        names.sort_unstable();
        let rest = names.into_iter().filter(|name| after.is_none_or(|after| name.as_str() > after));
        let read = |name: &String| {
            let log = journal.logs.get(name).map(|log| LogPart::read(log)).unwrap_or_default();
            (name.clone(), log)
        };
        let mut nodes: Vec<_> = rest.take(LOGS + 1).map(read).collect();
        let has_more = nodes.len() > LOGS;
        nodes.truncate(LOGS);
        let next = nodes.last().filter(|_| has_more).map(|(name, _)| name.clone());
        Ok(LogsPage { nodes, next })
    }

    async fn history(&self, run: &RunId, name: &str) -> Result<Vec<Note>, Error> {
        Ok(self.find(run)?.journal().notes.get(name).cloned().unwrap_or_default())
    }

    async fn notes(&self, run: &RunId, after: Option<&str>) -> Result<NotesPage, Error> {
        Ok(self.find(run)?.journal().page(after))
    }

    async fn epochs(&self, run: &RunId) -> Result<Vec<EpochNote>, Error> {
        Ok(self.find(run)?.journal().epochs.values().cloned().collect())
    }

    async fn claims(&self, run: &RunId, max: usize) -> Result<Vec<ClaimView>, Error> {
        Ok(self.find(run)?.claims(max))
    }

    async fn cancel(&self, run: &RunId) -> Result<RunStatus, Error> {
        Ok(self.find(run)?.cancel())
    }

    async fn remove(&self, run: &RunId, removal: Removal) -> Result<(), Error> {
        let mut runs = self.runs();
        let found = runs.get(run).cloned().ok_or_else(|| Self::no_run(run))?;
        let is_busy = found.life().machine.is_running() && !found.hosts().is_empty();
        if is_busy && removal == Removal::Idle {
            return Err(Error::new(ErrorKind::Held, format!("removing run `{run}`, which a host works on"))
                .hint("Wait until it has ended, or remove it anyway with `rm --force`."));
        }
        runs.remove(run);
        found.remove();
        Ok(())
    }
}

#[async_trait]
impl Journal for MemoryBackend {
    fn outlives_process(&self) -> bool {
        false
    }

    async fn append(&self, run: &RunId, batch: &Batch) -> Result<(), Error> {
        self.find(run)?.journal().append(batch);
        Ok(())
    }

    fn follow(&self, run: &RunId) -> Box<dyn Follow> {
        Box::new(MemoryFollow::new(self.shared(), run))
    }
}

fn summary(id: &RunId, run: &Run) -> RunSummary {
    let life = run.life();
    let (status, epoch, counts) = (life.machine.status(), life.epoch, counts(&life.machine));
    let ending = life.machine.ending;
    drop(life);
    let journal = run.journal();
    RunSummary {
        run: id.clone(),
        name: journal.name.clone(),
        status,
        ending,
        epoch,
        counts,
        created: journal.created,
        active: Timestamp::from_millis(run.active()),
        hosts: run.hosts(),
    }
}

fn counts(machine: &Machine) -> Counts {
    let mut counts = Counts::default();
    for (_, task) in machine.shape.tasks.iter().zip(&machine.tasks).filter(|(shape, _)| shape.is_included) {
        let count = match task.entry {
            Entry::Open => &mut counts.open,
            Entry::Done(_) => &mut counts.done,
            Entry::LeftOut(_) | Entry::Skipped(_) => &mut counts.skipped,
            Entry::Failed(_) => &mut counts.failed,
        };
        *count += 1;
    }
    counts
}

/// Returns whether an element has failed and is left out, itself and not another that it flows from.
fn is_left_out(entry: &Entry) -> bool {
    matches!(entry, Entry::LeftOut(hole) if hole.failure.is_some())
}

fn end_of(entry: &Entry) -> End {
    match entry {
        Entry::Open => End::Open,
        Entry::Done(result) => End::Done { bytes: u64::try_from(result.len()).unwrap_or(u64::MAX) },
        Entry::LeftOut(hole) => End::Skipped(hole.reason()),
        Entry::Skipped(reason) => End::Skipped(*reason),
        Entry::Failed(record) => End::Failed(record.clone()),
    }
}
