//! `output`: prints stored results of a run.
//! Types are not stored, so values are shown by their MessagePack markers alone (`print/untyped`).

use crate::app;
use crate::app::{Backends, Error, Refusal, Stored, StoredResult};
use crate::cli::context::Context;
use crate::cli::print::{Format, OutputFault, escape_control_json, outputs};
use crate::cli::process::{Exit, Reader, stdout_reader, wait_for, write_stdout};
use crate::cli::stored_arguments::OutputArguments;
use crate::manifest::BackendSection;
use crate::state;
use crate::state::ErrorKind;

/// Prints one stored result, or all results of a run by task.
pub(crate) fn output(ctx: &Context, arguments: &OutputArguments) -> Result<Exit, Error> {
    let state = Backends::default().state(&ctx.settings, &BackendSection::default(), &ctx.environment)?;
    let task = arguments.task.as_deref();
    let backend = state.backend.as_ref();
    let (run, results) = wait_for(&ctx.console, backend, async {
        let run = app::find_run(backend, &arguments.run).await?;
        let results = app::stored_results(backend, &run, task).await?;
        Ok((run, results))
    })?;
    let (format, layout) = (arguments.format.format, stdout_reader().into());
    let Stored { results, left_out } = results;
    left_out.iter().for_each(|reason| ctx.console.note("output-left-out", reason));
    let bytes = match (task, &*results) {
        (Some(_), [StoredResult { name, value }]) => outputs::render_one(name, value, format, layout),
        (Some(_) | None, _) => {
            let results: Vec<_> = results.into_iter().map(|result| (result.name, result.value)).collect();
            outputs::render_stored(&results, format, layout)
        }
    };
    let bytes = bytes.map_err(|fault| match fault {
        OutputFault::Malformed { name, source } => {
            Error::Backend(state::Error::unreadable(&run, &name, source))
        }
        fault => error(fault), // all others are about the request
    })?;
    print_as(format, &bytes)
}

/// Writes results of a format to stdout. MessagePack and raw bytes are never escaped.
pub(crate) fn print_as(format: Format, bytes: &[u8]) -> Result<Exit, Error> {
    match format {
        Format::Json => print_json(bytes),
        Format::Msgpack | Format::Raw => print(bytes),
    }
}

/// Writes JSON to stdout, with control characters escaped for a terminal.
pub(crate) fn print_json(json: &[u8]) -> Result<Exit, Error> {
    match stdout_reader() {
        Reader::Person => print(&escape_control_json(json)),
        Reader::Program => print(json),
    }
}

/// Writes results to stdout.
pub(crate) fn print(bytes: &[u8]) -> Result<Exit, Error> {
    write_stdout(bytes).map_err(Error::Unprinted)?;
    Ok(Exit::Success)
}

/// Converts an output fault to an error: of the backend if a stored value is damaged, of usage otherwise.
pub(crate) fn error(fault: OutputFault) -> Error {
    let (message, help) = (fault.to_string(), fault.help());
    if let OutputFault::Malformed { source, .. } = fault {
        let error = state::Error::new(ErrorKind::Refused, message).caused_by(source);
        return match help {
            Some(help) => error.hint(help).into(),
            None => error.into(),
        };
    }
    let refusal = Refusal::new(message);
    match help {
        Some(help) => refusal.help(help).into(),
        None => refusal.into(),
    }
}
