//! Filters of lists: which runs `runs` shows, and which tasks `show` shows.
//! The words are those of the tables.

use crate::app::{RunDetails, TaskDetails};
use crate::cli::print::{run_word, task_word};
use crate::model::{Timestamp, parse_duration};
use crate::state::RunSummary;
use clap::builder::PossibleValuesParser;
use clap::{Args, value_parser};
use std::time::Duration;

/// The words for runs.
const RUN_WORDS: [&str; 6] = ["running", "abandoned", "succeeded", "failed", "cancelled", "timeout"];

/// The words for tasks.
const TASK_WORDS: [&str; 8] =
    ["done", "cached", "skipped", "failed", "running", "retrying", "stopped", "open"];

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct RunFilters {
    /// Only runs of these statuses, separated by commas
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = PossibleValuesParser::new(RUN_WORDS))]
    pub(crate) status: Vec<String>,

    /// Only runs that have failed or whose deadline has passed
    #[arg(long, conflicts_with = "status")]
    pub(crate) failed: bool,

    /// Only runs of manifests with this text in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,

    /// Only runs that were written to since then: `2h` ago, or a time such as `2026-11-24T02:15:00Z`
    #[arg(long, value_name = "TIME", value_parser = value_parser!(Since))]
    pub(crate) since: Option<Since>,
}

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TaskFilters {
    /// Only tasks in these states, separated by commas
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = PossibleValuesParser::new(TASK_WORDS))]
    pub(crate) status: Vec<String>,

    /// Only tasks and elements that have failed
    #[arg(long, conflicts_with = "status")]
    pub(crate) failed: bool,

    /// Only tasks and elements with this text in their name
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
}

/// The beginning of a time to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long before now.
    Ago(Duration),
    /// A moment.
    At(Timestamp),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = Timestamp::parse(text).map(Self::At);
        at.or_else(|| parse_duration(text).ok().map(Self::Ago)).ok_or_else(|| {
            "write a duration, such as 90s or 2h, or a time with its zone, such as 2026-11-24T02:15:00Z"
                .to_owned()
        })
    }
}

impl Since {
    /// Returns the moment.
    fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(ago) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(now.as_millis().saturating_sub(ago))
            }
        }
    }
}

impl RunFilters {
    /// Returns whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        let Self { status, failed, name, since } = self;
        status.is_empty() && !*failed && name.is_none() && since.is_none()
    }

    /// Returns whether a run passes all filters.
    pub(crate) fn passes(&self, run: &RunSummary, now: Timestamp) -> bool {
        let Self { status, failed, name, since } = self;
        let word = run_word(run);
        (status.is_empty() || status.iter().any(|wanted| wanted == word))
            && (!failed || matches!(word, "failed" | "timeout"))
            && name.as_ref().is_none_or(|text| run.name.as_ref().is_some_and(|name| name.contains(text)))
            && since.is_none_or(|since| run.active >= since.moment(now))
    }
}

impl TaskFilters {
    /// Leaves the tasks that pass all filters.
    pub(crate) fn apply(&self, details: &mut RunDetails) {
        details.nodes.retain(|node| self.passes(node));
    }

    fn passes(&self, node: &TaskDetails) -> bool {
        let Self { status, failed, name } = self;
        (status.is_empty() || status.iter().any(|wanted| wanted == task_word(&node.state)))
            && (!failed || node.has_failed())
            && name.as_ref().is_none_or(|text| node.name.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::TaskState;
    use crate::cli::manual::Page;

    #[test]
    fn since_is_a_duration_or_a_moment() {
        let now = Timestamp::from_millis(10_000_000);
        let moment = |text: &str| text.parse::<Since>().map(|since| since.moment(now).as_millis());
        assert_eq!(moment("2s"), Ok(9_998_000));
        assert_eq!(moment("1970-01-01T00:00:07Z"), Ok(7000));
        assert!(moment("yesterday").unwrap_err().contains("2h"));
    }

    #[test]
    fn tasks_are_left_by_state_failure_and_name() {
        let node = |name: &str, state| TaskDetails::new(name.to_owned(), state, None);
        let nodes = [
            node("a", TaskState::Done(1)),
            node("b[3]", TaskState::Failed(None)),
            node("ab", TaskState::Open),
        ];
        let left = |filters: TaskFilters| {
            let passing = nodes.iter().filter(|node| filters.passes(node));
            passing.map(|node| node.name.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(left(TaskFilters::default()), "a b[3] ab");
        assert_eq!(left(TaskFilters { failed: true, ..TaskFilters::default() }), "b[3]");
        assert_eq!(
            left(TaskFilters { status: vec!["done".into(), "open".into()], ..TaskFilters::default() }),
            "a ab"
        );
        assert_eq!(left(TaskFilters { name: Some("b".into()), ..TaskFilters::default() }), "b[3] ab");
    }

    #[test]
    fn the_manual_names_every_word() {
        let page = Page::of("cli");
        for word in RUN_WORDS.into_iter().chain(TASK_WORDS) {
            page.says(word);
        }
    }
}
