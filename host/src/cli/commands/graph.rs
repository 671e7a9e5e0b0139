//! `graph`: draws the graph of a manifest, with the states of a stored run if one is named.
//! It needs no component: nothing is compiled. The drawing is in `drawing`.

use crate::app;
use crate::app::{Backends, Error, Refusal, RunReference};
use crate::cli::args::GraphArguments;
use crate::cli::commands::output::{print, print_json};
use crate::cli::context::Context;
use crate::cli::drawing::{Detail, Drawn, GraphJson, RunStates, draw};
use crate::cli::graph_format::GraphFormat;
use crate::cli::process::{Exit, wait_for};
use crate::graph::{Graph, Resolved};
use crate::model::Random;

/// Maximum number of tasks that a note names.
const MAX_NAMED: usize = 5;

/// Draws the graph, to stdout or a file.
pub(crate) fn graph(ctx: &Context, arguments: &GraphArguments) -> Result<Exit, Error> {
    let Resolved { graph, faults } = app::read(&arguments.manifest)?;
    if !faults.is_empty() {
        return Err(faults.into());
    }
    let format = GraphFormat::choose(arguments.format, arguments.out.as_deref())?;
    let states = arguments.run.as_ref().map(|run| states(ctx, &graph, run)).transpose()?;
    let text = match format {
        GraphFormat::Json => {
            let json = GraphJson::new(&graph, states.as_ref()).to_text();
            json.map_err(|error| Refusal::new("cannot write the graph as JSON").caused_by(error))?
        }
        GraphFormat::Mermaid | GraphFormat::Dot | GraphFormat::Svg => {
            let detail = if arguments.expand { Detail::Tasks } else { Detail::Pipelines };
            let Drawn { picture, joined } = draw(&graph, states.as_ref(), detail);
            if let Some(tasks) = joined {
                ctx.console.note("joined", &joined_note(tasks, picture.boxes.len()));
            }
            match format {
                GraphFormat::Dot => picture.to_dot(),
                GraphFormat::Svg => picture.to_svg(),
                GraphFormat::Mermaid | GraphFormat::Json => picture.to_mermaid(),
            }
        }
    };
    match &arguments.out {
        Some(out) => {
            app::write_file(out, text.as_bytes(), &mut Random::from_system())?;
            ctx.console.note("drawn", &format!("wrote {}", out.display()));
            Ok(Exit::Success)
        }
        None if format == GraphFormat::Json => print_json(text.as_bytes()),
        None => print(text.as_bytes()),
    }
}

fn joined_note(tasks: usize, boxes: usize) -> String {
    format!(
        "{tasks} tasks are too many to draw: tasks that play the same part share one of {boxes} boxes; \
         `--format json` has all of them"
    )
}

/// Reads the states of a run, and says which tasks only the run or only the manifest has.
fn states(ctx: &Context, graph: &Graph, run: &RunReference) -> Result<RunStates, Error> {
    let written = &graph.manifests().root().state;
    let state = Backends::default().state(&ctx.settings, written, &ctx.environment)?;
    let backend = state.backend.as_ref();
    let (run, details) = wait_for(&ctx.console, backend, async {
        let run = app::find_run(backend, run).await?;
        let details = app::read_run(backend, &run).await?;
        Ok((run, details))
    })?;
    let states = RunStates::new(&details);
    let nodes = graph.nodes().iter();
    let new: Vec<String> = nodes
        .clone()
        .filter(|node| states.of(&node.name).is_none())
        .map(|node| node.name.to_string())
        .collect();
    let gone = states.others(nodes.map(|node| node.name.as_str()));
    for (tasks, what) in [(new, "does not have"), (gone, "has besides")] {
        if let Some(named) = named(&tasks) {
            ctx.console
                .warn("other-plan", &format!("run `{run}` was of another manifest: it {what} {named}"));
        }
    }
    Ok(states)
}

/// Formats `a, b and 3 more`; none for no tasks.
fn named(tasks: &[String]) -> Option<String> {
    let shown: Vec<String> = tasks.iter().take(MAX_NAMED).map(|task| format!("`{task}`")).collect();
    let more = tasks.len().saturating_sub(MAX_NAMED);
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!tasks.is_empty()).then(|| shown.join(", ") + &rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let tasks: Vec<String> = (0..7).map(|task| format!("t{task}")).collect();
        assert_eq!(named(&tasks).unwrap(), "`t0`, `t1`, `t2`, `t3`, `t4` and 2 more");
        assert_eq!(named(&tasks[..1]).unwrap(), "`t0`");
        assert_eq!(named(&[]), None);
    }
}
