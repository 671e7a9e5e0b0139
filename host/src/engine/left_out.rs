//! The elements that have failed and whose failures end nothing, counted by task: one warning names them.
//! `joining` finds them; a later session of the run reads them from the state (`app/left_out`).

use crate::events::Fact;
use crate::model::{TaskIdx, to_usize};
use crate::state::{NodeId, left_out_of};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Elements that a warning names.
pub(crate) const MAX_NAMED: usize = 20;

/// The effect of `on-error` on failed elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedAs {
    /// They are left out of their list.
    LeftOut,
    /// Their failures are values in it.
    Values,
}

/// The elements of some lists of one task.
#[derive(Debug)]
pub(crate) struct LeftOut {
    pub(crate) are: FailedAs,
    /// All elements.
    pub(crate) items: u32,
    /// Those that have failed.
    pub(crate) failed: u32,
    /// The names of the first of them.
    pub(crate) named: Vec<String>,
}

impl LeftOut {
    fn add(&mut self, other: Self) {
        self.items = self.items.saturating_add(other.items);
        self.failed = self.failed.saturating_add(other.failed);
        let rest = MAX_NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(rest));
    }

    /// Returns the warning of the elements of a task.
    pub(crate) fn warning(&self, task: &str) -> Option<Fact> {
        let names: Vec<String> = self.named.iter().map(|name| format!("`{name}`")).collect();
        let more = match to_usize(self.failed).saturating_sub(names.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let them = if self.failed == 1 { "it" } else { "them" };
        let (code, effect) = match self.are {
            FailedAs::LeftOut => ("elements-left-out", format!("`on-error = \"skip\"` leaves {them} out")),
            FailedAs::Values => {
                ("failures-as-values", "`on-error = \"failure\"` makes values of that".to_owned())
            }
        };
        let again = match self.are {
            FailedAs::LeftOut => {
                let lists: BTreeSet<String> =
                    self.named.iter().filter_map(|name| left_out_of(name)).collect();
                let lists: Vec<String> = lists.into_iter().map(|name| format!("'{name}'")).collect();
                format!("`--rerun {}` calls {them} again", lists.join(" "))
            }
            FailedAs::Values => {
                let first = self.named.first().map_or(task, String::as_str);
                format!("`--rerun '{first}'` calls one again")
            }
        };
        let (failed, items, names) = (self.failed, self.items, names.join(", "));
        let message =
            format!("{failed} of {items} elements of `{task}` failed, and {effect}: {names}{more}; {again}");
        (failed > 0).then_some(Fact::Warning { code: code.into(), message })
    }
}

/// The elements of each task that this host has counted.
#[derive(Debug, Default)]
pub(crate) struct LeftOutByTask {
    // A mutex because jobs run on many threads; each critical section is one addition.
    tasks: Mutex<BTreeMap<TaskIdx, LeftOut>>,
}

impl LeftOutByTask {
    /// Adds the elements of a node. Returns those of the task once the node is all of it; elements of pipelines wait for that.
    pub(crate) fn add(&self, node: NodeId, found: LeftOut) -> Option<LeftOut> {
        let mut tasks = self.tasks();
        match tasks.get_mut(&node.task) {
            Some(all) => all.add(found),
            None => drop(tasks.insert(node.task, found)),
        }
        if node.at.level() == 0 { tasks.remove(&node.task) } else { None }
    }

    /// Takes what is left: of tasks that other hosts have ended, or nobody yet.
    pub(crate) fn take(&self) -> BTreeMap<TaskIdx, LeftOut> {
        std::mem::take(&mut *self.tasks())
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeMap<TaskIdx, LeftOut>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_has_counts_names_and_the_line_that_calls_them_again() {
        let of = |items, names: &[&str]| LeftOut {
            are: FailedAs::LeftOut,
            items,
            failed: u32::try_from(names.len()).unwrap(),
            named: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let message = |left_out: &LeftOut| match left_out.warning("t") {
            Some(Fact::Warning { message, .. }) => message,
            other => panic!("{other:?}"),
        };
        let mut all = of(3, &["t[1]"]);
        assert_eq!(
            message(&all),
            "1 of 3 elements of `t` failed, and `on-error = \"skip\"` leaves it out: `t[1]`; `--rerun 't[left-out]'` calls it \
             again"
        );
        all.add(of(4, &["clean[0]/t[2]", "clean[1]/t"]));
        let text = message(&all);
        assert!(text.starts_with("3 of 7 elements"), "{text}");
        let again = "`--rerun 'clean/t[left-out]' 'clean[left-out]' 't[left-out]'` calls them again";
        assert!(text.ends_with(again), "{text}");
        (0..MAX_NAMED).for_each(|_| all.add(of(1, &["t[0]"])));
        assert!(message(&all).contains(" and 3 more;"), "{}", message(&all));
        assert!(of(3, &[]).warning("t").is_none());
        let values = LeftOut { are: FailedAs::Values, ..of(2, &["t[1]"]) };
        assert_eq!(
            message(&values),
            "1 of 2 elements of `t` failed, and `on-error = \"failure\"` makes values of that: `t[1]`; `--rerun 't[1]'` calls \
             one again"
        );
    }
}
