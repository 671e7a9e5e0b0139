//! The words for a program that failed, from the payload of its error.
//! `job` puts what the program wrote to stderr before them.

use crate::model::{Path, Step};
use crate::value::wire::Reader;
use crate::value::{Command, pick};
use bytes::Bytes;

/// Returns the message for the error of a command; none for a payload of another type.
pub(crate) fn failed_program(command: &Command, payload: &Bytes) -> Option<String> {
    let mut path = Path::root();
    path.push(Step::Field("status".to_owned()));
    let status = pick(&Command::error_type(), payload, &path).ok()??;
    let program = &command.program;
    let mut reader = Reader::new(&status);
    if reader.take_nil().ok()? {
        return Some(format!("the program `{program}` failed, and told no status"));
    }
    Some(format!("the program `{program}` exited with status {}", reader.int().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Datum;
    use crate::value::{CommandOutput, encode};

    #[test]
    fn status_is_told_if_there_is_one() {
        let command = Command {
            program: "dot".into(),
            feeds: Vec::new(),
            output: CommandOutput::One(crate::value::Collected::Text),
            ok_status: vec![0],
        };
        let said = |status| {
            let stderr = ("stderr".to_owned(), Datum::Text("no such file".into()));
            let error = Datum::Table(vec![("status".to_owned(), status), stderr]);
            failed_program(&command, &encode(&Command::error_type(), &error).unwrap())
        };
        assert_eq!(said(Datum::Int(3)).as_deref(), Some("the program `dot` exited with status 3"));
        assert_eq!(said(Datum::Null).as_deref(), Some("the program `dot` failed, and told no status"));
        assert_eq!(failed_program(&command, &Bytes::from_static(b"\xc0")), None);
    }
}
