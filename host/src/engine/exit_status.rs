//! The error of a program that failed: its words, and its payload without secrets.
//! `job` adds what the program wrote last.

use crate::model::{Path, Step};
use crate::value::wire::{Reader, put_str};
use crate::value::{Command, compose_record, pick};
use bytes::Bytes;

/// The error of a program.
pub(crate) struct ProgramError {
    /// The message.
    pub(crate) message: String,
    /// The payload. Its stderr is a log, in which secrets are hidden as in any other.
    pub(crate) payload: Bytes,
}

/// Returns the error of a command, hiding secrets; none for a payload of another type.
pub(crate) fn program_error(
    command: &Command,
    payload: &Bytes,
    hide: impl FnOnce(&str) -> String,
) -> Option<ProgramError> {
    let (status, stderr) = (part(payload, "status")?, part(payload, "stderr")?);
    let mut shown = Vec::new();
    put_str(&mut shown, &hide(Reader::new(&stderr).str().ok()?));
    let program = &command.program;
    let mut reader = Reader::new(&status);
    let message = if reader.take_nil().ok()? {
        format!("the program `{program}` exited with a status other than 0")
    } else {
        format!("the program `{program}` exited with status {}", reader.int().ok()?)
    };
    let payload = compose_record(&[("status".into(), status), ("stderr".into(), shown.into())]);
    Some(ProgramError { message, payload })
}

fn part(payload: &Bytes, field: &str) -> Option<Bytes> {
    let mut path = Path::root();
    path.push(Step::Field(field.to_owned()));
    pick(&Command::error_type(), payload, &path).ok()?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::{Collected, CommandOutput, encode, to_json_text};

    #[test]
    fn status_is_told_and_secrets_are_hidden() {
        let output = CommandOutput::One(Collected::Text);
        let command = Command { program: "dot".into(), feeds: Vec::new(), output, ok_status: vec![0] };
        let error = |status| {
            let stderr = ("stderr".to_owned(), Datum::Text("wrong password: hunter2".into()));
            let error = Datum::Table(vec![("status".to_owned(), status), stderr]);
            let payload = encode(&Command::error_type(), &error).unwrap();
            let found = program_error(&command, &payload, |text| text.replace("hunter2", "***")).unwrap();
            (found.message, to_json_text(&Command::error_type(), &found.payload).unwrap())
        };
        let stderr = "\"stderr\":\"wrong password: ***\"";
        assert_eq!(
            error(Datum::Int(3)),
            ("the program `dot` exited with status 3".to_owned(), format!("{{\"status\":3,{stderr}}}"))
        );
        assert_eq!(
            error(Datum::Null),
            (
                "the program `dot` exited with a status other than 0".to_owned(),
                format!("{{\"status\":null,{stderr}}}")
            )
        );
        assert!(program_error(&command, &Bytes::from_static(b"\xc0"), str::to_owned).is_none());
    }
}
