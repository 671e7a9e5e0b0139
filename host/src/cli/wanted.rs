//! The form in which a command is to speak, found in its words before they are understood, or where they are not.
//! What clap has to say of them is put into that form here.

use crate::app::Error;
use crate::cli::commands::output::print;
use crate::cli::print::{Complaint, Style};
use crate::cli::process::{Exit, say, stderr_style, stdout_style};
use crate::cli::voice::Voice;
use crate::config::{Environment, LogFormat, SettingsFile};
use clap::error::ErrorKind;
use std::ffi::OsString;

/// Whether words, a program's name first, or the settings ask for lines of JSON. No other setting is looked at: that one of
/// them is wrong has to be told as well.
pub(crate) fn wants_json(
    words: impl IntoIterator<Item = OsString>,
    environment: &Environment,
    file: &SettingsFile,
) -> bool {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if value_of(&words, "--events").is_some_and(|events| events == "-") {
        return true;
    }
    let flag = value_of(&words, "--log-format");
    let setting =
        || environment.setting("CASCADE_LOG_FORMAT").ok().flatten().or_else(|| file.get("log-format"));
    flag.or_else(setting) == Some("json")
}

/// The last value that words give to a flag.
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

/// What clap has to say: help, which is a result, or what is wrong with the arguments.
pub(crate) fn usage(said: &clap::Error, voice: &Voice) -> Result<Exit, Error> {
    if !said.use_stderr() {
        return print(text(said, stdout_style()).as_bytes());
    }
    match voice.form() {
        LogFormat::Human => say(&text(said, stderr_style())),
        LogFormat::Json => voice.tell(complaint(said)),
    }
    Ok(Exit::Usage)
}

fn text(said: &clap::Error, style: Style) -> String {
    match style {
        Style::Coloured => said.render().ansi().to_string(),
        Style::Plain => said.render().to_string(),
    }
}

/// The same in parts: clap has a paragraph for what is wrong, and others for what helps.
fn complaint(said: &clap::Error) -> Complaint {
    let text = text(said, Style::Plain);
    let mut parts = text.split("\n\n").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty());
    let message = match said.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Some("no command is given".to_owned()),
        _ => parts.next(), // all others begin with what is wrong
    };
    let message = message.unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    Complaint { message, help: parts.collect(), ..Complaint::default() }
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
    fn the_form_is_found_in_words_that_clap_does_not_understand() {
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
    fn what_clap_says_is_one_error() {
        let of = |words: &[&str]| complaint(&Arguments::try_parse_from(words).unwrap_err());
        let unknown = of(&["cascade-host", "run", "m", "--flesh"]);
        assert_eq!(unknown.message, "unexpected argument '--flesh' found");
        assert!(unknown.help.iter().any(|help| help.contains("--fresh")), "{unknown:?}");
        assert_eq!(of(&["cascade-host"]).message, "no command is given");
    }
}
