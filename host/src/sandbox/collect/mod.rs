//! Results of commands: what a program left when it ended, as the MessagePack of its output.
//! `call` runs the program, and `guest/program` has what it gets.

mod end;
mod value;
mod files;
mod error;

pub(crate) use end::{Ended, end_of_program};
