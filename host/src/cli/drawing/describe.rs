//! What a manifest says of a task in few words: its call, and the keys that change how often it runs.
//! Values of arguments are not shown: they may be secret.

use crate::graph::{Expr, Graph, Node, Pipeline};
use crate::manifest::{Action, Task};
use crate::model::{Datum, Spanned};

/// Returns the call of a task: `words.count`, `std.concat`, `command tool`.
pub(crate) fn call(task: &Task) -> String {
    match task.action.as_ref().map(|action| &action.value) {
        Some(Action::Call(call)) => format!("{}.{}", call.component, call.function),
        Some(Action::Builtin(call)) => format!("std.{}", call.function),
        Some(Action::Command(command)) => format!("command {}", command.component),
        Some(Action::Manifest(included)) => included.written.clone(),
        None => String::new(),
    }
}

/// Returns the lines below the name of a task.
pub(crate) fn task_details(node: &Node, task: &Task) -> Vec<String> {
    let mut details = vec![call(task)];
    details.extend(for_each((&node.for_each, node.product)));
    details.extend(task.repeat.as_ref().map(|repeat| format!("repeat, at most {}", repeat.max)));
    let keys = [(!node.conditions.is_empty(), "when"), (task.is_finally, "finally")];
    let keys: Vec<&str> = keys.iter().filter(|(is_there, _)| *is_there).map(|(_, key)| *key).collect();
    details.extend((!keys.is_empty()).then(|| keys.join(", ")));
    details
}

/// Returns the lines below the name of a pipeline.
pub(crate) fn pipeline_details(pipeline: &Pipeline, graph: &Graph) -> Vec<String> {
    let tasks = match pipeline.tasks.len() {
        1 => "1 task".to_owned(),
        several => format!("{several} tasks"),
    };
    let written = graph.manifests().task(pipeline.place).map(|(_, task)| call(task)).unwrap_or_default();
    let mut details = vec![format!("{tasks} of {written}")];
    details.extend(for_each((&pipeline.for_each, pipeline.product)));
    details
}

/// Formats `for each chunk`, with the number of elements where the manifest says it.
fn for_each((lists, is_product): (&[(String, Spanned<Expr>)], bool)) -> Option<String> {
    let names: Vec<&str> = lists.iter().map(|(name, _)| name.as_str()).collect();
    let shown = format!("for each {}", names.join(if is_product { " × " } else { ", " }));
    let lengths: Option<Vec<usize>> = lists.iter().map(|(_, list)| length(&list.value)).collect();
    let count = lengths.and_then(|lengths| {
        let product = || lengths.iter().try_fold(1_usize, |all, length| all.checked_mul(*length));
        if is_product { product() } else { lengths.first().copied() }
    });
    let count = count.map(|count| format!(", {count} element{}", if count == 1 { "" } else { "s" }));
    (!lists.is_empty()).then(|| shown + &count.unwrap_or_default())
}

/// Returns the length of a list that the manifest itself has.
fn length(list: &Expr) -> Option<usize> {
    match list {
        Expr::Literal(Datum::Array(items)) => Some(items.len()),
        Expr::Array(items) => Some(items.len()),
        Expr::Range { from, to } => match (&from.value, &to.value) {
            (Expr::Literal(Datum::Int(from)), Expr::Literal(Datum::Int(to))) => {
                usize::try_from(to.saturating_sub(*from).max(0)).ok()
            }
            _ => None, // known only in a run
        },
        _ => None, // likewise
    }
}
