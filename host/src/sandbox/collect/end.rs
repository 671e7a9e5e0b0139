//! The end of a command: its result if its status is one of success, or its failure with what it wrote last.
//! `value` makes the result; `failure` classifies what happened while it ran.

use crate::invoke::{Call, Failure, LastOutput, Outcome, Returned, Stream, Usage};
use crate::model::FailureClass;
use crate::sandbox::collect::error::Uncollected;
use crate::sandbox::collect::value::{Remains, collect, error_payload};
use crate::sandbox::failure;
use crate::sandbox::guest::{
    CapturedOutput, Deadline, Exit, LogGuard, MAX_KEPT, Program, SharedTree, TimedOut, last_part,
};

/// What is left of a command when its code has ended.
pub(crate) struct Ended {
    pub(crate) result: wasmtime::Result<Outcome>,
    /// Its files.
    pub(crate) disk: SharedTree,
    /// What is left of `limits.logs`.
    pub(crate) logs: LogGuard,
    /// End of stderr.
    pub(crate) stderr: String,
    pub(crate) usage: Usage,
}

/// Returns the result of a command, or its failure. Its stdout is then no result, and goes to the log.
pub(crate) async fn end_of_program(
    program: &Program,
    ended: Ended,
    call: &Call,
    deadline: Deadline,
) -> Result<Returned, Failure> {
    let Ended { result, disk, logs, stderr, usage } = ended;
    let stdout = program.stdout.as_ref().map(CapturedOutput::take).unwrap_or_default();
    let mut remains = Remains { stdout, disk, deadline, limits: call.limits };
    let status = match result {
        Ok(Outcome::Value(_)) => Ok(Some(0)),
        Ok(Outcome::Error(_)) => Ok(None),
        Err(error) => error.downcast::<Exit>().map(|exit| exit.status),
    };
    let ok_status = &program.command.ok_status;
    let ended = match status {
        Ok(Some(status)) if ok_status.contains(&status) => {
            collect(&program.command.output, &mut remains).await
        }
        Ok(status) => {
            let last = last_output(&remains, stderr, (call, &logs));
            let outcome = Outcome::Error(error_payload(status, &last.stderr));
            return Ok(Returned { outcome, last, exit: None, usage });
        }
        Err(error) => {
            let last = last_output(&remains, stderr, (call, &logs));
            return Err(failure::of_guest(&error, call, last, usage));
        }
    };
    match ended {
        Ok(value) => {
            let (outcome, last) = (Outcome::Value(value), LastOutput::default());
            Ok(Returned { outcome, last, exit: None, usage })
        }
        Err(error) => {
            let last = last_output(&remains, stderr, (call, &logs));
            Err(uncollected(error, last, call, usage))
        }
    }
}

fn uncollected(error: Uncollected, last: LastOutput, call: &Call, usage: Usage) -> Failure {
    if error.class == FailureClass::Timeout {
        return failure::from_error(&TimedOut.into(), call, usage);
    }
    Failure { last, ..failure::without_trap(error.class, error.message, usage) }
}

/// Returns what a failed command wrote last, and logs its stdout. Bytes that are no text say nothing to a reader.
fn last_output(remains: &Remains, stderr: String, (call, logs): (&Call, &LogGuard)) -> LastOutput {
    let Ok(stdout) = std::str::from_utf8(remains.stdout()) else {
        return LastOutput { stderr, stdout: String::new() };
    };
    if let Some(end) = logs.last_lines(stdout) {
        call.listener.on_output(Stream::Stdout, &end);
    }
    LastOutput { stderr, stdout: last_part(stdout.as_bytes(), MAX_KEPT) }
}
