//! Runs a bound plan: claims nodes from a ledger, decides, executes, retries, commits.
//! Knows neither wasmtime nor Redis: calls go through `invoke`, results through `state` and `cache`.

mod run;
mod floor;
mod host;
mod dispatch;
mod pace;
mod context;
mod telling;
mod job;
mod flight;
mod resolve;
mod skipping;
mod blame;
mod demand;
mod expansion;
mod retry;
mod keys;
mod digests;
mod listener;
mod verify;
mod finish;
mod closing;
mod forecast;
mod shape;
#[cfg(test)]
mod tests;

pub use finish::{OutputValue, Outputs, Shown, outputs};
pub use forecast::{Fate, Reason, forecast};
pub use run::{Ended, Engine, Finished, Interrupt, Settings, run};
pub use shape::shape;
pub use verify::Verification;
