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

/// Prints a command's flags, a page, or the list of pages. A command takes precedence over a page.
pub(crate) fn help(arguments: &HelpArguments) -> Result<Exit, Error> {
    let Some(word) = arguments.topic.as_deref() else {
        return print(list().as_bytes());
    };
    if let Some(flags) = command_help(word) {
        let text = match stdout_style() {
            Style::Coloured => flags.ansi().to_string(),
            Style::Plain => flags.to_string(),
        };
        return print(text.as_bytes());
    }
    match Topic::find(word) {
        Some(topic) => print(topic.text.as_bytes()),
        None => Err(unknown_topic(word).into()),
    }
}

/// Returns the text of `cascade-host NAME --help`; `None` if there is no such command.
fn command_help(name: &str) -> Option<StyledStr> {
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

fn unknown_topic(word: &str) -> Refusal {
    let topics: Vec<&str> = TOPICS.iter().map(|topic| topic.name).collect();
    let root = Arguments::command();
    let commands = root.get_subcommands().map(clap::Command::get_name);
    let help = match nearest(word, topics.iter().copied().chain(commands)) {
        Some(meant) => format!("did you mean `cascade-host help {meant}`?"),
        None => "run `cascade-host help` for the list of topics".to_owned(),
    };
    Refusal::new(format!("there is no manual page or command `{word}`"))
        .note(format!("the topics are {}", topics.join(", ")))
        .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_help() {
        for command in Arguments::command().get_subcommands() {
            let name = command.get_name();
            let text = command_help(name).unwrap().to_string();
            assert!(text.contains(&format!("Usage: cascade-host {name}")), "{text}");
        }
        assert!(command_help("manifest").is_none());
        assert!(command_help("--version").is_none());
    }

    #[test]
    fn no_page_has_the_name_of_a_command() {
        for topic in TOPICS {
            assert!(command_help(topic.name).is_none(), "{}", topic.name);
        }
    }

    #[test]
    fn unknown_topic_suggests_the_nearest_one() {
        for (word, meant) in
            [("evnts", "help events"), ("Manifest", "help manifest"), ("inspct", "help inspect")]
        {
            let Refusal { help, notes, .. } = unknown_topic(word);
            assert!(help.unwrap().contains(meant), "{word}");
            assert!(TOPICS.iter().all(|topic| notes[0].contains(topic.name)), "{notes:?}");
        }
    }
}
