//! `completions`: prints the lines by which a shell asks this program for completions, and answers such a question.
//! The words are found in `candidates`.

use crate::app::{Error, Refusal};
use crate::cli::args::Arguments;
use crate::cli::commands::output::print;
use crate::cli::process::{Exit, write_stdout};
use crate::cli::shell_arguments::CompletionsArguments;
use crate::config::{Environment, arguments};
use clap::CommandFactory as _;
use clap_complete::env::Shells;
use std::ffi::OsString;

/// The name of the program, as shells know it.
const PROGRAM: &str = "cascade-host";

/// The variable by which a shell asks: its own name.
pub(crate) const QUESTION: &str = "CASCADE_COMPLETE";

/// Prints the lines for a shell.
pub(crate) fn completions(shell: &CompletionsArguments) -> Result<Exit, Error> {
    let name = shell.shell.name();
    let mut script = Vec::new();
    let written = match Shells::builtins().completer(name) {
        Some(completer) => completer.write_registration(QUESTION, PROGRAM, PROGRAM, PROGRAM, &mut script),
        None => return Err(Refusal::new(format!("this host has no completions for {name}")).into()),
    };
    written.map_err(|error| Refusal::new("cannot write the completions").caused_by(error))?;
    print(&script)
}

/// Answers a shell that asks for completions; `None` if none does.
///
/// A question without an answer is answered by nothing: an error would be printed into the line that is being typed.
pub(crate) fn answer(environment: &Environment) -> Option<Exit> {
    let shell = environment.setting(QUESTION).ok().flatten()?;
    let words: Vec<OsString> = arguments().skip_while(|word| word != "--").skip(1).collect();
    let mut command = Arguments::command();
    command.build();
    let mut answer = Vec::new();
    let found = Shells::builtins()
        .completer(shell)
        .filter(|_| !words.is_empty())
        .map(|completer| completer.write_complete(&mut command, words, None, &mut answer));
    if let Some(Ok(())) = found {
        write_stdout(&answer).ok()?;
    }
    Some(Exit::Success)
}
