//! Words that complete an argument: tasks, params and outputs of the manifest on the line, and runs of the state backend.
//! `args` says which argument takes which; whatever cannot be read gives no words.

use crate::app;
use crate::app::{Backends, RunDetails};
use crate::cli::console::Console;
use crate::cli::process::wait_for;
use crate::config::{Environment, Overrides, Settings, SettingsFile, arguments};
use crate::graph::Graph;
use crate::manifest::BackendSection;
use crate::model::RunId;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

/// Maximum number of runs to offer.
const MAX_RUNS: usize = 50;

/// Maximum time that a state backend may take. A person is waiting in the middle of a line.
const MAX_WAIT: Duration = Duration::from_millis(1500);

/// Completes the id of a stored run.
pub(crate) fn runs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| starting_with(current, stored_runs()))
}

/// Completes a task of the manifest on the line.
pub(crate) fn tasks() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let (done, last) = split_at_comma(current);
        let names = of_manifest(task_names).into_iter().filter(|name| name.starts_with(last));
        names.map(|name| CompletionCandidate::new(format!("{done}{name}"))).collect()
    })
}

/// Completes a task of the run on the line.
pub(crate) fn tasks_of_run() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| starting_with(current, tasks_of_stored_run()))
}

/// Completes a param of the manifest on the line, with its `=`.
pub(crate) fn params() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = |graph: &Graph| -> Vec<String> {
            graph.manifests().root().params.keys().map(|name| format!("{name}=")).collect()
        };
        starting_with(current, of_manifest(names))
    })
}

/// Completes an output of the manifest on the line.
pub(crate) fn outputs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names = |graph: &Graph| graph.outputs().iter().map(|(name, _)| name.clone()).collect();
        starting_with(current, of_manifest(names))
    })
}

/// Completes a test of the manifest on the line.
pub(crate) fn tests() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let names =
            |graph: &Graph| graph.manifests().root().tests.iter().map(|test| test.name.clone()).collect();
        starting_with(current, of_manifest(names))
    })
}

fn starting_with(current: &OsStr, names: Vec<String>) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    let names = names.into_iter().filter(|name| name.starts_with(current));
    names.map(CompletionCandidate::new).collect()
}

/// Splits `a,b` into `a,` and `b`: lists of tasks may be separated by commas.
fn split_at_comma(current: &OsStr) -> (&str, &str) {
    let current = current.to_str().unwrap_or_default();
    current.split_at(current.rfind(',').map_or(0, |comma| comma + 1))
}

/// Returns the words of the line that is being typed.
fn words() -> impl Iterator<Item = String> {
    arguments().skip_while(|word| word != "--").skip(1).filter_map(|word| word.into_string().ok())
}

/// Returns names of the manifest on the line: the first word that is a file with such a name.
fn of_manifest(names: impl Fn(&Graph) -> Vec<String>) -> Vec<String> {
    let is_toml = |word: &String| Path::new(word).extension().is_some_and(|end| end == "toml");
    let is_manifest = |word: &String| is_toml(word) && Path::new(word).is_file();
    let read = words().find(is_manifest).and_then(|path| app::read(Path::new(&path)).ok());
    // A manifest with faults has names, too.
    read.map(|resolved| names(&resolved.graph)).unwrap_or_default()
}

/// Returns the names of tasks and pipelines.
fn task_names(graph: &Graph) -> Vec<String> {
    let tasks = graph.nodes().iter().map(|node| node.name.to_string());
    tasks.chain(graph.pipelines().iter().map(|pipeline| pipeline.name.to_string())).collect()
}

fn stored_runs() -> Vec<String> {
    with_state(|backend| {
        Box::pin(async {
            let runs = app::list_runs(backend, MAX_RUNS).await?;
            Ok(runs.into_iter().map(|run| run.run.to_string()).collect())
        })
    })
}

/// Returns the tasks of the run that follows the command on the line.
fn tasks_of_stored_run() -> Vec<String> {
    let run = words().skip(2).find(|word| !word.starts_with('-')).and_then(|word| RunId::new(&word).ok());
    let Some(run) = run else { return Vec::new() };
    with_state(|backend| {
        Box::pin(async move {
            let RunDetails { nodes, .. } = app::read_run(backend, &run).await?;
            Ok(nodes.into_iter().map(|task| task.name).collect())
        })
    })
}

/// The names that a state backend is asked for.
type Answer<'b> = std::pin::Pin<Box<dyn Future<Output = Result<Vec<String>, app::Error>> + 'b>>;

/// Asks the state backend of the line, of the environment or of the settings; a slow one gives no names.
fn with_state(ask: impl for<'b> FnOnce(&'b dyn crate::state::Backend) -> Answer<'b>) -> Vec<String> {
    let names = || {
        let environment = Environment::of_process();
        let file = SettingsFile::read(None, &environment)?;
        let overrides = Overrides { state: flag("--state"), ..Overrides::default() };
        let settings = Settings::new(&overrides, &environment, &file)?;
        let state = Backends::default().state(&settings, &BackendSection::default(), &environment)?;
        let backend = state.backend.as_ref();
        if !backend.outlives_process() {
            return Ok(Vec::new());
        }
        let bounded =
            async { tokio::time::timeout(MAX_WAIT, ask(backend)).await.unwrap_or_else(|_| Ok(Vec::new())) };
        wait_for(&Console::default(), backend, bounded)
    };
    names().unwrap_or_else(|_: app::Error| Vec::new())
}

/// Returns the value of a flag on the line.
fn flag(name: &str) -> Option<String> {
    let mut words = words();
    while let Some(word) = words.next() {
        if word == name {
            return words.next();
        }
        if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_completed_after_their_last_comma() {
        for (current, parts) in [("", ("", "")), ("a", ("", "a")), ("a,b", ("a,", "b")), ("a,", ("a,", ""))] {
            assert_eq!(split_at_comma(OsStr::new(current)), parts);
        }
    }
}
