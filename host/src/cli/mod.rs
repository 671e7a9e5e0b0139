//! What people and scripts meet: arguments, the text that is printed, and exit codes.
//! What a command does is in `app`; nothing is decided here but how it looks.

mod start;
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
