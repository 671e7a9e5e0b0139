//! Runs a bound plan: claims nodes from a ledger, decides, executes, retries, commits.
//! Knows neither wasmtime nor Redis: calls go through `invoke`, results through `state` and `cache`.
//!
//! `run` is the loop. `dispatch` is the local half of the scheduler; the ledger is the other half.

mod run;
mod interrupt;
mod shared_run;
mod run_state;
mod dispatch;
mod prefetch;
mod context;
mod emit;
mod job;
mod joining;
mod left_out;
mod verdicts;
mod invocation;
mod settled;
mod closed;
mod single_flight;
mod in_flight;
mod queueing;
mod reserving;
mod turn;
mod resolve;
mod skipping;
mod root_cause;
mod pruning;
mod elements;
mod unresolved;
mod list_cache;
mod on_error;
mod expansion;
mod repeat;
mod rerun;
mod begun;
mod retry;
mod growth;
mod deadline;
mod overdue;
mod last_attempts;
mod exit_status;
mod failure_text;
mod keys;
mod digests;
mod guest_output;
mod verify;
mod run_facts;
mod at_end;
mod finish;
mod closing;
mod forecast;
mod shape;
#[cfg(test)]
mod tests;

pub use at_end::{Unwell, finally_unwell};
pub use finish::{OutputValue, Outputs, Shown, outputs};
pub use forecast::{Fate, Forecasted, Reason, forecast};
pub use interrupt::{Interrupt, WhenInterrupted};
pub use rerun::{elements_before_run, with_dependents};
pub use reserving::ReservedResources;
pub use run::{Ended, Engine, Finished, Settings, run};
pub use shape::shape;
pub use verify::Verification;
