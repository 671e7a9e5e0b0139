//! Names of tasks and elements that users give: whether a stored run has them, and if not, what it has.
//! What is stored of them is for `archive` and `stored`.

use crate::app::Error;
use crate::model::{RunId, nearest, shortlist};
use crate::plan::PlanRecord;
use crate::state;
use crate::state::{Backend, End, ErrorKind, NodeView};
use crate::value::wire::Reader;

/// A task or an element of a stored run.
pub(crate) struct Found {
    /// What is stored of it.
    pub(crate) view: NodeView,
    /// How many elements it has, where it is a `for-each` whose list is complete.
    pub(crate) elements: Option<usize>,
}

/// `task` or `task[i]` as it is stored; a name of another form as it is.
pub(crate) fn stored_name(name: &str) -> String {
    match parts(name) {
        Some((task, Some(item))) => format!("{task}[{item}]"),
        Some((_, None)) | None => name.to_owned(),
    }
}

/// What a stored run has under a name, in the form of [`stored_name`]; where there is nothing, that is the error.
pub(crate) async fn find(backend: &dyn Backend, run: &RunId, name: &str) -> Result<Found, Error> {
    let record =
        plan_record(backend, run, "Look at it with the version of cascade-host that made it.").await?;
    let known = |task: &str| record.task_names().any(|known| known == task);
    let Some((task, item)) = parts(name).filter(|(task, _)| known(task)) else {
        return Err(no_task(run, name, &record));
    };
    let views = backend.nodes(run, &[name.to_owned()]).await.map_err(|error| no_run(run, error))?;
    let view = views.into_iter().next().unwrap_or(NodeView { end: End::Open, note: None });
    let is_begun = view.end != End::Open || view.note.is_some();
    if item.is_some() && is_begun {
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

/// How many elements a task has.
#[derive(Clone, Copy)]
enum Elements {
    /// It is no `for-each`.
    None,
    /// Its list is complete, and has so many.
    Known(usize),
    /// Its list is not complete.
    Unknown,
}

/// The stored plan of a run.
pub(crate) async fn plan_record(backend: &dyn Backend, run: &RunId, help: &str) -> Result<PlanRecord, Error> {
    let record = backend.record(run).await.map_err(|error| no_run(run, error))?;
    PlanRecord::decode(&record).ok_or_else(|| {
        let doing = format!("reading the plan of run `{run}`, which is damaged or of a later version");
        state::Error::new(ErrorKind::Damaged, doing).hint(help).into()
    })
}

/// The names of the first and the last of so many elements, in words.
pub(crate) fn range(task: &str, count: usize) -> String {
    match count {
        0 => format!("`{task}` has run over an empty list, and has no elements"),
        1 => format!("`{task}` has one element, `{task}[0]`"),
        _ => format!("`{task}` has {count} elements, `{task}[0]` to `{task}[{}]`", count - 1),
    }
}

/// A task and maybe an element of it; none for what no node can be called.
fn parts(name: &str) -> Option<(&str, Option<u64>)> {
    let Some((task, rest)) = name.split_once('[') else {
        return Some((name, None));
    };
    let digits = rest.strip_suffix(']')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    // No list is as long as the largest of these numbers.
    is_number.then(|| (task, Some(digits.parse().unwrap_or(u64::MAX))))
}

/// How many elements a `for-each` has.
async fn elements(backend: &dyn Backend, run: &RunId, task: &str) -> Result<Elements, Error> {
    let list = backend.results(run, &[task.to_owned()]).await.map_err(|error| no_run(run, error))?;
    let count = list.into_iter().next().flatten().and_then(|list| Reader::new(&list).array_len().ok());
    Ok(count.map_or(Elements::Unknown, Elements::Known))
}

fn no_task(run: &RunId, name: &str, record: &PlanRecord) -> Error {
    let (task, _) = parts(name).unwrap_or((name, None));
    let meant = nearest(task, record.task_names());
    let meant = meant
        .filter(|meant| *meant != task)
        .map_or_else(String::new, |meant| format!("did you mean `{meant}`? "));
    let tasks = shortlist(task, record.task_names());
    Error::Missing {
        message: format!("run `{run}` has no task `{name}`"),
        help: format!("{meant}its tasks are {tasks}; an element of a for-each is `task[i]`, counted from 0"),
    }
}

fn no_element(run: &RunId, (task, item): (&str, u64), elements: Elements) -> Error {
    let absent = format!("task `{task}` of run `{run}` has no element {item}");
    let (message, help) = match elements {
        Elements::None => (absent, format!("`{task}` is no `for-each`: it runs once, as `{task}`")),
        Elements::Known(count) => (absent, range(task, count)),
        Elements::Unknown => (
            format!("nothing has happened to `{task}[{item}]` of run `{run}`, as far as is known"),
            format!("`show {run}` says how far `{task}` has come: its list is not complete"),
        ),
    };
    Error::Missing { message, help }
}

pub(crate) fn no_run(run: &RunId, error: crate::state::Error) -> Error {
    match error.kind {
        ErrorKind::NoRun => Error::Missing {
            message: format!("there is no run `{run}` in this state backend"),
            help: "give the backend that the run was made with by `--state URI` or CASCADE_STATE; \
                   `memory:` keeps nothing once its process has ended"
                .to_owned(),
        },
        _ => Error::Backend(error), // all others are failures of the backend
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_task_and_maybe_a_number() {
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
