//! The process around a command: signals, exit codes, runtimes and final messages.
//! The commands themselves are in `commands`.

mod signals;
mod interrupt_message;
pub(crate) mod exit;
mod runtime;
mod terminal;
mod resume;

pub(crate) use exit::Exit;
pub(crate) use interrupt_message::{after_run, before_run, farewell, unprinted};
pub(crate) use resume::how_to_resume;
pub(crate) use runtime::{runtime_for_guests, vigil, wait_for, while_read};
pub(crate) use signals::Signals;
pub(crate) use terminal::{
    Reader, Stderr, give, say, say_bytes, stderr_blocks, stderr_reader, stderr_style, stdout_reader,
    stdout_style,
};
