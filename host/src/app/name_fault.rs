//! Errors of names that stand for nothing in a stored run, each with the names that do.
//! `node_name` finds the mistake.

use crate::app::Error;
use crate::model::{IndexFault, RunId, TaskName, nearest, shortlist};
use crate::plan::PlanRecord;
use crate::state::{split_iteration_name, split_node_name};
use std::cmp::Reverse;

/// Returns the error of a name that is neither a task nor a pipeline.
pub(crate) fn unknown(run: &RunId, record: &PlanRecord, name: &str) -> Error {
    let bare = TaskName::of_node(name).map(|node| node.without_indexes().to_string());
    let bare = bare.unwrap_or_else(|| name.split('[').next().unwrap_or_default().to_owned());
    let pipelines = record.pipelines().iter().map(|pipeline| pipeline.name.as_str());
    let meant = nearest(&bare, pipelines.chain(record.task_names())).filter(|meant| *meant != bare);
    let meant = meant.map_or_else(String::new, |meant| {
        format!("did you mean `{}`? ", with_indexes_of(meant, name, record))
    });
    let tasks = shortlist(&bare, record.task_names());
    let mut help = format!("{meant}its tasks are {tasks}; {ELEMENT}");
    let all = record.task_names().filter_map(|task| Some((task, record.indexed(record.task(task)?))));
    let nested = all.filter(|(task, indexed)| indexed.first().is_some_and(|at| *at < segment_count(task)));
    if let Some((task, indexed)) = nested.min_by_key(|(_, indexed)| Reverse(indexed.len())) {
        help.push_str(&format!(", and a node of `{task}` is `{}`", form(task, &indexed)));
    }
    Error::Missing { message: format!("run `{run}` has no task `{name}`"), help }
}

/// Returns the error of a name with a number that is no index.
pub(crate) fn no_index(run: &RunId, name: &str, fault: &IndexFault) -> Error {
    Error::Missing {
        message: format!("run `{run}` has no element `{name}`: {fault}"),
        help: ELEMENT.to_owned(),
    }
}

/// How elements of tasks are named.
const ELEMENT: &str = "an element of a `for-each` task is `task[i]`, counted from 0";

/// Returns a name with the indexes of another one, if they have a place in it.
fn with_indexes_of(meant: &str, written: &str, record: &PlanRecord) -> String {
    let places = record.task(meant).map_or_else(Vec::new, |task| record.indexed(task));
    let given = split_node_name(written).map_or_else(Vec::new, |(_, indexes)| indexes);
    let fits = given.len() <= places.len() && given.iter().zip(&places).all(|((at, _), place)| at == place);
    let name = TaskName::new(meant).ok().filter(|_| fits);
    name.map_or_else(|| meant.to_owned(), |name| name.with_indexes(&mut given.into_iter()).to_string())
}

/// Returns the error of a pipeline where a task is asked for.
pub(crate) fn is_pipeline(run: &RunId, name: &str, tasks: &[String]) -> Error {
    let shown = shortlist(name, tasks.iter().map(String::as_str));
    Error::Missing {
        message: format!("`{name}` of run `{run}` is a pipeline, which runs nothing itself"),
        help: format!("its tasks are {shown}"),
    }
}

/// Returns the error of a name with an index where none belongs.
pub(crate) fn superfluous(run: &RunId, name: &str, (bare, indexed): (&str, &[u8])) -> Error {
    let is_for_each = indexed.last() == Some(&segment_count(bare));
    let nature = if is_for_each { "" } else { " is not a `for-each` task: it" };
    let per = match indexed.iter().rfind(|place| **place < segment_count(bare)) {
        Some(place) => format!(" once per element of `{}`", segments(bare, *place)),
        None if is_for_each => " once per element".to_owned(),
        None => " once".to_owned(),
    };
    Error::Missing {
        message: format!("run `{run}` has no element `{name}`"),
        help: format!("`{bare}`{nature} runs{per}, as `{}`", form(bare, indexed)),
    }
}

/// Returns the error of a name without an index that it needs behind `around`. `known` is the name of what has elements
/// there, and their number.
pub(crate) fn per_element(
    run: &RunId,
    name: &str,
    (bare, indexed, around): (&str, &[u8], &str),
    known: Option<(String, usize)>,
) -> Error {
    let known = known.map_or_else(String::new, |(of, count)| format!("; {}", range(&of, count)));
    let iteration = split_iteration_name(name).map_or_else(String::new, |(_, number)| format!("@{number}"));
    Error::Missing {
        message: format!("`{name}` of run `{run}` runs once per element of `{around}`"),
        help: format!("name one, as `{}{iteration}`{known}", form(bare, indexed)),
    }
}

/// Returns the error of a pipeline whose outputs cannot be put together.
pub(crate) fn without_outputs(run: &RunId, name: &str, reason: &str) -> Error {
    Error::Missing {
        message: format!("the pipeline `{name}` of run `{run}` has no outputs to show: {reason}"),
        help: format!("`cascade-host output {run}` shows the results of its tasks"),
    }
}

/// Returns the error of an index beyond the last element.
pub(crate) fn out_of_range(run: &RunId, name: &str, range: &str) -> Error {
    Error::Missing { message: format!("run `{run}` has no element `{name}`"), help: range.to_owned() }
}

/// Returns the error of an element of `of`, whose elements are not all known.
pub(crate) fn not_yet(run: &RunId, name: &str, of: &str) -> Error {
    Error::Missing {
        message: format!("run `{run}` has no record of `{name}`"),
        help: format!("the list of `{of}` is not complete; `show {run}` shows its progress"),
    }
}

/// Returns the error of an element of `of` that cannot run again, because it is not known to have run.
pub(crate) fn not_computed(run: &RunId, name: &str, of: &str) -> Error {
    Error::Missing {
        message: format!("run `{run}` has no record of `{name}`, so it cannot run again"),
        help: format!(
            "the list of `{of}` is not complete; without `--rerun {name}` the run computes all elements that have no result"
        ),
    }
}

/// Describes elements: their number, and the first and last name.
pub(crate) fn range(of: &str, count: usize) -> String {
    match count {
        0 => format!("`{of}` ran over an empty list and has no elements"),
        1 => format!("`{of}` has one element, `{of}[0]`"),
        _ => format!("`{of}` has {count} elements, `{of}[0]` to `{of}[{}]`", count - 1),
    }
}

/// Returns the form of a name: `clean[i]/count[i]`.
pub(crate) fn form(bare: &str, indexed: &[u8]) -> String {
    let mut form = String::new();
    for (before, segment) in (1_u8..).zip(bare.split(TaskName::SEPARATOR)) {
        if before > 1 {
            form.push(TaskName::SEPARATOR);
        }
        form.push_str(segment);
        if indexed.contains(&before) {
            form.push_str("[i]");
        }
    }
    form
}

/// Returns the first segments of a name.
pub(crate) fn segments(name: &str, count: u8) -> &str {
    let end = name.match_indices(TaskName::SEPARATOR).nth(usize::from(count.saturating_sub(1)));
    end.and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

/// Returns the number of segments of a name.
pub(crate) fn segment_count(name: &str) -> u8 {
    u8::try_from(name.split(TaskName::SEPARATOR).count()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `clean/twice` with elements of its own in those of `clean`.
    const TWICE: (&str, &[u8]) = ("clean/twice", &[1, 2]);
    const SUM: (&str, &[u8]) = ("clean/sum", &[1]);

    fn text(error: Error) -> String {
        match error {
            Error::Missing { message, help } => format!("{message}; {help}"),
            other => panic!("{other:?}"),
        }
    }

    fn run() -> RunId {
        RunId::new("r1").unwrap()
    }

    #[test]
    fn forms_have_an_index_behind_each_segment_with_elements() {
        for (bare, indexed, expected) in [
            ("count", &[][..], "count"),
            ("count", &[1], "count[i]"),
            ("clean/twice", &[1, 2], "clean[i]/twice[i]"),
            ("a/b/c/d", &[1, 3], "a[i]/b/c[i]/d"),
        ] {
            assert_eq!(form(bare, indexed), expected);
        }
        assert_eq!(["a/b/c"; 4].map(|name| segments(name, 2)), ["a/b"; 4]);
        assert_eq!((segments("a/b", 1), segments("a/b", 2), segments("a/b", 9)), ("a", "a/b", "a/b"));
        assert_eq!((segment_count("a"), segment_count("a/b/c")), (1, 3));
    }

    #[test]
    fn superfluous_indexes_say_how_often_the_task_runs() {
        let says = |name: &str, task, help: &str| {
            let text = text(superfluous(&run(), name, task));
            assert_eq!(text, format!("run `r1` has no element `{name}`; {help}"));
        };
        says("quiet[0]", ("quiet", &[]), "`quiet` is not a `for-each` task: it runs once, as `quiet`");
        says("each[0][1]", ("each", &[1]), "`each` runs once per element, as `each[i]`");
        says(
            "clean[1]/sum[2]",
            SUM,
            "`clean/sum` is not a `for-each` task: it runs once per element of `clean`, as `clean[i]/sum`",
        );
        says(
            "clean[1]/twice[2][3]",
            TWICE,
            "`clean/twice` runs once per element of `clean`, as `clean[i]/twice[i]`",
        );
    }

    #[test]
    fn missing_indexes_say_where_they_belong_and_how_many_there_are() {
        let says = |known, help: &str| {
            let text = text(per_element(&run(), "clean/twice[1]", (TWICE.0, TWICE.1, "clean"), known));
            let message = "`clean/twice[1]` of run `r1` runs once per element of `clean`";
            assert_eq!(text, format!("{message}; name one, as `clean[i]/twice[i]`{help}"));
        };
        says(None, "");
        says(Some(("clean".to_owned(), 0)), "; `clean` ran over an empty list and has no elements");
        says(Some(("clean".to_owned(), 1)), "; `clean` has one element, `clean[0]`");
        says(Some(("clean".to_owned(), 3)), "; `clean` has 3 elements, `clean[0]` to `clean[2]`");
    }
}
