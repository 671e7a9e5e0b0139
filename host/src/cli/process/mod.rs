//! The process around a command: signals, exit codes, runtimes and final messages.
//! The commands themselves are in `commands`.

mod signals;
mod interrupt_message;
pub(crate) mod exit;
mod runtime;
mod terminal;
mod resume;

pub(crate) use exit::Exit;
pub(crate) use interrupt_message::{
    interrupt_message, interrupted_after_run, interrupted_before_run, interrupted_cancel, interrupted_rm,
    interrupted_watch, outputs_not_printed, watching_ended,
};
pub(crate) use resume::resume_hint;
pub(crate) use runtime::{health_monitor, stdout_closed, wait_for, while_stdout_is_read};
pub(crate) use signals::Signals;
pub(crate) use terminal::{
    Reader, Stderr, open_streams, print_stderr, print_stderr_bytes, stderr_blocks, stderr_reader,
    stderr_style, stdout_reader, stdout_style, write_stdout,
};
