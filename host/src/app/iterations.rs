//! Counts the stored iterations of a node, of which a backend has names only, and explains which are missing.
//! `archive` shows the counts.

use crate::app::Error;
use crate::app::name_fault;
use crate::app::node_name::{Named, Names, no_run};
use crate::manifest::MAX_ITERATIONS;
use crate::model::RunId;
use crate::state;
use crate::state::{Backend, End, NodeId};

/// Number of names to ask for in one request.
const PROBES: u32 = 32;

/// Returns the number of stored iterations of a node. They have no gaps, so a few requests find the last one.
pub(crate) async fn count_iterations(
    backend: &dyn Backend,
    run: &RunId,
    node: &str,
) -> Result<u32, state::Error> {
    // All below `low` are stored, and none from `high` on.
    let (mut low, mut high) = (0, MAX_ITERATIONS);
    while low < high {
        let step = (high - low).div_ceil(PROBES);
        let probes: Vec<u32> =
            (1..=PROBES).map(|probe| low + probe * step - 1).filter(|at| *at < high).collect();
        let names: Vec<String> = probes.iter().map(|at| format!("{node}@{at}")).collect();
        let views = backend.nodes(run, &names).await?;
        for (at, view) in probes.into_iter().zip(views) {
            match view.end {
                End::Done { .. } => low = low.max(at + 1),
                End::Open | End::Skipped(_) | End::Failed(_) => high = high.min(at),
            }
        }
    }
    Ok(low)
}

/// Returns the error of an iteration that is not stored. Fails if there is no such node.
pub(crate) async fn missing(names: &Names<'_>, name: &str, iteration: u32) -> Result<Error, Error> {
    let run = names.run;
    let node = match names.resolve(name).await? {
        Named::Node(node) => node,
        Named::Pipeline { pipeline, at } => {
            names.check_pipeline(pipeline, &at, name).await?;
            return Ok(name_fault::is_pipeline(run, name, &names.tasks_in(pipeline, &at)));
        }
    };
    let indexed = names.record.indexed(node.task);
    let task = names.node_name(NodeId::of_task(node.task));
    let (repeats, is_whole) = (names.record.max_iterations(&task).is_some(), node.at.level() < indexed.len());
    if repeats && is_whole {
        return names.per_element(&format!("{name}@{iteration}"), (&task, &indexed), node.at.level()).await;
    }
    drop(names.find(node, name).await?);
    let message = format!("run `{run}` has no iteration {iteration} of `{name}`");
    if !repeats {
        let form = name_fault::form(&task, &indexed);
        let per = if is_whole { "once per element" } else { "once" };
        let form = if is_whole { form } else { name.to_owned() };
        let help = format!("`{task}` does not repeat: it runs {per}, as `{form}`");
        return Ok(Error::Missing { message, help });
    }
    let stored = count_iterations(names.backend, run, name).await.map_err(|error| no_run(run, error))?;
    let help = match stored {
        0 => format!("no iteration of `{name}` is stored; `show {run}` shows its progress"),
        1 => format!("one iteration of `{name}` is stored, `{name}@0`"),
        _ => format!("{stored} iterations of `{name}` are stored, `{name}@0` to `{name}@{}`", stored - 1),
    };
    Ok(Error::Missing { message, help })
}
