//! The command-line interface: arguments, printed text, signals and exit codes.
//! The work of each command is in `app`; this module decides only the presentation.

mod start;
mod context;
mod compilations;
mod args;
mod backend_arguments;
mod authoring;
mod candidates;
mod graph_format;
mod shell_arguments;
mod scope;
mod source_arguments;
mod stored_arguments;
mod overrides;
mod commands;
mod print;
mod drawing;
mod log;
mod process;
mod console;
mod usage;
mod escaped_json;
mod filters;
mod trace;
mod report;
mod topics;
#[cfg(test)]
pub(crate) mod manual;

pub use start::start;
