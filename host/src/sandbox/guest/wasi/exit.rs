//! The end of a guest by `wasi:cli/exit`, with its status as far as the guest tells it.
//! `call` decides what the status means for the function.

use crate::sandbox::guest::state::State;
use std::fmt;
use wasmtime_wasi::p2::bindings::cli::exit;

/// Error: the guest ended its call with a status. The plain `exit` tells only whether the status is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit {
    /// Status, unless it is an unknown number other than 0.
    pub(crate) status: Option<u8>,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(0) => f.write_str("the guest called exit with a success status"),
            Some(status) => write!(f, "the guest called exit with status {status}"),
            None => f.write_str("the guest called exit with a failure status"),
        }
    }
}

impl std::error::Error for Exit {}

impl exit::Host for State {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(Exit { status: status.ok().map(|()| 0) }.into())
    }

    fn exit_with_code(&mut self, status: u8) -> wasmtime::Result<()> {
        Err(Exit { status: Some(status) }.into())
    }
}
