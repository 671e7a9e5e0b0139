//! What people and scripts meet: arguments, the text that is printed, and exit codes.
//! What a command does is in `app`; nothing is decided here but how it looks.

#![cfg_attr(not(test), expect(dead_code, reason = "the commands that print come with the other half of this module"))]

mod style;
#[expect(dead_code, reason = "likewise, and tests have no terminal")]
mod terminal;
mod diagnostic;
mod chain;
mod level;
mod tally;
mod human;
mod jsonlog;
mod progress;
mod screen;
mod outputs;
mod untyped;
mod signature;
mod columns;
mod plan_table;
#[cfg(test)]
mod samples;
