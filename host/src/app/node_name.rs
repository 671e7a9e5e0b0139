//! Looks up the task and element names of users in a stored run, and lists the existing names on a mismatch.
//! `archive` and `stored` interpret the stored data.

use crate::app::Error;
use crate::app::iterations::count_iterations;
use crate::model::{RunId, TaskName, nearest, shortlist};
use crate::plan::PlanRecord;
use crate::state;
use crate::state::{Backend, End, ErrorKind, NodeView, split_iteration_name};
use crate::value::wire::Reader;

/// A task or an element of a stored run.
pub(crate) struct Found {
    /// The stored state of the node.
    pub(crate) view: NodeView,
    /// Number of elements of a `for-each` task whose list is complete.
    pub(crate) elements: Option<usize>,
}

/// Returns the stored form of `task` or `task[i]`, and any other text unchanged.
pub(crate) fn stored_name(name: &str) -> String {
    match parts(name) {
        Some((task, Some(item))) => format!("{task}[{item}]"),
        Some((_, None)) | None => name.to_owned(),
    }
}

/// Finds a name, in the form of [`stored_name`], in a stored run. Fails if the run has no such task or element.
pub(crate) async fn find(backend: &dyn Backend, run: &RunId, name: &str) -> Result<Found, Error> {
    let record = plan_record(backend, run, "Use the version of cascade-host that created the run.").await?;
    let known = |task: &str| record.task_names().any(|known| known == task);
    if let Some((node, iteration)) = split_iteration_name(name)
        && let Some((task, _)) = parts(node).filter(|(task, _)| known(task))
    {
        return find_iteration(backend, run, (task, node, iteration), &record).await;
    }
    let Some((task, item)) = parts(name).filter(|(task, _)| known(task)) else {
        return Err(match record.pipeline(name) {
            Some(_) => is_pipeline(run, name, &record),
            None => no_task(run, name, &record),
        });
    };
    let views = backend.nodes(run, &[name.to_owned()]).await.map_err(|error| no_run(run, error))?;
    let view = views.into_iter().next().unwrap_or(NodeView { end: End::Open, note: None });
    let has_started = view.end != End::Open || view.note.is_some();
    if item.is_some() && has_started {
        return Ok(Found { view, elements: None });
    }
    let elements =
        if record.is_for_each(task) { elements(backend, run, task).await? } else { Elements::None };
    match (item, elements) {
        (None, Elements::Known(count)) => Ok(Found { view, elements: Some(count) }),
        (None, Elements::None | Elements::Unknown) => Ok(Found { view, elements: None }),
        (Some(item), Elements::Known(count)) if u64::try_from(count).is_ok_and(|count| item < count) => {
            Ok(Found { view, elements: None })
        }
        (Some(item), elements) => Err(no_element(run, (task, item), elements)),
    }
}

/// Finds an iteration of a node. Fails if it is not stored.
async fn find_iteration(
    backend: &dyn Backend,
    run: &RunId,
    (task, node, iteration): (&str, &str, u32),
    record: &PlanRecord,
) -> Result<Found, Error> {
    let message = format!("run `{run}` has no iteration {iteration} of `{node}`");
    if record.max_iterations(task).is_none() {
        let help = format!("`{task}` does not repeat: it runs once, as `{task}`");
        return Err(Error::Missing { message, help });
    }
    let stored = count_iterations(backend, run, node).await.map_err(|error| no_run(run, error))?;
    let help = match stored {
        0 => format!("no iteration of `{node}` is stored; `show {run}` shows its progress"),
        1 => format!("one iteration of `{node}` is stored, `{node}@0`"),
        _ => format!("{stored} iterations of `{node}` are stored, `{node}@0` to `{node}@{}`", stored - 1),
    };
    if iteration >= stored {
        return Err(Error::Missing { message, help });
    }
    let views =
        backend.nodes(run, &[format!("{node}@{iteration}")]).await.map_err(|error| no_run(run, error))?;
    let view = views.into_iter().next().unwrap_or(NodeView { end: End::Open, note: None });
    Ok(Found { view, elements: None })
}

/// The number of elements of a task.
#[derive(Clone, Copy)]
enum Elements {
    /// Not a `for-each` task.
    None,
    /// The length of the complete list.
    Known(usize),
    /// The list is not complete.
    Unknown,
}

/// Reads the stored plan of a run.
pub(crate) async fn plan_record(backend: &dyn Backend, run: &RunId, help: &str) -> Result<PlanRecord, Error> {
    let record = backend.record(run).await.map_err(|error| no_run(run, error))?;
    PlanRecord::decode(&record).ok_or_else(|| {
        let doing = format!("reading the plan of run `{run}`, which is damaged or of a later version");
        state::Error::new(ErrorKind::Damaged, doing).hint(help).into()
    })
}

/// Describes the elements of a task: their number, and the first and last name.
pub(crate) fn range(task: &str, count: usize) -> String {
    match count {
        0 => format!("`{task}` ran over an empty list and has no elements"),
        1 => format!("`{task}` has one element, `{task}[0]`"),
        _ => format!("`{task}` has {count} elements, `{task}[0]` to `{task}[{}]`", count - 1),
    }
}

/// Splits a name into task and element index. Returns `None` for a text that cannot be the name of a node.
fn parts(name: &str) -> Option<(&str, Option<u64>)> {
    let Some((task, rest)) = name.split_once('[') else {
        return Some((name, None));
    };
    let digits = rest.strip_suffix(']')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // No list is as long as the largest of these numbers.
    is_number.then(|| (task, Some(digits.parse().unwrap_or(u64::MAX))))
}

/// Counts the elements of a `for-each` task.
async fn elements(backend: &dyn Backend, run: &RunId, task: &str) -> Result<Elements, Error> {
    let list = backend.results(run, &[task.to_owned()]).await.map_err(|error| no_run(run, error))?;
    let count = list.into_iter().next().flatten().and_then(|list| Reader::new(&list).array_len().ok());
    Ok(count.map_or(Elements::Unknown, Elements::Known))
}

/// Returns the error of a pipeline where a task is asked for.
fn is_pipeline(run: &RunId, name: &str, record: &PlanRecord) -> Error {
    let inside =
        |task: &&str| task.strip_prefix(name).is_some_and(|rest| rest.starts_with(TaskName::SEPARATOR));
    let tasks = shortlist(name, record.task_names().filter(inside));
    Error::Missing {
        message: format!("`{name}` of run `{run}` is a pipeline, which runs nothing itself"),
        help: format!("its tasks are {tasks}"),
    }
}

fn no_task(run: &RunId, name: &str, record: &PlanRecord) -> Error {
    let (task, _) = parts(name).unwrap_or((name, None));
    let pipelines = record.pipelines().iter().map(|pipeline| pipeline.name.as_str());
    let meant = nearest(task, pipelines.chain(record.task_names()));
    let meant = meant
        .filter(|meant| *meant != task)
        .map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
    let tasks = shortlist(task, record.task_names());
    Error::Missing {
        message: format!("run `{run}` has no task `{name}`"),
        help: format!(
            "{meant}its tasks are {tasks}; an element of a `for-each` task is `task[i]`, counted from 0"
        ),
    }
}

fn no_element(run: &RunId, (task, item): (&str, u64), elements: Elements) -> Error {
    let absent = format!("task `{task}` of run `{run}` has no element {item}");
    let (message, help) = match elements {
        Elements::None => (absent, format!("`{task}` is not a `for-each` task: it runs once, as `{task}`")),
        Elements::Known(count) => (absent, range(task, count)),
        Elements::Unknown => (
            format!("run `{run}` has no record of `{task}[{item}]`"),
            format!("the list of `{task}` is not complete; `show {run}` shows its progress"),
        ),
    };
    Error::Missing { message, help }
}

/// Converts a backend error; a missing run gets a hint to the right backend.
pub(crate) fn no_run(run: &RunId, error: crate::state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("there is no run `{run}` in this state backend"),
            help:
                "select the backend of the run by `--state URI` or CASCADE_STATE; `memory:` stores nothing \
                   beyond its process"
                    .to_owned(),
        },
        _ => Error::Backend(error), // all others are failures of the backend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_has_a_task_and_an_optional_index() {
        assert_eq!(parts("count[10]"), Some(("count", Some(10))));
        assert_eq!(parts("count"), Some(("count", None)));
        assert_eq!(parts("count[99999999999999999999]"), Some(("count", Some(u64::MAX))));
        for name in ["count[]", "count[-1]", "count[1", "count[1]]", "count[ 1]", "count[+1]"] {
            assert_eq!(parts(name), None, "{name}");
        }
        assert_eq!(stored_name("count[007]"), "count[7]");
        assert_eq!(stored_name("count[x]"), "count[x]");
    }
}
