//! One manifest with its names resolved, as often as it is included: references are to its own tasks and params.
//! `inline` makes the nodes of each inclusion from it.

use crate::graph::draft::{Draft, Output};
use crate::graph::names::Names;
use crate::graph::{Expr, cut, cycle, draft, suppliers, uses};
use crate::manifest::{Manifest, Part};
use crate::model::{Fault, Name, Path, Spanned, TaskIdx};

/// A manifest with its names resolved.
pub(crate) struct Template {
    /// Its tasks, without cycles among them.
    pub(crate) drafts: Vec<Draft>,
    /// Its outputs: those of `[outputs]`, or every task that no task consumes.
    pub(crate) outputs: Vec<Output>,
}

/// Resolves the names of the manifest at a position, and reports its faults.
pub(crate) fn template(part: &Part, position: usize, faults: &mut Vec<Fault>) -> Template {
    let Part { manifest, left_out, .. } = part;
    if manifest.first_finally() == 0 && left_out.tasks.is_empty() && !left_out.is_unread("tasks") {
        faults.push(without_tasks(manifest, position));
    }
    let mut names = Names::new(manifest, left_out);
    let mut drafts = draft::tasks(&mut names, position);
    let outputs = draft::outputs(&mut names);
    let suppliers = suppliers::suppliers(&mut names);
    faults.extend(names.into_faults());
    faults.extend(cycle::among_components(manifest, &suppliers).faults);
    let cycles = cycle::among_tasks(manifest.tasks.keys().map(Name::as_str), &drafts, |task| {
        part.included.get(task).copied().flatten().is_none()
    });
    faults.extend(cycles.faults);
    cut::cut(&mut drafts, &cycles.components);
    let outputs = if manifest.outputs.is_some() { outputs } else { unconsumed(manifest, &drafts) };
    Template { drafts, outputs }
}

fn without_tasks(manifest: &Manifest, position: usize) -> Fault {
    let help = "write a header `[tasks.NAME]` and below it `call = \"component.function\"`";
    let message = "a manifest has at least one task";
    match manifest.sources.start(position).filter(|_| position > 0) {
        Some(start) => Fault::spanned(start..start, message).help(help),
        None => Fault::of_file(message).help(help),
    }
}

/// Returns the outputs of a manifest without `[outputs]`: every task that no task consumes.
fn unconsumed(manifest: &Manifest, drafts: &[Draft]) -> Vec<Output> {
    let mut is_consumed = vec![false; drafts.len()];
    // Tasks of `[finally]` tell of the run, and its results are the same without them.
    let first_finally = manifest.first_finally();
    for (own, draft) in drafts.iter().enumerate().take(first_finally) {
        let mut consume = |task: TaskIdx| {
            // A pipeline may read itself, and is no less an output.
            let slot = is_consumed.get_mut(task.index()).filter(|_| task.index() != own);
            slot.into_iter().for_each(|slot| *slot = true);
        };
        draft.body.values().for_each(|value| uses::each_task(value, &mut consume));
    }
    (0..)
        .map(TaskIdx::new)
        .zip(&manifest.tasks)
        .zip(is_consumed)
        .take(first_finally)
        .filter(|(_, is_consumed)| !*is_consumed)
        .map(|((task, (name, written)), _)| {
            let expr = Expr::Task { task, path: Path::root(), default: None };
            (name.to_string(), Spanned::new(expr, written.span.clone()))
        })
        .collect()
}
