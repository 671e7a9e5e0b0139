//! What people and scripts meet: arguments, the text that is printed, and exit codes.
//! What a command does is in `app`; nothing is decided here but how it looks.

mod start;
mod args;
mod scope;
mod commands;
mod waiting;
mod exit;
mod listeners;
mod signals;
mod farewell;
mod resume;
mod style;
mod terminal;
mod voice;
mod wanted;
mod diagnostic;
mod chain;
mod level;
mod tally;
mod human;
mod jsonlog;
mod tame;
mod watching;
mod progress;
mod screen;
mod outputs;
mod untyped;
mod signature;
mod columns;
mod plan_row;
mod plan_table;
mod runs_table;
mod show_table;
mod topics;
#[cfg(test)]
pub(crate) mod manual;
#[cfg(test)]
mod samples;

pub use start::start;
