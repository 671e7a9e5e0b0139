//! States of tasks, as drawings show them: of a task, and of many tasks in one box.
//! `app` reads them from a stored run.

use crate::app::{RunDetails, TaskState};
use crate::model::{RunStatus, SkipReason, TaskName};
use std::collections::HashMap;

/// State of a box. The order is that of the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum State {
    Done,
    Cached,
    Skipped,
    Failed,
    Running,
    Retrying,
    Stopped,
    Open,
}

impl State {
    /// All states.
    pub(crate) const ALL: [Self; 8] = [
        Self::Done,
        Self::Cached,
        Self::Skipped,
        Self::Failed,
        Self::Running,
        Self::Retrying,
        Self::Stopped,
        Self::Open,
    ];

    /// Returns the word of the state, as `show` has it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Cached => "cached",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Stopped => "stopped",
            Self::Open => "open",
        }
    }

    const fn of(state: &TaskState) -> Self {
        match state {
            TaskState::Done(_) | TaskState::Passed => Self::Done,
            TaskState::Cached(_) => Self::Cached,
            TaskState::Skipped(_) => Self::Skipped,
            TaskState::Failed(_) => Self::Failed,
            TaskState::Running => Self::Running,
            TaskState::Retrying => Self::Retrying,
            TaskState::Stopped => Self::Stopped,
            TaskState::Open => Self::Open,
        }
    }
}

/// State of one task of a run, with what is known of its elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskStatus {
    pub(crate) state: State,
    /// Number of elements that have failed; at most as many as `show` lists.
    pub(crate) failed: usize,
    /// Number of elements that are left out of the list.
    pub(crate) left_out: usize,
    /// Number of elements that hosts work on.
    pub(crate) running: usize,
}

/// State of a box, and the words below its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BoxStatus {
    pub(crate) state: State,
    pub(crate) words: String,
}

/// States of the tasks of a stored run.
#[derive(Debug)]
pub(crate) struct RunStates {
    /// The run's id.
    pub(crate) run: String,
    /// How the run ended, or that it has not.
    pub(crate) status: RunStatus,
    by_name: HashMap<String, TaskStatus>,
}

impl RunStates {
    /// Collects the states of a run.
    pub(crate) fn new(details: &RunDetails) -> Self {
        let mut by_name: HashMap<String, TaskStatus> = HashMap::new();
        for task in &details.nodes {
            let (state, task_name) = (State::of(&task.state), task_of(&task.name));
            let none = TaskStatus { state: State::Open, failed: 0, left_out: 0, running: 0 };
            let status = by_name.entry(task_name.clone()).or_insert(none);
            if task_name == task.name {
                status.state = state;
                continue;
            }
            match &task.state {
                TaskState::Failed(_) => status.failed += 1,
                TaskState::Skipped(SkipReason::ElementFailed) => status.left_out += 1,
                TaskState::Running => status.running += 1,
                TaskState::Done(_)
                | TaskState::Passed
                | TaskState::Cached(_)
                | TaskState::Skipped(_)
                | TaskState::Retrying
                | TaskState::Stopped
                | TaskState::Open => {}
            }
        }
        Self { run: details.run.run.to_string(), status: details.run.status, by_name }
    }

    /// Returns the state of a task; none if the run has no such task.
    pub(crate) fn of(&self, task: &TaskName) -> Option<TaskStatus> {
        self.by_name.get(task.as_str()).copied()
    }

    /// Returns the tasks of the run that are not among `known`, sorted.
    pub(crate) fn others<'a>(&self, known: impl Iterator<Item = &'a str>) -> Vec<String> {
        let known: std::collections::HashSet<&str> = known.collect();
        let mut others: Vec<String> =
            self.by_name.keys().filter(|name| !known.contains(name.as_str())).cloned().collect();
        others.sort_unstable();
        others
    }
}

/// Returns the name of the task that a node belongs to.
fn task_of(node: &str) -> String {
    match TaskName::of_node(node) {
        Some(name) if name.has_indexes() => name.without_indexes().to_string(),
        Some(_) | None => node.split_once('[').map_or(node, |(task, _)| task).to_owned(),
    }
}

/// Returns the state of a box that has these tasks; none if the run has none of them.
pub(crate) fn box_status(tasks: &[TaskStatus]) -> Option<BoxStatus> {
    match tasks {
        [] => None,
        [one] => Some(BoxStatus { state: one.state, words: words_of(one) }),
        many => Some(joined(many)),
    }
}

/// Formats `failed, 2 elements failed`.
fn words_of(task: &TaskStatus) -> String {
    let count = |number: usize, what: &str| match number {
        0 => String::new(),
        1 => format!(", 1 element {what}"),
        _ => format!(", {number} elements {what}"),
    };
    let parts = [
        task.state.word().to_owned(),
        count(task.failed, "failed"),
        count(task.left_out, "left out"),
        count(task.running, "running"),
    ];
    parts.concat()
}

/// Joins the states of many tasks: what needs attention wins, then what goes on.
fn joined(tasks: &[TaskStatus]) -> BoxStatus {
    let count = |state: State| tasks.iter().filter(|task| task.state == state).count();
    let attention = [State::Failed, State::Running, State::Retrying, State::Stopped, State::Open];
    let alike = State::ALL.into_iter().find(|state| count(*state) == tasks.len());
    let state = alike.or_else(|| attention.into_iter().find(|state| count(*state) > 0));
    let counts = State::ALL.into_iter().filter(|state| count(*state) > 0);
    let counts: Vec<String> = counts.map(|state| format!("{} {}", count(state), state.word())).collect();
    BoxStatus { state: state.unwrap_or(State::Done), words: counts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(state: State) -> TaskStatus {
        TaskStatus { state, failed: 0, left_out: 0, running: 0 }
    }

    fn shown(tasks: &[TaskStatus]) -> (State, String) {
        let status = box_status(tasks).unwrap();
        (status.state, status.words)
    }

    #[test]
    fn one_failure_decides_a_box_of_many() {
        let tasks = [task(State::Done), task(State::Failed), task(State::Running)];
        assert_eq!(shown(&tasks), (State::Failed, "1 done, 1 failed, 1 running".into()));
        let tasks = [task(State::Cached), task(State::Done), task(State::Skipped)];
        assert_eq!(shown(&tasks), (State::Done, "1 done, 1 cached, 1 skipped".into()));
        assert_eq!(
            shown(&[task(State::Skipped), task(State::Skipped)]),
            (State::Skipped, "2 skipped".into())
        );
        assert_eq!(box_status(&[]), None);
    }

    #[test]
    fn elements_are_counted() {
        let status = TaskStatus { failed: 2, left_out: 1, ..task(State::Failed) };
        assert_eq!(shown(&[status]).1, "failed, 2 elements failed, 1 element left out");
    }

    #[test]
    fn nodes_belong_to_their_task() {
        for (node, task) in [("a", "a"), ("a[3]", "a"), ("a[3]/b", "a/b"), ("a/b[1]", "a/b")] {
            assert_eq!(task_of(node), task);
        }
    }
}
