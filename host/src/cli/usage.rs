//! Usage errors and help of clap, in the log format that the arguments ask for.
//! The format is found before the arguments are parsed, since they may be invalid.

use crate::app::Error;
use crate::cli::commands::output::print;
use crate::cli::console::Console;
use crate::cli::print::{JsonError, Style};
use crate::cli::process::{Exit, print_stderr, stderr_style, stdout_style};
use crate::config::{Environment, LogFormat, SettingsFile};
use clap::error::ErrorKind;
use std::ffi::OsString;

/// Returns whether the arguments, the program's name first, or the settings ask for JSON lines. Ignores all other
/// settings, since an invalid one must be reported in this format too.
pub(crate) fn wants_json(
    arguments: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    file: &SettingsFile,
) -> bool {
    let words: Vec<String> = arguments.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if value_of(&words, "--events").is_some_and(|events| events == "-") {
        return true;
    }
    let flag = value_of(&words, "--log-format");
    let setting =
        || environment.setting("CASCADE_LOG_FORMAT").ok().flatten().or_else(|| file.get("log-format"));
    flag.or_else(setting) == Some("json")
}

/// Returns the last value of a flag in unparsed arguments.
fn value_of<'a>(words: &'a [String], flag: &str) -> Option<&'a str> {
    let mut words = words.iter().skip(1).take_while(|word| *word != "--").peekable();
    let mut value = None;
    while let Some(word) = words.next() {
        match word.strip_prefix(flag) {
            Some("") => value = words.peek().map(|word| word.as_str()).or(value),
            Some(rest) => value = rest.strip_prefix('=').or(value),
            None => {}
        }
    }
    value
}

/// Prints clap's message: help on stdout, or a usage error on stderr.
pub(crate) fn report_usage(error: &clap::Error, console: &Console) -> Result<Exit, Error> {
    if !error.use_stderr() {
        return print(text(error, stdout_style()).as_bytes());
    }
    match console.format() {
        LogFormat::Human => print_stderr(&text(error, stderr_style())),
        LogFormat::Json => console.print_json_error(json_error(error)),
    }
    Ok(Exit::Usage)
}

fn text(error: &clap::Error, style: Style) -> String {
    let text = match style {
        Style::Coloured => error.render().ansi().to_string(),
        Style::Plain => error.render().to_string(),
    };
    let lacks_run = error.kind() == ErrorKind::MissingRequiredArgument && text.contains("--run-id <ID>");
    match text.split_once("\n\n") {
        Some((message, usage)) if lacks_run => format!("{message}\n\n{STORED_RUN}\n\n{usage}"),
        _ => text,
    }
}

/// The common part of flags that need `--run-id`.
const STORED_RUN: &str = "  tip: `--fresh`, `--update`, `--rerun` and `--if-running` are about a run that is stored: name it by \
                          `--run-id ID`. Without that, every run is a new one";

/// Splits clap's message into its paragraphs: the first is the error, the others are help.
fn json_error(error: &clap::Error) -> JsonError {
    let text = text(error, Style::Plain);
    let mut parts = text.split("\n\n").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    let message = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Some("a command is missing".to_owned()),
        _ => parts.next(), // all others begin with the error
    };
    let message = message.unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    JsonError { message, help: parts.collect(), ..JsonError::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Arguments;
    use clap::Parser as _;

    fn wants(line: &str, environment: &Environment) -> bool {
        let words = std::iter::once("cascade-host").chain(line.split(' ')).map(OsString::from);
        wants_json(words, environment, &SettingsFile::default())
    }

    #[test]
    fn format_is_found_in_arguments_that_do_not_parse() {
        let (none, json) = (Environment::default(), Environment::from([("CASCADE_LOG_FORMAT", "json")]));
        for line in
            ["--log-format json rn", "run --no --log-format=json", "run m --events - -x", "run --events=-"]
        {
            assert!(wants(line, &none), "{line}");
        }
        for line in
            ["run m --log-format human", "run m -- --log-format json", "run m --events x", "run --events"]
        {
            assert!(!wants(line, &none), "{line}");
        }
        assert!(wants("rn", &json) && !wants("rn --log-format human", &json));
    }

    #[test]
    fn usage_error_is_one_json_error() {
        let parsed = |words: &[&str]| json_error(&Arguments::try_parse_from(words).unwrap_err());
        let unknown = parsed(&["cascade-host", "run", "m", "--flesh"]);
        assert_eq!(unknown.message, "unexpected argument '--flesh' found");
        assert!(unknown.help.iter().any(|help| help.contains("--fresh")), "{unknown:?}");
        assert_eq!(parsed(&["cascade-host"]).message, "a command is missing");
        for flag in ["--fresh", "--update", "--if-running=skip", "--rerun=t"] {
            let lacking = parsed(&["cascade-host", "run", "m", flag]);
            assert!(lacking.message.ends_with("--run-id <ID>"), "{lacking:?}");
            assert!(lacking.help[0].contains("name it by `--run-id ID`"), "{lacking:?}");
        }
    }
}
