//! Results of commands: what a program left when it ended, as the MessagePack of its output.
//! `call` runs the program, and `guest/program` has what it gets.

mod value;
mod files;
mod error;

pub(crate) use value::{Remains, collect, error_payload};
