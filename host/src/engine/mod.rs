//! Runs a bound plan: claims nodes from a ledger, decides, executes, retries, commits.
//! Knows neither wasmtime nor Redis: calls go through `invoke`, results through `state` and `cache`.

mod demand;
mod dispatch;
mod expansion;
mod finish;
mod job;
mod keys;
mod listener;
mod resolve;
mod retry;
mod run;
mod shape;

pub use finish::{OutputValue, outputs};
pub use run::{Ended, Engine, Interrupt, Settings, run};
pub use shape::shape;
