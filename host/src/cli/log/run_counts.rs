//! Counts the outcomes of a run's tasks as this host sees them, and tracks the running ones.
//! The logs and `progress` show the counts.

use crate::events::{Event, Fact, Subject};
use crate::model::{FailureClass, TaskName};
use indexmap::IndexMap;
use std::collections::HashSet;

/// Counts of tasks. Elements of a `for-each` and iterations count only as running: a task has ended once all of them have,
/// also one in a pipeline that runs once per element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunCounts {
    /// Number of tasks in the run, once it has begun.
    pub(crate) total: u32,
    /// Tasks that ran and committed their result.
    pub(crate) done: u32,
    /// Tasks whose result came from the cache.
    pub(crate) cached: u32,
    /// Skipped tasks.
    pub(crate) skipped: u32,
    /// Tasks that failed for good.
    pub(crate) failed: u32,
    /// Results stored before this session, as counted by the resume event.
    kept: u32,
    /// Results stored before this session, as counted by single events.
    stored: u32,
    /// Running tasks by name without indexes, each with its running nodes.
    running: IndexMap<TaskName, HashSet<(TaskName, Option<u32>)>>,
}

impl RunCounts {
    /// Counts one fact.
    pub(crate) fn record(&mut self, event: &Event) {
        match &event.fact {
            Fact::RunStarted { tasks, .. } => self.total = *tasks,
            Fact::RunResumed { tasks, kept, .. } => (self.total, self.kept) = (*tasks, *kept),
            Fact::RunFinished { .. } => self.running.clear(),
            Fact::TaskStarted => self.mark_started(event.subject.as_ref()),
            Fact::TaskRetrying { .. } | Fact::TaskLeaseLost => self.mark_ended(event.subject.as_ref()),
            Fact::TaskFinished { .. } => self.count_end(event, |counts| &mut counts.done),
            Fact::TaskCached { .. } => self.count_end(event, |counts| &mut counts.cached),
            Fact::TaskStored => self.count_end(event, |counts| &mut counts.stored),
            Fact::TaskSkipped { .. } => self.count_end(event, |counts| &mut counts.skipped),
            // A guest that was stopped has not failed: its task is open.
            Fact::TaskFailed(failure) if failure.class == FailureClass::Cancelled => {
                self.mark_ended(event.subject.as_ref());
            }
            Fact::TaskFailed(_) => self.count_end(event, |counts| &mut counts.failed),
            Fact::RunEnding { .. }
            | Fact::TaskReady
            | Fact::TaskBlocked { .. }
            | Fact::TaskTakenOver { .. }
            | Fact::TaskProgress { .. }
            | Fact::TaskLog { .. }
            | Fact::OutputFailed { .. }
            | Fact::StateReconnected
            | Fact::Warning { .. } => {}
        }
    }

    /// Returns how many results were stored before this session.
    pub(crate) fn stored_count(&self) -> u32 {
        self.kept.max(self.stored)
    }

    /// Returns how many tasks have ended, in any way.
    pub(crate) fn ended_count(&self) -> u32 {
        self.done + self.cached + self.stored_count() + self.skipped + self.failed
    }

    /// Lists the running tasks, oldest first: `count ×3, merge`. Names at most `max` tasks.
    pub(crate) fn running(&self, max: usize) -> String {
        let mut shown: Vec<String> = self
            .running
            .iter()
            .take(max)
            .map(
                |(name, calls)| {
                    if calls.len() > 1 { format!("{name} ×{}", calls.len()) } else { name.to_string() }
                },
            )
            .collect();
        if self.running.len() > max {
            shown.push(format!("{} more", self.running.len() - max));
        }
        shown.join(", ")
    }

    fn count_end(&mut self, event: &Event, count: impl FnOnce(&mut Self) -> &mut u32) {
        self.mark_ended(event.subject.as_ref());
        let is_part = event.subject.as_ref().is_some_and(|subject| match event.fact {
            Fact::TaskFailed(_) => subject.is_element(), // a failed iteration ends its task
            _ => subject.is_part(),                      // no other end of an iteration does
        });
        if !is_part {
            *count(self) += 1;
        }
    }

    fn mark_started(&mut self, subject: Option<&Subject>) {
        if let Some(subject) = subject {
            let calls = self.running.entry(subject.task.without_indexes()).or_default();
            calls.insert((subject.task.clone(), subject.item));
        }
    }

    fn mark_ended(&mut self, subject: Option<&Subject>) {
        let Some(subject) = subject else { return };
        let task = subject.task.without_indexes();
        if let Some(calls) = self.running.get_mut(&task) {
            calls.remove(&(subject.task.clone(), subject.item));
            if calls.is_empty() {
                self.running.shift_remove(&task);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::print::{element, finished, iteration, run, task};
    use crate::events::FailureFact;
    use crate::model::SkipReason;

    #[test]
    fn tasks_are_counted_and_running_ones_named() {
        let mut counts = RunCounts::default();
        let events = [
            run(Fact::RunResumed { name: "wordcount".into(), tasks: 9, kept: 2 }),
            task("split", Fact::TaskStarted),
            task("split", finished()),
            element("count", 0, Fact::TaskStarted),
            element("count", 1, Fact::TaskStarted),
            element("count", 2, Fact::TaskStarted),
            element("count", 2, finished()),
            task("merge", Fact::TaskStarted),
            task("seen", Fact::TaskCached { key: "k".into() }),
            task("left", Fact::TaskSkipped { reason: SkipReason::Pruned, cause: None, failure: None }),
        ];
        for event in &events {
            counts.record(event);
        }
        assert_eq!((counts.total, counts.ended_count()), (9, 5));
        assert_eq!(counts.running(8), "count ×2, merge");
        assert_eq!(counts.running(1), "count ×2, 1 more");
    }

    #[test]
    fn iterations_count_once_their_task_has_ended() {
        let mut counts = RunCounts::default();
        counts.record(&iteration("refine", 0, Fact::TaskStarted));
        assert_eq!((counts.running(9), counts.ended_count()), ("refine".to_owned(), 0));
        counts.record(&iteration("refine", 0, finished()));
        counts.record(&iteration("refine", 1, Fact::TaskCached { key: "k".into() }));
        assert_eq!((counts.running(9), counts.ended_count()), (String::new(), 0));
        counts.record(&task("refine", finished()));
        let failure = FailureFact { class: FailureClass::Trap, error: "boom".into() };
        counts.record(&iteration("other", 3, Fact::TaskFailed(failure)));
        assert_eq!((counts.done, counts.cached, counts.failed), (1, 0, 1));
    }

    #[test]
    fn stopped_task_has_not_failed() {
        let mut counts = RunCounts::default();
        counts.record(&run(Fact::RunStarted { name: "wordcount".into(), tasks: 2 }));
        counts.record(&task("split", Fact::TaskStarted));
        let stopped = FailureFact { class: FailureClass::Cancelled, error: "stopped".into() };
        counts.record(&task("split", Fact::TaskFailed(stopped)));
        assert_eq!((counts.failed, counts.ended_count(), counts.running(9)), (0, 0, String::new()));
    }

    #[test]
    fn tasks_of_a_pipeline_that_runs_per_element_count_once() {
        let mut counts = RunCounts::default();
        counts.record(&run(Fact::RunStarted { name: "n".into(), tasks: 2 }));
        for pipeline in ["clean[0]", "clean[1]"] {
            counts.record(&element(&format!("{pipeline}/twice"), 0, Fact::TaskStarted));
            counts.record(&element(&format!("{pipeline}/twice"), 1, Fact::TaskStarted));
            counts.record(&task(&format!("{pipeline}/sum"), Fact::TaskStarted));
        }
        assert_eq!(counts.running(9), "clean/twice ×4, clean/sum ×2");
        counts.record(&element("clean[0]/twice", 0, finished()));
        counts.record(&task("clean[0]/sum", finished()));
        counts.record(&task("clean[1]/sum", finished()));
        assert_eq!((counts.running(9), counts.ended_count()), ("clean/twice ×3".to_owned(), 0));
        counts.record(&task("clean/sum", finished()));
        assert_eq!((counts.done, counts.total), (1, 2));
    }

    #[test]
    fn stored_results_count_once() {
        let mut counts = RunCounts::default();
        counts.record(&run(Fact::RunResumed { name: "w".into(), tasks: 3, kept: 1 }));
        counts.record(&task("split", Fact::TaskStored));
        assert_eq!(counts.stored_count(), 1);
    }
}
