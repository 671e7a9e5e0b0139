//! The output of commands: tables, diagnostics, values, errors and styles.
//! The log of a run is in `log`; `commands` decides which command prints what.

pub(crate) mod builtins;
mod columns;
mod json_error;
pub(crate) mod diagnostic;
pub(crate) mod error_chain;
pub(crate) mod outputs;
mod command_row;
pub(crate) mod plan_row;
mod deadline_row;
mod missing_row;
mod notify_row;
mod pipeline_row;
mod plan_table;
mod repeat_row;
mod source_row;
mod runs_table;
mod resources_table;
#[cfg(test)]
mod samples;
mod show_table;
pub(crate) mod signature;
mod stats_table;
mod style;
mod untyped;
mod why_report;

pub(crate) use columns::{column, pad, put_line};
pub(crate) use json_error::JsonError;
pub(crate) use notify_row::NotifyRow;
pub(crate) use outputs::{Format, OutputFault};
pub(crate) use plan_table::PlanTable;
pub(crate) use resources_table::ResourcesTable;
pub(crate) use runs_table::{RunsTable, word as run_word};
#[cfg(test)]
pub(crate) use samples::{element, finished, iteration, run, task};
pub(crate) use show_table::{ShowTable, word as task_word};
pub(crate) use signature::{ImportRow, Inspection};
pub(crate) use stats_table::{Spread, StatsTable};
pub(crate) use style::{Ink, Style, escape_control, escape_control_json, escape_control_line};
pub(crate) use why_report::WhyReport;
