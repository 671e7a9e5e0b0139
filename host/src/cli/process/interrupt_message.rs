//! The interrupt messages: what a command left undone when a signal ended it, and how to go on.
//! The message for a run that was begun is in `resume`.

use crate::cli::args::Command;
use crate::cli::print::harmless;
use crate::cli::process::resume::state_flag;
use crate::model::RunId;
use crate::state::StateUri;
use std::path::Path;

/// Returns the message of a command before it has begun a run.
pub(crate) fn farewell(command: &Command) -> String {
    let undone = |what: &str, path: &Path, then: &str| {
        format!("{what} `{}`: {then}", harmless(&path.display().to_string()))
    };
    let again = "nothing was changed; give the command again";
    let said = match command {
        Command::Run(run) => return before_run(&run.scope.manifest),
        Command::Check(check) => undone(" while checking", &check.manifest, again),
        Command::Plan(plan) => undone(" while planning", &plan.scope.manifest, again),
        Command::Inspect(inspect) => undone(" while inspecting", &inspect.component, again),
        Command::Build(build) => {
            undone(" while building", &build.manifest, "not all is built; give the command again")
        }
        Command::Output(_) | Command::Runs(_) | Command::Show(_) | Command::Logs(_) | Command::Help(_) => {
            " before all was shown; give the command again".to_owned()
        }
        Command::Watch(watch) => {
            format!(
                ": run {run} is no longer watched, which changes nothing for it; to stop it: cascade-host cancel {run}{}",
                state_flag(watch.backend.state.as_deref()),
                run = watch.run
            )
        }
        Command::Cancel(cancel) => {
            format!(
                ": run {run} may be cancelled or not: cascade-host show {run}{}",
                state_flag(cancel.backend.state.as_deref()),
                run = cancel.run
            )
        }
        Command::Rm(rm) => {
            let runs: Vec<&str> = rm.runs.iter().map(RunId::as_str).collect();
            format!(": of {}, not all may be removed; give the command again", runs.join(", "))
        }
        Command::Doctor(_) => {
            ": the examination has not ended, and proves nothing; give the command again".to_owned()
        }
    };
    format!("interrupted{said}\n")
}

/// Returns the message of `run` before its run was opened.
pub(crate) fn before_run(manifest: &Path) -> String {
    let manifest = manifest.display().to_string();
    format!("interrupted before anything was run of `{}`: give the command again\n", harmless(&manifest))
}

/// Returns the message of `run` once its run has ended.
pub(crate) fn after_run(run: &RunId, state: &StateUri, typed: Option<&str>) -> String {
    format!("interrupted: {}", unprinted(run, state, typed))
}

/// Returns the message for a run that has ended with outputs not yet printed. `typed` is the value of `--state`.
pub(crate) fn unprinted(run: &RunId, state: &StateUri, typed: Option<&str>) -> String {
    let ended = format!("run {run} has ended, and its outputs are not all printed");
    match state {
        StateUri::Memory => format!("{ended}; they were kept in memory and are gone\n"),
        StateUri::Redis(_) => {
            format!("{ended}; what it stored: cascade-host output {run}{}\n", state_flag(typed))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::Parser as _;

    #[test]
    fn every_command_says_one_line_when_it_is_left() {
        for line in ["run m", "check m", "plan m", "inspect c", "build m", "output r", "runs", "show r"]
            .into_iter()
            .chain(["logs r t", "watch r", "cancel r", "rm r s", "doctor", "help"])
        {
            let words = std::iter::once("cascade-host").chain(line.split(' '));
            let arguments = Arguments::try_parse_from(words).unwrap();
            let said = farewell(&arguments.command);
            assert!(said.starts_with("interrupted") && said.lines().count() == 1, "{said}");
        }
    }
}
