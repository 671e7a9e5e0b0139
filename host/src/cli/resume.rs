//! What to type to go on with a run that has not succeeded.
//! Shown on stderr, after everything else.

use crate::cli::args::RunArguments;
use crate::cli::exit::Exit;
use crate::model::RunId;
use crate::state::StateUri;

/// A sentence with the command that resumes, or with what to set so that there is one.
pub(crate) fn how_to_resume(exit: Exit, arguments: &RunArguments, run: &RunId, state: &StateUri) -> String {
    let what = if exit == Exit::Interrupted { "interrupted" } else { "failed" };
    if *state == StateUri::Memory {
        return format!(
            "run {run} {what}; its results were kept in memory and are gone. To be able to resume, keep them in \
             Redis: --state redis://HOST:6379, or CASCADE_STATE\n"
        );
    }
    let mut command =
        format!("cascade-host run {} --run-id {run}", quoted(&arguments.manifest.display().to_string()));
    if arguments.backend.state.is_some() {
        command.push_str(&format!(" --state {}", quoted(&state.to_string())));
    }
    for target in &arguments.target {
        command.push_str(&format!(" --target {}", quoted(target)));
    }
    if arguments.verify {
        command.push_str(" --verify");
    }
    if let Some(file) = &arguments.params.params_file {
        command.push_str(&format!(" --params-file {}", quoted(&file.display().to_string())));
    }
    // Values may be secrets: only their names are repeated.
    for pair in &arguments.params.params {
        let name = pair.split('=').next().unwrap_or_default();
        command.push_str(&format!(" -p {}", quoted(&format!("{name}=…"))));
    }
    format!("run {run} {what}; what has finished is kept. To resume: {command}\n")
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use crate::cli::args::Command;
    use clap::Parser as _;

    fn shown(line: &str, state: &str) -> String {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Run(run) = arguments.command else { panic!("not a run") };
        how_to_resume(Exit::Interrupted, &run, &RunId::new("r1").unwrap(), &StateUri::parse(state).unwrap())
    }

    #[test]
    fn the_command_has_what_was_given_but_no_secrets() {
        let text = shown("cascade-host run m.toml -p token=hunter2 --state redis://:pw@h", "redis://:pw@h");
        assert!(text.contains("cascade-host run m.toml --run-id r1 --state"), "{text}");
        assert!(
            text.contains("-p 'token=…'") && !text.contains("hunter2") && !text.contains(":pw@"),
            "{text}"
        );
    }

    #[test]
    fn memory_says_what_to_set() {
        let text = shown("cascade-host run m.toml", "memory:");
        assert!(text.contains("--state redis://"), "{text}");
    }
}
