//! `help`: prints a page of the manual, the flags of a command, or the list of pages.
//! The pages are in `topics`, the flags in `args`.

use crate::app::{Error, Refusal};
use crate::cli::args::{Arguments, HelpArguments};
use crate::cli::commands::output::print;
use crate::cli::print::{Style, column, pad, put_line};
use crate::cli::process::{Exit, stdout_style};
use crate::cli::topics::{TOPICS, Topic};
use crate::model::nearest;
use clap::CommandFactory as _;
use clap::builder::StyledStr;

/// Prints the help on a word. A command wins over a page of the same name.
pub(crate) fn help(arguments: &HelpArguments) -> Result<Exit, Error> {
    let Some(word) = arguments.topic.as_deref() else {
        return print(list().as_bytes());
    };
    if let Some(flags) = of_command(word) {
        let text = match stdout_style() {
            Style::Coloured => flags.ansi().to_string(),
            Style::Plain => flags.to_string(),
        };
        return print(text.as_bytes());
    }
    match Topic::find(word) {
        Some(topic) => print(topic.text.as_bytes()),
        None => Err(unknown(word).into()),
    }
}

/// The text of `cascade-host NAME --help`.
fn of_command(name: &str) -> Option<StyledStr> {
    let root = Arguments::command();
    root.find_subcommand(name)?;
    root.try_get_matches_from(["cascade-host", name, "--help"]).err().map(|help| help.render())
}

fn list() -> String {
    let mut text = "Pages of the manual; `cascade-host help TOPIC` prints one:\n\n".to_owned();
    let width = column(TOPICS.iter().map(|topic| topic.name), usize::MAX);
    for Topic { name, title, .. } in TOPICS {
        put_line(&mut text, 2, &format!("{}  {title}", pad(name, width)));
    }
    text + "\n`cascade-host help COMMAND` prints the flags of a command, `cascade-host --help` lists the commands.\n"
}

fn unknown(word: &str) -> Refusal {
    let topics: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    let root = Arguments::command();
    let commands = root.get_subcommands().map(clap::Command::get_name);
    let help = match nearest(word, topics.iter().copied().chain(commands)) {
        Some(meant) => format!("did you mean `cascade-host help {meant}`?"),
        None => "`cascade-host help` lists the topics with a line each".to_owned(),
    };
    Refusal::new(format!("no page of the manual and no command is called `{word}`"))
        .note(format!("topics are {}", topics.join(", ")))
        .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_flags() {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            let text = of_command(name).unwrap().to_string();
            assert!(text.contains(&format!("Usage: cascade-host {name}")), "{text}");
        }
        assert!(of_command("manifest").is_none());
        assert!(of_command("--version").is_none());
    }

    #[test]
    fn no_page_is_hidden_behind_a_command() {
        for topic in TOPICS {
            assert!(of_command(topic.name).is_none(), "{}", topic.name);
        }
    }

    #[test]
    fn a_word_that_is_nothing_is_answered_with_the_nearest() {
        for (word, meant) in
            [("evnts", "help events"), ("Manifest", "help manifest"), ("inspct", "help inspect")]
        {
            let Refusal { help, notes, .. } = unknown(word);
            assert!(help.unwrap().contains(meant), "{word}");
            assert!(TOPICS.iter().all(|topic| notes[0].contains(topic.name)), "{notes:?}");
        }
    }
}
