//! Exit codes, and the one place that prints a command's error.
//! `app` classifies the errors.

use crate::app::{Error, Refusal};
use crate::cli::print::{Ink, JsonError, Style, diagnostic, error_chain, escape_control};
use crate::cli::process::terminal::stderr_style;
use crate::model::Shortage;
use crate::state::ErrorKind;
use std::process::ExitCode;

/// The outcome of the process. A bug in the host exits with 101, as every panic does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) enum Exit {
    /// The command succeeded.
    Success,
    /// A task failed.
    TaskFailed,
    /// Wrong usage or manifest, or a run id of another plan; nothing was run.
    Usage,
    /// The state or cache backend refused or was lost, or the output cannot be written.
    Backend,
    /// No such run or task.
    Missing,
    /// Interrupted or cancelled; the run can be resumed.
    Interrupted,
}

impl Exit {
    /// Returns the exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::TaskFailed => 1,
            Self::Usage => 2,
            Self::Backend => 3,
            Self::Missing => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Returns the exit code of an error's class.
pub(crate) fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Faults(_)
        | Error::Refused(_)
        | Error::Settings(_)
        | Error::SettingsFile(_)
        | Error::Component(_)
        | Error::Occupied { .. } => Exit::Usage,
        Error::Backend(error) | Error::Lost { source: error, .. } => match error.kind {
            ErrorKind::Uri | ErrorKind::OtherDigest(_) => Exit::Usage,
            ErrorKind::NoRun => Exit::Missing,
            ErrorKind::Unavailable
            | ErrorKind::Refused
            | ErrorKind::Damaged
            | ErrorKind::Held
            | ErrorKind::Misuse
            | ErrorKind::Declined => Exit::Backend,
        },
        Error::Missing { .. } => Exit::Missing,
        Error::Unprinted(_) | Error::Unwritten { .. } | Error::Unsaved { .. } => Exit::Backend,
        Error::Unplaced(_) => Exit::TaskFailed,
    }
}

/// Formats an error for people, in the style of stderr.
pub(crate) fn render_error(error: &Error) -> String {
    styled(error, stderr_style())
}

fn styled(error: &Error, style: Style) -> String {
    match error {
        Error::Faults(faults) => diagnostic::render(faults, style),
        Error::Refused(refusal) | Error::Unplaced(refusal) => refused(refusal, style),
        _ => error_chain::render_chain(error, help(error), style), // all others are a chain of causes
    }
}

/// Converts an error to its form for programs: one per fault of a manifest.
pub(crate) fn json_errors(error: &Error) -> Vec<JsonError> {
    match error {
        Error::Faults(faults) => diagnostic::json_errors(faults),
        Error::Refused(refusal) | Error::Unplaced(refusal) => vec![JsonError {
            message: error_chain::sentence(refusal),
            notes: refusal.notes.clone(),
            help: refusal.help.clone().into_iter().collect(),
            ..JsonError::default()
        }],
        _ => vec![JsonError {
            message: error_chain::sentence(error),
            help: help(error).map(str::to_owned).into_iter().collect(),
            ..JsonError::default()
        }], // all others are a chain of causes
    }
}

/// Returns the help text of an error that is a chain of causes.
fn help(error: &Error) -> Option<&str> {
    match error {
        Error::Faults(_) | Error::Refused(_) | Error::Unplaced(_) | Error::Occupied { .. } => None,
        Error::Component(error) => error.help(),
        Error::Backend(error) | Error::Lost { source: error, .. } => error.help(),
        Error::Missing { help, .. } => Some(help),
        Error::Unprinted(cause)
        | Error::Unwritten { source: cause, .. }
        | Error::Unsaved { source: cause, .. } => Shortage::from_error(cause).map(Shortage::help),
        Error::Settings(fault) => fault.help(),
        Error::SettingsFile(fault) => Shortage::from_error(fault).map(Shortage::help),
    }
}

fn refused(refusal: &Refusal, style: Style) -> String {
    let mut text = error_chain::render_chain(refusal, None, style);
    for note in &refusal.notes {
        text.push_str(&format!("{}: {}\n", style.paint(Ink::Title, "note"), escape_control(note)));
    }
    if let Some(help) = &refusal.help {
        text.push_str(&format!("{}: {}\n", style.paint(Ink::Calm, "help"), escape_control(help)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state;

    #[test]
    fn every_error_class_has_its_documented_exit_code() {
        let backend = |kind| Error::Backend(state::Error::new(kind, "cannot open the run"));
        let lost = |kind| Error::Lost {
            run: crate::model::RunId::new("r1").unwrap(),
            source: state::Error::new(kind, "working on it"),
        };
        for (error, exit) in [
            (Error::Refused(Refusal::new("no")), Exit::Usage),
            (backend(ErrorKind::Unavailable), Exit::Backend),
            (backend(ErrorKind::NoRun), Exit::Missing),
            (backend(ErrorKind::Uri), Exit::Usage),
            (lost(ErrorKind::Unavailable), Exit::Backend),
            (lost(ErrorKind::NoRun), Exit::Missing),
            (Error::Missing { message: "no".into(), help: "yes".into() }, Exit::Missing),
        ] {
            assert_eq!(exit_of(&error), exit, "{error}");
        }
    }

    #[test]
    fn refusal_shows_notes_and_help() {
        let refusal =
            Refusal::new("run `a` exists with another plan").note("task `b` is new").help("use `--update`");
        assert_eq!(
            styled(&Error::Refused(refusal), Style::Plain),
            "error: run `a` exists with another plan\nnote: task `b` is new\nhelp: use `--update`\n"
        );
    }
}
