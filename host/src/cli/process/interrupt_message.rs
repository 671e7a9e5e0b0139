//! The interrupt messages: what a command did not finish when a signal ended it, and how to continue.
//! The message for a started run is in `resume`.

use crate::cli::args::Command;
use crate::cli::print::escape_control;
use crate::cli::process::resume::state_flag;
use crate::model::RunId;
use crate::state::Backend;
use std::collections::BTreeSet;
use std::path::Path;

/// Returns the message of a command that has not started a run.
pub(crate) fn interrupt_message(command: &Command) -> String {
    let during = |work: &str, path: &Path, then: &str| {
        format!(" while {work} `{}`: {then}", escape_control(&path.display().to_string()))
    };
    let again = "nothing was changed; run the command again";
    let rest = match command {
        Command::Run(run) if run.watch => return watching_ended(&run.scope.manifest),
        Command::Run(run) => return interrupted_before_run(&run.scope.manifest),
        Command::Check(check) => during("checking", &check.manifest, again),
        Command::Plan(plan) => during("planning", &plan.scope.manifest, again),
        Command::Graph(graph) => during("drawing", &graph.manifest, again),
        Command::Test(test) => during("testing", &test.manifest, "not all tests ran; run the command again"),
        Command::Inspect(inspect) => during("inspecting", &inspect.component, again),
        Command::New(new) => during("creating", &new.name, "remove what is there, and run the command again"),
        Command::Lock(lock) => {
            during("pinning", &lock.manifest, "some pins may be missing; run the command again")
        }
        Command::Bindings(bindings) => {
            during("writing bindings of", &bindings.wit, "some may be missing; run the command again")
        }
        Command::Wrap(wrap) => during("wrapping", &wrap.module, again),
        Command::Build(build) => {
            during("building", &build.manifest, "some components are not built; run the command again")
        }
        Command::Output(_)
        | Command::Runs(_)
        | Command::Resources(_)
        | Command::Show(_)
        | Command::Logs(_)
        | Command::Why(_)
        | Command::Report(_)
        | Command::Trace(_)
        | Command::Schema
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Watch(_)
        | Command::Help(_) => " before all output was printed; run the command again".to_owned(),
        Command::Cancel(_) => ": no run was cancelled; run the command again".to_owned(),
        Command::Rm(_) => ": no run was removed; run the command again".to_owned(),
        Command::Doctor(_) => {
            ": the checks did not finish, and prove nothing; run the command again".to_owned()
        }
    };
    format!("interrupted{rest}\n")
}

/// Returns the message of `watch` once its run is found. It names the id: `latest` may mean another run by then.
pub(crate) fn interrupted_watch(run: &RunId, typed: Option<&str>) -> String {
    let state = state_flag(typed);
    format!(
        "interrupted: run {run} is no longer watched, and continues. To stop it: cascade-host cancel {run}{state}\n"
    )
}

/// Returns the message of `cancel` once its run is found.
pub(crate) fn interrupted_cancel(run: &RunId, typed: Option<&str>) -> String {
    let state = state_flag(typed);
    format!(
        "interrupted: run {run} may or may not be cancelled. To find out: cascade-host show {run}{state}\n"
    )
}

/// Returns the message of `rm` once its runs are found.
pub(crate) fn interrupted_rm(runs: &BTreeSet<RunId>) -> String {
    let runs: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    format!("interrupted: some of {} may not be removed; run the command again\n", runs.join(", "))
}

/// Returns the message of `run` before its run is opened.
pub(crate) fn interrupted_before_run(manifest: &Path) -> String {
    let manifest = manifest.display().to_string();
    format!("interrupted before any task of `{}` ran: run the command again\n", escape_control(&manifest))
}

/// Returns the message of `run --watch`.
pub(crate) fn watching_ended(manifest: &Path) -> String {
    format!("stopped watching `{}`\n", escape_control(&manifest.display().to_string()))
}

/// Returns the message of `run` once its run has ended.
pub(crate) fn interrupted_after_run(run: &RunId, state: &dyn Backend, typed: Option<&str>) -> String {
    format!("interrupted: {}", outputs_not_printed(run, state, typed))
}

/// Returns the message for an ended run whose outputs are not all printed. `typed` is the value of `--state`.
pub(crate) fn outputs_not_printed(run: &RunId, state: &dyn Backend, typed: Option<&str>) -> String {
    let ended = format!("run {run} has ended, but its outputs are not all printed");
    if state.outlives_process() {
        format!("{ended}. To print its stored results: cascade-host output {run}{}\n", state_flag(typed))
    } else {
        format!("{ended}. They were kept in memory, and are lost\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use crate::state::{Factory, StateUri};
    use clap::Parser as _;

    #[test]
    fn every_command_has_a_one_line_interrupt_message() {
        for line in [
            "run m",
            "check m",
            "plan m",
            "graph m",
            "test m",
            "inspect c",
            "bindings --lang c w",
            "wrap m -o t",
            "build m",
            "lock m",
            "output r",
            "runs",
            "resources",
            "show r",
        ]
        .into_iter()
        .chain([
            "logs r t",
            "watch r",
            "cancel r",
            "rm r s",
            "doctor",
            "schema",
            "completions zsh",
            "man",
            "help",
        ]) {
            let words = std::iter::once("cascade-host").chain(line.split(' '));
            let arguments = Arguments::try_parse_from(words).unwrap();
            let message = interrupt_message(&arguments.command);
            assert!(message.starts_with("interrupted") && message.lines().count() == 1, "{message}");
        }
    }

    #[test]
    fn message_after_a_run_says_whether_its_results_are_kept() {
        for (uri, said) in
            [("memory:", "are lost"), ("redis://h", "cascade-host output r1 --state redis://h")]
        {
            let state = Factory::new().backend(&StateUri::parse(uri).unwrap()).unwrap();
            let message = interrupted_after_run(&RunId::new("r1").unwrap(), state.as_ref(), Some(uri));
            assert!(message.contains(said), "{message}");
        }
    }
}
