//! Exit codes, and the one place that prints a command's error.
//! `app` classifies the errors.

use crate::app::{Error, Refusal};
use crate::cli::print::{Complaint, Ink, Style, diagnostic, error_chain, harmless};
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
    /// The state or the cache refused or was lost, or the output cannot be written.
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

pub(crate) fn exit_of(error: &Error) -> Exit {
    match error {
        Error::Faults(_)
        | Error::Refused(_)
        | Error::Settings(_)
        | Error::SettingsFile(_)
        | Error::Component(_) => Exit::Usage,
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
        Error::Unprinted(_) | Error::Unwritten { .. } => Exit::Backend,
    }
}

/// An error as people are shown it on stderr.
pub(crate) fn shown(error: &Error) -> String {
    styled(error, stderr_style())
}

fn styled(error: &Error, style: Style) -> String {
    match error {
        Error::Faults(faults) => diagnostic::render(faults, style),
        Error::Refused(refusal) => refused(refusal, style),
        _ => error_chain::render_chain(error, help(error), style), // all others are a chain of causes
    }
}

/// An error as programs are told it: each fault of a manifest by itself.
pub(crate) fn told(error: &Error) -> Vec<Complaint> {
    match error {
        Error::Faults(faults) => diagnostic::complaints(faults),
        Error::Refused(refusal) => vec![Complaint {
            message: error_chain::sentence(refusal),
            notes: refusal.notes.clone(),
            help: refusal.help.clone().into_iter().collect(),
            ..Complaint::default()
        }],
        _ => vec![Complaint {
            message: error_chain::sentence(error),
            help: help(error).map(str::to_owned).into_iter().collect(),
            ..Complaint::default()
        }], // all others are a chain of causes
    }
}

/// What would help, of errors that are a chain of causes.
fn help(error: &Error) -> Option<&str> {
    match error {
        Error::Faults(_) | Error::Refused(_) => None,
        Error::Component(error) => error.help(),
        Error::Backend(error) | Error::Lost { source: error, .. } => error.help(),
        Error::Missing { help, .. } => Some(help),
        Error::Unprinted(cause) | Error::Unwritten { source: cause, .. } => {
            Shortage::from_error(cause).map(Shortage::help)
        }
        Error::Settings(fault) => fault.help(),
        Error::SettingsFile(fault) => Shortage::from_error(fault).map(Shortage::help),
    }
}

fn refused(refusal: &Refusal, style: Style) -> String {
    let mut text = error_chain::render_chain(refusal, None, style);
    for note in &refusal.notes {
        text.push_str(&format!("{}: {}\n", style.paint(Ink::Title, "note"), harmless(note)));
    }
    if let Some(help) = &refusal.help {
        text.push_str(&format!("{}: {}\n", style.paint(Ink::Calm, "help"), harmless(help)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state;

    #[test]
    fn classes_of_errors_have_the_codes_of_the_contract() {
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
    fn a_refusal_shows_its_facts_and_what_would_help() {
        let refusal =
            Refusal::new("run `a` exists with another plan").note("task `b` is new").help("use `--update`");
        assert_eq!(
            styled(&Error::Refused(refusal), Style::Plain),
            "error: run `a` exists with another plan\nnote: task `b` is new\nhelp: use `--update`\n"
        );
    }
}
