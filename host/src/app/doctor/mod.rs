//! `doctor`: tests whether the limits of sandbox, machine and backend hold on this machine.
//! `cli` formats the findings.

mod finding;
mod probe;
mod guests;
mod async_guests;
mod latency_baseline;
mod trial;
mod host_checks;
mod backend;
mod diagnosis;

pub(crate) use diagnosis::diagnose;
pub(crate) use finding::{Finding, Verdict};
