//! The command-line interface: arguments, printed text, signals and exit codes.
//! The work of each command is in `app`; this module decides only how things look.

mod start;
mod context;
mod args;
mod scope;
mod commands;
mod print;
mod log;
mod process;
mod voice;
mod wanted;
mod tame;
mod topics;
#[cfg(test)]
pub(crate) mod manual;

pub use start::start;
